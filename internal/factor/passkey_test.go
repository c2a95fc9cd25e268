package factor

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"boundgate/internal/factor/factortest"
)

const origin = "https://login.contoso.example"

var otherChallenge = base64.RawURLEncoding.EncodeToString(make([]byte, 32))

func passkeys(t *testing.T) *Passkeys {
	t.Helper()
	p, err := NewPasskeys(origin)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// registered is a passkey of the person's and the authenticator that holds it.
func registered(t *testing.T, p *Passkeys) (Factor, *factortest.Authenticator) {
	t.Helper()
	a := factortest.New(t, origin)
	options, state, err := p.BeginRegistration(person, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.FinishRegistration(person, state, a.Create(options), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return f, a
}

// A passkey answers this server's challenge on this server's page, with somebody there, and cannot be copied. // P03
func TestPasskeys(t *testing.T) {
	p := passkeys(t)
	mallory := Person{Tenant: "t", User: "00000000-0000-4000-8000-000000000002", Name: "mallory@contoso.example"}
	for _, tt := range []struct {
		name string
		bend func(a *factortest.Authenticator)
		want error
	}{
		{"as it should be", func(a *factortest.Authenticator) { a.Count++ }, nil},
		{"on another site", func(a *factortest.Authenticator) { a.Origin = "https://login.contoso.example.evil.example"; a.Count++ }, ErrNotProven},
		{"for another site", func(a *factortest.Authenticator) { a.RPID = "evil.example"; a.Count++ }, ErrNotProven},
		{"to another challenge", func(a *factortest.Authenticator) { a.Challenge = otherChallenge; a.Count++ }, ErrNotProven},
		{"with nobody there", func(a *factortest.Authenticator) { a.Absent = true; a.Count++ }, ErrNotProven},
		{"by a copy, which is behind", func(a *factortest.Authenticator) { a.Count-- }, ErrNotProven},
		{"by another key", func(a *factortest.Authenticator) { a.NewKey(); a.Count++ }, ErrNotProven},
		{"by a passkey that nobody knows", func(a *factortest.Authenticator) { a.ID = []byte("0123456789abcdef"); a.Count++ }, ErrNotProven},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, a := registered(t, p)
			f.SignCount = 5
			a.Count = 5
			options, state, err := p.BeginAssertion(person, []Factor{f})
			if err != nil {
				t.Fatal(err)
			}
			tt.bend(a)
			answer := a.Get(options)
			used, err := p.FinishAssertion(person, []Factor{f}, state, answer)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err == nil && (used.ID != f.ID || used.SignCount != 6) {
				t.Errorf("used: %+v", used)
			}
			// The answer is for one challenge and one person.
			_, other, err := p.BeginAssertion(person, []Factor{f})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.FinishAssertion(person, []Factor{f}, other, answer); err == nil {
				t.Error("an answer counts for another challenge")
			}
			if _, err := p.FinishAssertion(mallory, []Factor{f}, state, answer); err == nil {
				t.Error("an answer counts for another person")
			}
		})
	}
	for name, bend := range map[string]func(a *factortest.Authenticator){
		"on another site": func(a *factortest.Authenticator) { a.Origin = "https://evil.example" }, "for another site": func(a *factortest.Authenticator) { a.RPID = "evil.example" },
		"to another challenge": func(a *factortest.Authenticator) { a.Challenge = otherChallenge },
		"with nobody there":    func(a *factortest.Authenticator) { a.Absent = true },
	} {
		a := factortest.New(t, origin)
		options, state, err := p.BeginRegistration(person, nil)
		if err != nil {
			t.Fatal(err)
		}
		bend(a)
		if _, err := p.FinishRegistration(person, state, a.Create(options), time.Now()); !errors.Is(err, ErrNotProven) {
			t.Errorf("registered %s: %v", name, err)
		}
	}
	nameless, err := NewPasskeys("https://127.0.0.1:8443")
	if err != nil || nameless.Available() {
		t.Errorf("a server without a name: %v", err)
	}
	if _, _, err := nameless.BeginRegistration(person, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a passkey of an address: %v", err)
	}
}

// Passkeys that are kept in step between devices do not count: 0 is no counter that has gone back.
func TestPasskeyWithoutCounter(t *testing.T) {
	p := passkeys(t)
	a := factortest.New(t, origin)
	a.Count = 0
	options, state, err := p.BeginRegistration(person, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.FinishRegistration(person, state, a.Create(options), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		options, state, err := p.BeginAssertion(person, []Factor{f})
		if err != nil {
			t.Fatal(err)
		}
		if used, err := p.FinishAssertion(person, []Factor{f}, state, a.Get(options)); err != nil || used.SignCount != 0 {
			t.Errorf("%+v, %v", used, err)
		}
	}
}

// Another person's passkey is none of this person's, whoever lists it; and what one person was asked, another cannot
// answer. // P03, P05
func TestAnotherPersonsPasskey(t *testing.T) {
	p := passkeys(t)
	own, _ := registered(t, p)
	mallory := Person{Tenant: person.Tenant, User: "00000000-0000-4000-8000-000000000002", Name: "mallory@contoso.example"}
	a := factortest.New(t, origin)
	options, state, err := p.BeginRegistration(mallory, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.FinishRegistration(person, state, a.Create(options), time.Now()); !errors.Is(err, ErrNotProven) {
		t.Errorf("registered for another person than was asked: %v", err)
	}
	foreign, err := p.FinishRegistration(mallory, state, a.Create(options), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a.Count++
	both := []Factor{own, foreign}
	options, state, err = p.BeginAssertion(person, both)
	if err != nil {
		t.Fatal(err)
	}
	if used, err := p.FinishAssertion(person, both, state, a.Get(options)); !errors.Is(err, ErrNotProven) {
		t.Errorf("another person's passkey counts: %+v, %v", used, err)
	}
	options, state, err = p.BeginAssertion(mallory, both)
	if err != nil {
		t.Fatal(err)
	}
	if used, err := p.FinishAssertion(mallory, both, state, a.Get(options)); err != nil || used.ID != foreign.ID {
		t.Errorf("the person's own: %+v, %v", used, err)
	}
}

// A person registers a passkey once: the options name those that are known.
func TestKnownPasskeysAreExcluded(t *testing.T) {
	p := passkeys(t)
	known, a := registered(t, p)
	options, _, err := p.BeginRegistration(person, []Factor{known})
	if err != nil {
		t.Fatal(err)
	}
	if id := base64.RawURLEncoding.EncodeToString(a.ID); !strings.Contains(string(options), `"excludeCredentials":[{"type":"public-key","id":"`+id) {
		t.Errorf("%s does not exclude %s", options, id)
	}
}

// The ceremonies of the fuzz targets are the same in every process, so that an input that one has found means the same to
// another: one key, one challenge.
func fixed(f *testing.F) (p *Passkeys, a *factortest.Authenticator, asked func(json.RawMessage, []byte, error) (json.RawMessage, []byte)) {
	p, err := NewPasskeys(origin)
	if err != nil {
		f.Fatal(err)
	}
	a = factortest.New(f, origin)
	a.ID, a.Challenge = []byte("0123456789abcdef"), otherChallenge
	if a.Key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32)); err != nil {
		f.Fatal(err)
	}
	return p, a, func(options json.RawMessage, state []byte, err error) (json.RawMessage, []byte) {
		if err != nil {
			f.Fatal(err)
		}
		return options, challenge.ReplaceAll(state, []byte(`"challenge":"`+otherChallenge+`"`))
	}
}

var challenge = regexp.MustCompile(`"challenge":"[^"]*"`)

// FuzzFinishRegistration: whatever the browser says, it is refused as an answer that does not hold, or it is a passkey of
// the person's that can be asked for.
func FuzzFinishRegistration(f *testing.F) {
	p, a, asked := fixed(f)
	options, state := asked(p.BeginRegistration(person, nil))
	f.Add(a.Create(options))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		made, err := p.FinishRegistration(person, state, response, time.Time{})
		if err != nil {
			if !errors.Is(err, ErrNotProven) {
				t.Fatalf("%q: %v", response, err)
			}
			return
		}
		if made.User != person.User || made.Tenant != person.Tenant || made.Kind != PassKey {
			t.Fatalf("%q makes %+v", response, made)
		}
		if _, _, err := p.BeginAssertion(person, []Factor{made}); err != nil {
			t.Fatalf("%q makes a passkey that cannot be asked for: %v", response, err)
		}
	})
}

// FuzzFinishAssertion: whatever the browser says, it is refused as an answer that does not hold, or it is the person's
// passkey with a counter that has grown.
func FuzzFinishAssertion(f *testing.F) {
	p, a, asked := fixed(f)
	options, state := asked(p.BeginRegistration(person, nil))
	own, err := p.FinishRegistration(person, state, a.Create(options), time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	options, state = asked(p.BeginAssertion(person, []Factor{own}))
	a.Count++
	f.Add(a.Get(options))
	a.NewKey()
	f.Add(a.Get(options))
	f.Fuzz(func(t *testing.T, response []byte) {
		used, err := p.FinishAssertion(person, []Factor{own}, state, response)
		switch {
		case err != nil && !errors.Is(err, ErrNotProven):
			t.Fatalf("%q: %v", response, err)
		case err == nil && (used.ID != own.ID || used.SignCount <= own.SignCount):
			t.Fatalf("%q uses %+v", response, used)
		}
	})
}
