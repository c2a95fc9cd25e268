package factor

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var person = Person{Tenant: "t", User: "00000000-0000-4000-8000-000000000001", Name: "alice@contoso.example", DisplayName: "Alice"}

// The codes of RFC 6238 appendix B, of which the last six digits are those of six-digit codes.
func TestVectors(t *testing.T) {
	f := TOTPFrom(person, "app", base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte("12345678901234567890")), time.Time{})
	for seconds, code := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		step, err := f.CheckCode(code[2:], time.Unix(seconds, 0))
		if err != nil || step != seconds/30 {
			t.Errorf("at %d: step %d, %v", seconds, step, err)
		}
	}
}

// A code counts around its time, as people type it, and once. // P03
func TestCheckCode(t *testing.T) {
	f := TOTPFrom(person, "app", base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte("12345678901234567890")), time.Time{})
	const code, step = "005924", 1234567890 / 30
	at := time.Unix(1234567890, 0)
	for _, tt := range []struct {
		name, code string
		at         time.Time
		last       int64
		want       error
	}{
		{"now", code, at, 0, nil},
		{"with a blank", "005 924", at, 0, nil},
		{"a step late", code, at.Add(30 * time.Second), 0, nil},
		{"a step early", code, at.Add(-30 * time.Second), 0, nil},
		{"two steps late", code, at.Add(60 * time.Second), 0, ErrWrongCode},
		{"two steps early", code, at.Add(-61 * time.Second), 0, ErrWrongCode},
		{"used before", code, at, step, ErrCodeUsed},
		{"after a later one", code, at, step + 1, ErrCodeUsed},
		{"another", "005925", at, 0, ErrWrongCode},
		{"too short", "00592", at, 0, ErrWrongCode},
		{"too long", "0059240", at, 0, ErrWrongCode},
		{"nothing", "", at, 0, ErrWrongCode},
		{"letters", "abcdef", at, 0, ErrWrongCode},
	} {
		f.LastStep = tt.last
		if _, err := f.CheckCode(tt.code, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := (Factor{Kind: PassKey}).CheckCode("000000", at); !errors.Is(err, ErrWrongCode) {
		t.Errorf("a passkey has no codes: %v", err)
	}
}

// A factor prints no secret, and its QR code draws what an application reads. // P11
func TestNewTOTP(t *testing.T) {
	a, err := NewTOTP(person, "app", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewTOTP(person, "app", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a.Secret == b.Secret || len(a.Secret.Reveal()) != 32 {
		t.Error("the key is not 160 random bits")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, a); strings.Contains(text, a.Secret.Reveal()) {
			t.Errorf("%s prints the key: %s", verb, text)
		}
	}
	uri := a.URI("Boundgate", person.Name)
	if !strings.HasPrefix(uri, "otpauth://totp/Boundgate:alice@contoso.example?") || !strings.Contains(uri, "secret="+a.Secret.Reveal()) {
		t.Errorf("%s", uri)
	}
	svg, err := QRCode(uri)
	if err != nil || !strings.HasPrefix(svg, "<svg ") || strings.Contains(svg, a.Secret.Reveal()) || strings.Contains(svg, "href") {
		t.Errorf("%.100s, %v", svg, err)
	}
	if got := strings.ReplaceAll(a.Grouped(), " ", ""); got != a.Secret.Reveal() || !strings.Contains(a.Grouped(), " ") {
		t.Errorf("grouped: %s", a.Grouped())
	}
}

func FuzzCheckCode(f *testing.F) {
	totp := TOTPFrom(person, "app", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", time.Time{})
	f.Add("123456", int64(0))
	f.Fuzz(func(t *testing.T, code string, seconds int64) {
		step, err := totp.CheckCode(code, time.Unix(seconds%1e12, 0))
		if err == nil && step <= totp.LastStep {
			t.Fatalf("step %d", step)
		}
	})
}
