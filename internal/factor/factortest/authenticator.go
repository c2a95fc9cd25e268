// Package factortest is for tests of second factors: an authenticator that holds a passkey, with real keys, which a test can
// bend into an attack.
//
// It follows Web Authentication Level 3, sections 5.8.1 (what the browser collects), 6.1 (what the authenticator says) and
// 6.5 (what it says at registration).
package factortest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// An Authenticator holds one passkey, in a browser that shows one page. What it holds and says is there for a test to bend.
type Authenticator struct {
	Key *ecdsa.PrivateKey
	ID  []byte // of the credential
	// Count is the signature counter of the next answer; 0 for passkeys that do not count.
	Count uint32
	// Origin is that of the page, and RPID the relying party that the key is for.
	Origin, RPID string
	// Challenge is answered in place of the one that was given; "" answers that one.
	Challenge string
	// Absent is true where nobody touches it.
	Absent bool

	t testing.TB
}

// New returns an authenticator with a new ES256 key, at a page of an origin.
func New(t testing.TB, origin string) *Authenticator {
	t.Helper()
	u, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authenticator{ID: make([]byte, 16), Count: 1, Origin: origin, RPID: u.Hostname(), t: t}
	_, _ = rand.Read(a.ID) // never fails
	a.NewKey()
	return a
}

// NewKey replaces the key, as if another authenticator had given itself the same id.
func (a *Authenticator) NewKey() {
	a.t.Helper()
	var err error
	if a.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		a.t.Fatal(err)
	}
}

// Create answers the options of navigator.credentials.create, with no attestation.
func (a *Authenticator) Create(options json.RawMessage) []byte {
	a.t.Helper()
	point, err := a.Key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		a.t.Fatal(err)
	}
	public := a.cbor(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}) // ES256: RFC 9053 section 2.1, RFC 9052 section 7
	attested := append(make([]byte, 16), byte(len(a.ID)>>8), byte(len(a.ID)))
	attested = append(append(attested, a.ID...), public...)
	object := a.cbor(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": a.data(attested)})
	return a.answer(map[string]any{"clientDataJSON": base64url(a.clientData("webauthn.create", options)), "attestationObject": base64url(object)})
}

// Get answers the options of navigator.credentials.get.
func (a *Authenticator) Get(options json.RawMessage) []byte {
	a.t.Helper()
	client, data := a.clientData("webauthn.get", options), a.data(nil)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.Key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{"clientDataJSON": base64url(client), "authenticatorData": base64url(data), "signature": base64url(signature)})
}

func (a *Authenticator) clientData(kind string, options json.RawMessage) []byte {
	a.t.Helper()
	var o struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		a.t.Fatalf("the options are not JSON: %v", err)
	}
	challenge := o.PublicKey.Challenge
	if a.Challenge != "" {
		challenge = a.Challenge
	}
	return a.json(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin})
}

// data is the authenticator data. attested is nil for an assertion.
func (a *Authenticator) data(attested []byte) []byte {
	const presentAndVerified, hasAttested = 0x05, 0x40
	flags := byte(presentAndVerified)
	if a.Absent {
		flags = 0
	}
	if attested != nil {
		flags |= hasAttested
	}
	hash := sha256.Sum256([]byte(a.RPID))
	return append(binary.BigEndian.AppendUint32(append(hash[:], flags), a.Count), attested...)
}

func (a *Authenticator) answer(response map[string]any) []byte {
	a.t.Helper()
	return a.json(map[string]any{"id": base64url(a.ID), "rawId": base64url(a.ID), "type": "public-key", "response": response})
}

func (a *Authenticator) json(v any) []byte {
	a.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func (a *Authenticator) cbor(v any) []byte {
	a.t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
