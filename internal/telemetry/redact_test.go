package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"boundgate/internal/config"
)

// logged returns what a record leaves in each format.
func logged(t *testing.T, write func(*slog.Logger)) string {
	t.Helper()
	var all strings.Builder
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		write(NewLogger(&out, config.Log{Level: "debug", Format: format}))
		if out.Len() == 0 {
			t.Fatalf("nothing was logged as %s", format)
		}
		all.Write(out.Bytes())
	}
	return all.String()
}

const secret = "sw0rdf1sh-and-more"

// P11
func TestAttributesNamedLikeSecretsAreHidden(t *testing.T) {
	for _, name := range []string{"password", "Password", "passwordHash", "token", "refresh_token", "accessToken", "assertion", "client_assertion",
		"code", "device_code", "cookie", "Set-Cookie", "authorization", "Authorization", "nonce", "proof.nonce", "client_secret", "session_key",
		"transportKey", "prt", "code_verifier", "passphrase"} {
		text := logged(t, func(l *slog.Logger) {
			l.Info("m", name, secret)
			l.Info("m", name, []byte(secret))
			l.Info("m", slog.Group("g", slog.String(name, secret)))
			l.Info("m", slog.Group(name, slog.String("x", secret)))
			l.With(name, secret).Info("m")
			l.WithGroup(name).Info("m", "x", secret)
			l.WithGroup("g").With(name, secret).Info("m")
		})
		if strings.Contains(text, secret) || !strings.Contains(text, Redacted) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestOtherAttributesStay(t *testing.T) {
	for _, name := range []string{"status_code", "error_code", "resultCode", "token_type", "key", "key_id", "user", "route", "correlation_id", "nonce_endpoint"} {
		if text := logged(t, func(l *slog.Logger) { l.Info("m", name, "visible") }); strings.Count(text, "visible") != 2 {
			t.Errorf("%s is hidden: %s", name, text)
		}
	}
	const text = "decode request: unexpected code: 7 in nonce: too old; PoP keys are fine, bearer of news"
	if got := Scrub(text); got != text {
		t.Errorf("plain prose became %q", got)
	}
}

type valuer struct{ text string }

func (v valuer) LogValue() slog.Value { return slog.StringValue(v.text) }

// P11
func TestWhatLooksLikeASecretIsHiddenWhereverItStands(t *testing.T) {
	jws := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0." + strings.Repeat("s", 20)
	jwe := "eyJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVydGV4dA." + strings.Repeat("s", 20)
	for name, c := range map[string]struct{ text, hidden string }{
		"an access token":         {"got " + jws + " from it", jws[:12]},
		"a JWE":                   {"got " + jwe, "Y2lwaGVydGV4dA"},
		"an Authorization header": {"header Bearer " + secret, secret},
		"a form":                  {"grant_type=password&username=x&password=" + secret + "&scope=openid", secret},
		"a code in a URL":         {"GET https://app/cb?state=1&code=" + secret, secret},
		"a member of JSON":        {`{"username": "x", "password": "` + secret + ` \" ` + secret + `", "y": 1}`, secret},
		"a cookie":                {"Cookie: ESTSAUTHPERSISTENT=" + secret + "; x=y", secret},
	} {
		t.Run(name, func(t *testing.T) {
			text := logged(t, func(l *slog.Logger) {
				l.Info(c.text)
				l.Info("m", "text", c.text)
				l.Info("m", "error", fmt.Errorf("wrapped: %w", errors.New(c.text)))
				l.Info("m", "valuer", valuer{c.text})
				l.Info("m", "struct", struct{ Field string }{c.text})
				l.Info("m", "header", http.Header{"X": {c.text}})
			})
			if strings.Contains(text, c.hidden) {
				t.Errorf("%q shows in %s", c.hidden, text)
			}
		})
	}
	u, err := url.Parse("https://app/cb?code=" + secret)
	if err != nil {
		t.Fatal(err)
	}
	if text := logged(t, func(l *slog.Logger) { l.Info("m", "to", u) }); strings.Contains(text, secret) {
		t.Errorf("the code of a URL shows in %s", text)
	}
}

func TestLevelsAndFormats(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, config.Log{Level: "warn", Format: "auto"})
	log.Info("quiet")
	log.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.HasPrefix(got, "{") || !strings.Contains(got, `"msg":"loud"`) {
		t.Errorf("want one line of JSON where there is no terminal, got %s", got)
	}
}

// P11: a secret parameter never survives, whatever surrounds it, and scrubbing twice changes nothing more.
func FuzzScrub(f *testing.F) {
	f.Add("before ", " after")
	f.Add("a=b&", "&c=d")
	f.Add(`{"`, `"}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		once := Scrub(before + " password=" + secret + " " + after)
		if strings.Contains(once, "password="+secret) {
			t.Fatalf("%q shows the password", once)
		}
		if twice := Scrub(once); len(twice) > len(once)+len(once)*len(Redacted) {
			t.Fatalf("%q grows to %q", once, twice)
		}
	})
}
