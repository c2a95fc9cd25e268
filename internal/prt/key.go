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
	"log/slog"
)

// KeySize is the length of session keys and derived keys in bytes.
const KeySize = 32

// A SessionKey is the secret that a device and the server share for one session. It prints as "session-key:redacted".
type SessionKey struct{ key [KeySize]byte }

const redactedKey = "session-key:redacted"

// NewSessionKey draws a session key.
func NewSessionKey() (SessionKey, error) {
	var k SessionKey
	if _, err := rand.Read(k.key[:]); err != nil {
		return k, fmt.Errorf("draw session key: %w", err)
	}
	return k, nil
}

// SessionKeyFrom returns the session key with these 32 bytes.
func SessionKeyFrom(key []byte) (SessionKey, error) {
	var k SessionKey
	if len(key) != KeySize {
		return k, fmt.Errorf("prt: a session key has %d bytes, not %d", KeySize, len(key))
	}
	copy(k.key[:], key)
	return k, nil
}

// Reveal returns the key's bytes, for sealing and wrapping only.
func (k SessionKey) Reveal() []byte { return append([]byte(nil), k.key[:]...) }

// Equal reports in constant time whether k and other are the same key (P17).
func (k SessionKey) Equal(other SessionKey) bool {
	return subtle.ConstantTimeCompare(k.key[:], other.key[:]) == 1
}

// String redacts the key, as all its printed forms do (P11).
func (SessionKey) String() string { return redactedKey }

// GoString redacts the key.
func (SessionKey) GoString() string { return redactedKey }

// Format redacts the key under every verb.
func (SessionKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, redactedKey) }

// LogValue redacts the key.
func (SessionKey) LogValue() slog.Value { return slog.StringValue(redactedKey) }

// MarshalText redacts the key.
func (SessionKey) MarshalText() ([]byte, error) { return []byte(redactedKey), nil }

// A KDFVersion says what a derived key depends on beside the session key.
type KDFVersion int

// The key derivation versions.
const (
	KDF1 KDFVersion = 1 // the context alone: a leaked derived key signs any payload
	KDF2 KDFVersion = 2 // the context and the payload
)

// A DerivedKey signs one request or encrypts one answer. It prints redacted.
type DerivedKey struct{ key [KeySize]byte }

// String redacts the key.
func (DerivedKey) String() string { return "derived-key:redacted" }

// GoString redacts the key.
func (DerivedKey) GoString() string { return "derived-key:redacted" }

// Format redacts the key under every verb.
func (DerivedKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "derived-key:redacted") }

// Reveal returns the key's bytes. Whoever holds them can sign what the derivation allows.
func (k DerivedKey) Reveal() []byte { return append([]byte(nil), k.key[:]...) }

// derivationLabel is the label of NIST SP 800-108 as MS-OAPXBC 3.1.5.1.3 has it.
const derivationLabel = "AzureAD-SecureConversation"

// Derive returns the key for a context: NIST SP 800-108 in counter mode with HMAC-SHA-256, one block. Version 2 takes the
// SHA-256 of context and payload in place of the context.
func (k SessionKey) Derive(v KDFVersion, ctx, payload []byte) DerivedKey {
	if v == KDF2 {
		h := sha256.New()
		h.Write(ctx)
		h.Write(payload)
		ctx = h.Sum(nil)
	}
	mac := hmac.New(sha256.New, k.key[:])
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], 1) // the counter of the only block
	mac.Write(word[:])
	mac.Write([]byte(derivationLabel))
	mac.Write([]byte{0})
	mac.Write(ctx)
	binary.BigEndian.PutUint32(word[:], KeySize*8)
	mac.Write(word[:])
	return DerivedKey{[KeySize]byte(mac.Sum(nil))}
}

// A Secret is a text that must not be printed: a password, a token, an assertion.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String redacts the text.
func (Secret) String() string { return "secret:redacted" }

// GoString redacts the text.
func (Secret) GoString() string { return "secret:redacted" }

// LogValue redacts the text.
func (Secret) LogValue() slog.Value { return slog.StringValue("secret:redacted") }

// MarshalText redacts the text.
func (Secret) MarshalText() ([]byte, error) { return []byte("secret:redacted"), nil }

// Errors of proofs. ErrMalformed means that a message is not of the form; ErrSignature that it is not signed as it should.
var (
	ErrMalformed = errors.New("prt: malformed")
	ErrSignature = errors.New("prt: the signature does not hold")
	ErrKDF       = errors.New("prt: the key derivation version is not the session's")
)
