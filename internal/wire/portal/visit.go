package portal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

// A purpose is what a passage through the pages is for.
type purpose string

const (
	forCode    purpose = "authorize"
	forDevice  purpose = "device"
	forAccount purpose = "me"
	toSignOut  purpose = "signout"
)

// A visit is one passage through the pages. It travels in the forms, sealed, and counts only in the browser that began it.
type visit struct {
	Purpose purpose
	ID      string
	Browser []byte // SHA-256 of the browser's visit cookie
	Begun   time.Time

	Tenant        string // path segment
	Version       token.Version
	Query         string // of the authorization request
	CorrelationID string
	Username      string
	Account       directory.ObjectID
	UserCode      string
	Device        *signin.ProvenDevice
	// Secret of an authenticator application that is being set up, and states of WebAuthn challenges.
	Key     []byte
	Passkey []byte
	// Register is true while a second factor is being set up; Policy is what asks for it.
	Register bool
	Policy   string
	// Strong is true where only a passkey that verifies its user will do.
	Strong bool
	// Approving is true once the person has said yes to a device code.
	Approving bool
}

// The life of a visit.
const visitLifetime = time.Hour

// The cookies. Their names keep them to this very host and to HTTPS (RFC 6265bis section 4.1.3).
const (
	visitCookie   = "__Host-boundgate-visit"
	sessionCookie = "__Host-boundgate-session"
)

var errExpired = errors.New("portal: the visit has expired or began in another browser")

// begin begins a visit, and gives the browser the cookie that it is bound to.
func (h handler) begin(w http.ResponseWriter, r *http.Request, v visit) visit {
	text := ""
	if c, err := r.Cookie(visitCookie); err == nil && len(c.Value) == base64.RawURLEncoding.EncodedLen(sha256.Size) {
		text = c.Value
	} else {
		var b [sha256.Size]byte
		if _, err := rand.Read(b[:]); err != nil {
			panic("portal: no randomness: " + err.Error()) // crypto/rand.Read never fails
		}
		text = base64.RawURLEncoding.EncodeToString(b[:])
		http.SetCookie(w, hostCookie(visitCookie, text, 0))
	}
	digest := sha256.Sum256([]byte(text))
	v.ID, v.Browser, v.Begun = uuid.NewString(), digest[:], h.Now()
	return v
}

// hostCookie returns a cookie of this host alone. A page of another site may lead here, and its scripts may not read it.
func hostCookie(name, value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(lifetime / time.Second),
	}
}

// seal returns the visit in a form that only this server can read and make.
func (h handler) seal(v visit) (string, error) { return h.sealAs(visitCookie, v) }

// sealAs seals a value for one use alone.
func (h handler) sealAs(use string, v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", use, err)
	}
	aead, err := h.aead()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("draw nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, text, []byte(use))), nil
}

// openAs reads what sealAs has sealed for the same use.
func (h handler) openAs(use, sealed string, into any) error {
	aead, err := h.aead()
	if err != nil {
		return err
	}
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(b) < aead.NonceSize() {
		return errExpired
	}
	text, err := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], []byte(use))
	if err != nil {
		return errExpired
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode %s: %w", use, err)
	}
	return nil
}

// open reads a sealed visit: errExpired where it is none of this server's, too old, or another browser's. That a form comes
// with it shows that the page was this server's own, and not one that another site has made up.
func (h handler) open(r *http.Request, sealed string) (visit, error) {
	var v visit
	if err := h.openAs(visitCookie, sealed, &v); err != nil {
		return v, err
	}
	c, err := r.Cookie(visitCookie)
	if err != nil {
		return v, errExpired
	}
	digest := sha256.Sum256([]byte(c.Value))
	if subtle.ConstantTimeCompare(digest[:], v.Browser) != 1 || h.Now().Sub(v.Begun) > visitLifetime {
		return v, errExpired
	}
	return v, nil
}

func (h handler) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(h.Key[:])
	if err != nil {
		return nil, fmt.Errorf("key of the visits: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key of the visits: %w", err)
	}
	return aead, nil
}

// session is the browser's session cookie; "" for none.
func session(r *http.Request) prt.Secret {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return prt.Secret(c.Value)
}

// keep gives the browser its new session cookie, and what shows that the account has signed in in it.
func (h handler) keep(w http.ResponseWriter, r *http.Request, c signin.Cookie) {
	if c.Text == "" {
		return
	}
	lifetime := time.Duration(0)
	if c.Persistent {
		lifetime = persistentLifetime
	}
	http.SetCookie(w, hostCookie(sessionCookie, c.Text.Reveal(), lifetime))
	others := slices.DeleteFunc(h.known(r), func(k signin.Known) bool { return k.Account == c.Known.Account })
	accounts := append([]signin.Known{c.Known}, others...)
	text, err := h.sealAs(knownCookie, accounts[:min(len(accounts), maxKnown)])
	if err == nil { // without it a guesser may hold the owner up, and nothing worse
		http.SetCookie(w, hostCookie(knownCookie, text, knownFor))
	}
}

const (
	knownCookie = "__Host-boundgate-known"
	knownFor    = 90 * 24 * time.Hour
	maxKnown    = 5
)

// known returns the accounts that have signed in in the browser.
func (h handler) known(r *http.Request) []signin.Known {
	c, err := r.Cookie(knownCookie)
	if err != nil {
		return nil
	}
	var list []signin.Known
	if h.openAs(knownCookie, c.Value, &list) != nil {
		return nil
	}
	return slices.DeleteFunc(list, func(k signin.Known) bool { return h.Now().Sub(k.At) > knownFor })
}

// parameters are those of the authorization request that the visit is for.
func (v visit) parameters() parameters {
	q, err := url.ParseQuery(v.Query)
	if err != nil {
		return parameters{}
	}
	return parameters(q)
}

// action is where the forms of the visit go.
func (v visit) action() string {
	tenant := v.Tenant
	if tenant == "" {
		tenant = "common"
	}
	return "/" + url.PathEscape(tenant) + "/login"
}

// again is the local address at which the visit begins anew.
func (v visit) again() string {
	switch v.Purpose {
	case forCode:
		path := "/oauth2/authorize"
		if v.Version == token.V2 {
			path = "/oauth2/v2.0/authorize"
		}
		return "/" + url.PathEscape(v.Tenant) + path + "?" + v.Query
	case forDevice:
		return "/common/oauth2/deviceauth"
	case forAccount:
		return "/me"
	case toSignOut:
		return "/common/oauth2/v2.0/logout"
	}
	return ""
}

func (h handler) signinVisit(r *http.Request, v visit) signin.Visit {
	return signin.Visit{ID: v.ID, Session: session(r), Known: h.known(r)}
}
