// Package prt is the cryptography of Primary Refresh Tokens: session keys and the keys that derive from them, proofs of
// possession, encrypted answers, nonces, and the opaque texts of tokens.
//
// It follows MS-OAPXBC as clients speak it; docs/divergences.md says where clients leave a choice. Nothing here stores or
// looks up anything: parsing never believes, and verifying takes key, algorithm and key derivation from the caller's
// record, not from the message.
package prt

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// KeySize is the length of session keys and derived keys in bytes.
const KeySize = 32

// A SessionKey is the secret that a device and the server share for one session. It prints as "session-key:redacted" and
// cannot be compared with ==. The zero value is no key: nothing is signed, verified or encrypted with it.
type SessionKey struct {
	redacted[sessionKeyLabel]
	held
}

// held is key material in a closure. Package fmt calls no methods on unexported fields, and follows a pointer in one where
// the verb does not fit; of a function it knows the address alone. It also leaves == undefined.
type held struct{ open func() [KeySize]byte }

func hold(key [KeySize]byte) held { return held{func() [KeySize]byte { return key }} }

// IsZero reports whether there is no key.
func (h held) IsZero() bool { return h.open == nil }

// Reveal returns a copy of the key's bytes; nil for no key. A session key's are for sealing and wrapping only; whoever holds
// a derived key's can sign what the derivation allows.
func (h held) Reveal() []byte {
	if h.open == nil {
		return nil
	}
	key := h.open()
	return key[:]
}

type sessionKeyLabel struct{}

func (sessionKeyLabel) label() string { return "session-key:redacted" }

// NewSessionKey draws a session key.
func NewSessionKey() (SessionKey, error) {
	var b [KeySize]byte
	if _, err := rand.Read(b[:]); err != nil {
		return SessionKey{}, fmt.Errorf("draw session key: %w", err)
	}
	return SessionKey{held: hold(b)}, nil
}

// SessionKeyFrom returns the session key with these 32 bytes, of which it keeps a copy.
func SessionKeyFrom(key []byte) (SessionKey, error) {
	if len(key) != KeySize {
		return SessionKey{}, fmt.Errorf("prt: a session key has %d bytes, not %d", KeySize, len(key))
	}
	return SessionKey{held: hold([KeySize]byte(key))}, nil
}

// Equal reports in constant time whether k and other are the same key (P17).
func (k SessionKey) Equal(other SessionKey) bool {
	return k.IsZero() == other.IsZero() && subtle.ConstantTimeCompare(k.Reveal(), other.Reveal()) == 1
}

// A KDFVersion says what a derived key depends on beside the session key.
type KDFVersion int

// The key derivation versions.
const (
	KDF1 KDFVersion = 1 // the context alone: a leaked derived key signs any payload
	KDF2 KDFVersion = 2 // the context and the payload
)

func (v KDFVersion) known() bool { return v == KDF1 || v == KDF2 }

// A DerivedKey signs one request or encrypts one answer. It prints as "derived-key:redacted".
type DerivedKey struct {
	redacted[derivedKeyLabel]
	held
}

type derivedKeyLabel struct{}

func (derivedKeyLabel) label() string { return "derived-key:redacted" }

// derivationLabel is the label of NIST SP 800-108 as MS-OAPXBC 3.1.5.1.3 has it.
const derivationLabel = "AzureAD-SecureConversation"

// Derive returns the key for a context: NIST SP 800-108 in counter mode with HMAC-SHA-256, one block. Version 2 takes the
// SHA-256 of context and payload in place of the context. It panics for no key and for an unknown version: whoever has no
// record to take them from must not derive.
func (k SessionKey) Derive(v KDFVersion, ctx, payload []byte) DerivedKey {
	if k.IsZero() || !v.known() {
		panic("prt: derivation from no session key, or with an unknown version")
	}
	if v == KDF2 {
		h := sha256.New()
		h.Write(ctx)
		h.Write(payload)
		ctx = h.Sum(nil)
	}
	mac := hmac.New(sha256.New, k.Reveal())
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], 1) // the counter of the only block
	mac.Write(word[:])
	mac.Write([]byte(derivationLabel))
	mac.Write([]byte{0})
	mac.Write(ctx)
	binary.BigEndian.PutUint32(word[:], KeySize*8)
	mac.Write(word[:])
	return DerivedKey{held: hold([KeySize]byte(mac.Sum(nil)))}
}

// Errors of proofs. ErrMalformed means that a message is not of the form; ErrSignature that it is not signed as it should.
var (
	ErrMalformed = errors.New("prt: malformed")
	ErrSignature = errors.New("prt: the signature does not hold")
	ErrKDF       = errors.New("prt: the key derivation version is not the session's")
	// ErrNoKey means that there is no session key: the zero SessionKey was given.
	ErrNoKey = errors.New("prt: no session key")
)
