package factor

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"rsc.io/qr"

	"boundgate/internal/prt"
)

// What authenticator applications read: SHA-1, six digits, thirty seconds. The hash's collisions do not matter to HMAC.
const (
	digits     = 6
	period     = 30 // seconds
	secretSize = 20 // bytes, RFC 4226 section 4
	// window is how many steps before and after the present one are accepted, for clocks that differ.
	window = 1
)

// NewTOTP draws a key for an authenticator application.
func NewTOTP(p Person, name string, at time.Time) (Factor, error) {
	key := make([]byte, secretSize)
	if _, err := rand.Read(key); err != nil {
		return Factor{}, fmt.Errorf("draw TOTP key: %w", err)
	}
	return TOTPFrom(p, name, base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key), at), nil
}

// TOTPFrom returns the factor with a key that was drawn before, in base32.
func TOTPFrom(p Person, name, key string, at time.Time) Factor {
	f := Factor{ID: uuid.NewString(), Tenant: p.Tenant, User: p.User, Kind: TOTP, DisplayName: name, CreatedAt: at}
	f.Secret = prt.Secret(key)
	return f
}

// CheckCode checks a code at a time and returns its time step. ErrCodeUsed says that this code, or a later one, has been
// accepted before.
func (f Factor) CheckCode(code string, at time.Time) (step int64, err error) {
	code = strings.Map(dropBlank, code)
	if f.Kind != TOTP || f.Secret == "" || len(code) != digits {
		return 0, ErrWrongCode
	}
	now := at.Unix() / period
	found := int64(-1)
	for s := now - window; s <= now+window; s++ {
		right, err := totp.GenerateCodeCustom(f.Secret.Reveal(), time.Unix(s*period, 0), totp.ValidateOpts{
			Period: period, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		if err != nil {
			return 0, fmt.Errorf("compute code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(right), []byte(code)) == 1 { // P17
			found = s
		}
	}
	switch {
	case found < 0:
		return 0, ErrWrongCode
	case found <= f.LastStep:
		return 0, ErrCodeUsed
	}
	return found, nil
}

func dropBlank(r rune) rune {
	if r == ' ' || r == '\u00a0' || r == '\u3000' {
		return -1
	}
	return r
}

// URI returns the address that authenticator applications read from a QR code.
func (f Factor) URI(issuer, account string) string {
	q := url.Values{"secret": {f.Secret.Reveal()}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+account) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// Grouped returns a TOTP key in groups of four letters, for people to type.
func (f Factor) Grouped() string {
	var b strings.Builder
	for i, r := range f.Secret.Reveal() {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// QRCode draws text as a QR code in SVG, dark on white in every theme, with its quiet zone.
func QRCode(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("QR code: %w", err)
	}
	const quiet = 4
	side := code.Size + 2*quiet
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" aria-hidden="true" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="%s"/></svg>`, side, side, side, side, path.String()), nil
}
