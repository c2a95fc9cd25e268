package factor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

const (
	origin = "https://login.contoso.example"
	rpID   = "login.contoso.example"
)

// An authenticator holds one key, as the specification describes it (Web Authentication Level 3, sections 6.1 and 6.5).
type authenticator struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	id    []byte
	count uint32
	// What a test may bend.
	origin, rpID string
	challenge    string // in place of the one that was given
	absent       bool   // nobody touches it
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &authenticator{t: t, key: key, id: id, count: 1, origin: origin, rpID: rpID}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) clientData(kind string, options json.RawMessage) []byte {
	a.t.Helper()
	var o struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		a.t.Fatal(err)
	}
	challenge := o.PublicKey.Challenge
	if a.challenge != "" {
		challenge = a.challenge
	}
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.origin})
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func (a *authenticator) data(attested []byte) []byte {
	hash := sha256.Sum256([]byte(a.rpID))
	flags := byte(0x05) // present and verified
	if a.absent {
		flags = 0
	}
	if attested != nil {
		flags |= 0x40
	}
	out := append(hash[:], flags)
	out = binary.BigEndian.AppendUint32(out, a.count)
	return append(out, attested...)
}

func (a *authenticator) create(options json.RawMessage) []byte {
	a.t.Helper()
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: a.key.X.FillBytes(make([]byte, 32)), -3: a.key.Y.FillBytes(make([]byte, 32))})
	if err != nil {
		a.t.Fatal(err)
	}
	attested := append(make([]byte, 16), byte(len(a.id)>>8), byte(len(a.id)))
	attested = append(append(attested, a.id...), public...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(attested)})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{"clientDataJSON": b64(a.clientData("webauthn.create", options)), "attestationObject": b64(object)})
}

func (a *authenticator) get(options json.RawMessage) []byte {
	a.t.Helper()
	client, data := a.clientData("webauthn.get", options), a.data(nil)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)})
}

func (a *authenticator) answer(response map[string]any) []byte {
	a.t.Helper()
	text, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": response})
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func passkeys(t *testing.T) *Passkeys {
	t.Helper()
	p, err := NewPasskeys(origin)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// registered is a passkey of the person's and the authenticator that holds it.
func registered(t *testing.T, p *Passkeys) (Factor, *authenticator) {
	t.Helper()
	a := newAuthenticator(t)
	options, state, err := p.BeginRegistration(person, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.FinishRegistration(person, state, a.create(options), time.Now())
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
		bend func(a *authenticator)
		want error
	}{
		{"as it should be", func(a *authenticator) { a.count++ }, nil},
		{"on another site", func(a *authenticator) { a.origin = "https://login.contoso.example.evil.example"; a.count++ }, ErrNotProven},
		{"for another site", func(a *authenticator) { a.rpID = "evil.example"; a.count++ }, ErrNotProven},
		{"to another challenge", func(a *authenticator) { a.challenge = b64(make([]byte, 32)); a.count++ }, ErrNotProven},
		{"with nobody there", func(a *authenticator) { a.absent = true; a.count++ }, ErrNotProven},
		{"by a copy, which is behind", func(a *authenticator) { a.count-- }, ErrNotProven},
		{"by another key", func(a *authenticator) { a.key = newAuthenticator(a.t).key; a.count++ }, ErrNotProven},
		{"by a passkey that nobody knows", func(a *authenticator) { a.id = []byte("0123456789abcdef"); a.count++ }, ErrNotProven},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, a := registered(t, p)
			f.SignCount = 5
			a.count = 5
			options, state, err := p.BeginAssertion(person, []Factor{f})
			if err != nil {
				t.Fatal(err)
			}
			tt.bend(a)
			answer := a.get(options)
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
	for name, bend := range map[string]func(a *authenticator){
		"on another site": func(a *authenticator) { a.origin = "https://evil.example" }, "for another site": func(a *authenticator) { a.rpID = "evil.example" },
		"to another challenge": func(a *authenticator) { a.challenge = b64(make([]byte, 32)) },
	} {
		a := newAuthenticator(t)
		options, state, err := p.BeginRegistration(person, nil)
		if err != nil {
			t.Fatal(err)
		}
		bend(a)
		if _, err := p.FinishRegistration(person, state, a.create(options), time.Now()); !errors.Is(err, ErrNotProven) {
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
