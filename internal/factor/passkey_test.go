package factor

import (
	"encoding/base64"
	"errors"
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

func FuzzPasskeyAnswers(f *testing.F) {
	p, err := NewPasskeys(origin)
	if err != nil {
		f.Fatal(err)
	}
	_, state, err := p.BeginRegistration(person, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state, []byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`))
	f.Fuzz(func(t *testing.T, state, response []byte) {
		if _, err := p.FinishRegistration(person, state, response, time.Time{}); err == nil {
			t.Fatal("registered")
		}
		if _, err := p.FinishAssertion(person, nil, state, response); err == nil {
			t.Fatal("used")
		}
	})
}
