// Package seal keeps keys at rest unreadable: session keys, signing keys and the keys of certificates are stored sealed
// under a master key that lies outside the data directory, so that a copied store alone opens nothing (P16).
//
// A sealed value is bound to its place. Tenant, table, row and column are authenticated with it, so a value that was
// moved to another row, another tenant or another column does not open. Each table and column has a key of its own,
// derived from the master key with HKDF (RFC 5869); the cipher is AES-256 in GCM (NIST SP 800-38D) with a random nonce.
//
// This package also finds the master key: in a file, from a passphrase, or from a command. It recognises a wrong one at
// the start, before anything is written with it.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
)

// KeySize is the size of a master key in bytes.
const KeySize = 32

// The envelope of a sealed value: one byte of version, four of key id, twelve of nonce, the ciphertext, sixteen of tag.
const (
	version1   = 1
	keyIDSize  = 4
	headerSize = 1 + keyIDSize
)

// Why a value does not open or is not sealed.
var (
	// ErrOpen means that the value was altered, or sealed for another place.
	ErrOpen = errors.New("seal: the value was altered or belongs to another tenant, table, row or column")
	// ErrUnknownKey means that the value was sealed under a master key that the keyring does not hold.
	ErrUnknownKey = errors.New("seal: the value was sealed under another master key")
	// ErrMalformed means that the value is not one that Seal returned.
	ErrMalformed = errors.New("seal: not a sealed value")
	// ErrPlace means that the associated data does not say where the value belongs.
	ErrPlace = errors.New("seal: associated data needs table, row and column")
)

// AssociatedData is the place that a sealed value belongs to.
type AssociatedData struct {
	Tenant string // "" for what belongs to the whole deployment
	Table  string
	Row    string // what names the row: its primary key
	Column string
}

// complete reports whether ad names one place.
func (ad AssociatedData) complete() bool { return ad.Table != "" && ad.Row != "" && ad.Column != "" }

// encode returns a form of the envelope's header and ad that no other pair shares: each part goes with its length.
func (ad AssociatedData) encode(header []byte) []byte {
	return lengthPrefixed(header, ad.Tenant, ad.Table, ad.Row, ad.Column)
}

// purpose names the subkey that seals every row of one column.
func (ad AssociatedData) purpose() string {
	return string(lengthPrefixed([]byte("boundgate/seal/v1"), ad.Table, ad.Column))
}

func lengthPrefixed(out []byte, parts ...string) []byte {
	for _, part := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}

// A keyID tells master keys apart without telling anything of them.
type keyID [keyIDSize]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

// A masterKey is 32 secret bytes. They hide behind a function, so that nothing that prints a struct prints them.
type masterKey struct {
	id     keyID
	secret func() []byte
}

func newMasterKey(secret [KeySize]byte) masterKey {
	k := masterKey{secret: func() []byte { return secret[:] }}
	copy(k.id[:], k.derive("boundgate/key-id", keyIDSize))
	return k
}

// derive returns size bytes for one purpose, HKDF with SHA-256 (RFC 5869).
func (k masterKey) derive(purpose string, size int) []byte {
	out, err := hkdf.Key(sha256.New, k.secret(), nil, purpose, size)
	if err != nil {
		panic("seal: HKDF refuses a constant size: " + err.Error())
	}
	return out
}

// aead returns the cipher for one purpose. It draws a random nonce for each value and puts it in front.
func (k masterKey) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(k.derive(purpose, 32))
	if err != nil {
		panic("seal: AES refuses 32 bytes: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("seal: GCM refuses AES: " + err.Error())
	}
	return aead
}

// A Keyring seals under its current master key and opens what that key or an older one sealed. It is safe for
// concurrent use. It prints as "keyring:redacted".
type Keyring struct {
	current masterKey
	byID    map[keyID]masterKey
}

// New returns a keyring that seals under current and still opens what the older keys sealed.
func New(current [KeySize]byte, older ...[KeySize]byte) *Keyring {
	k := &Keyring{current: newMasterKey(current), byID: map[keyID]masterKey{}}
	for _, secret := range older {
		key := newMasterKey(secret)
		k.byID[key.id] = key
	}
	k.byID[k.current.id] = k.current
	return k
}

// Generate returns a keyring with a fresh master key that is kept nowhere: for tests, and for what ends with the process.
func Generate() *Keyring { return New(randomKey()) }

func randomKey() (secret [KeySize]byte) {
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand stops the program instead
	return secret
}

// Seal returns plaintext sealed for the place that ad names. Two calls never return the same bytes. The error is ErrPlace
// when ad names no place.
func (k *Keyring) Seal(plaintext []byte, ad AssociatedData) ([]byte, error) {
	if !ad.complete() {
		return nil, ErrPlace
	}
	header := append([]byte{version1}, k.current.id[:]...)
	aead := k.current.aead(ad.purpose())
	return aead.Seal(header, nil, plaintext, ad.encode(header)), nil
}

// Open returns what was sealed for the place that ad names. The error is ErrMalformed, ErrUnknownKey, ErrOpen or ErrPlace.
func (k *Keyring) Open(sealed []byte, ad AssociatedData) ([]byte, error) {
	if !ad.complete() {
		return nil, ErrPlace
	}
	id, err := keyIDOf(sealed)
	if err != nil {
		return nil, err
	}
	key, ok := k.byID[id]
	if !ok {
		return nil, fmt.Errorf("%w (%s)", ErrUnknownKey, id)
	}
	header, body := sealed[:headerSize:headerSize], sealed[headerSize:]
	plaintext, err := key.aead(ad.purpose()).Open(nil, nil, body, ad.encode(header))
	if err != nil {
		return nil, ErrOpen // the cipher's own error says no more than this
	}
	return plaintext, nil
}

// keyIDOf reads the header of a sealed value.
func keyIDOf(sealed []byte) (id keyID, err error) {
	if len(sealed) < headerSize || sealed[0] != version1 {
		return id, ErrMalformed
	}
	copy(id[:], sealed[1:headerSize])
	return id, nil
}

// Stale reports whether sealed was sealed under an older master key and should be sealed anew.
func (k *Keyring) Stale(sealed []byte) bool {
	id, err := keyIDOf(sealed)
	return err == nil && id != k.current.id
}

// checkPlace is where a check value belongs, whoever stores it.
var checkPlace = AssociatedData{Table: "master_key", Row: "check", Column: "value"}

// checkText is what a check value holds.
const checkText = "boundgate master key"

// CheckValue returns a value for the owner of sealed data to store beside it, so that VerifyCheck can tell at the next
// start whether the master key is still the one.
func (k *Keyring) CheckValue() []byte {
	sealed, err := k.Seal([]byte(checkText), checkPlace)
	if err != nil {
		panic("seal: the place of the check value is incomplete: " + err.Error())
	}
	return sealed
}

// VerifyCheck returns nil when the keyring opens a stored check value, and else a *config.Problem that wraps
// ErrUnknownKey, ErrMalformed or ErrOpen.
func (k *Keyring) VerifyCheck(check []byte) error {
	text, err := k.Open(check, checkPlace)
	if err != nil {
		return wrongKey(k.current.id, err)
	}
	if string(text) != checkText {
		return wrongKey(k.current.id, ErrMalformed)
	}
	return nil
}

// KeyID returns the public name of the current master key: eight hexadecimal digits, fit for logs.
func (k *Keyring) KeyID() string { return k.current.id.String() }

const redacted = "keyring:redacted"

// String tells nothing of the keys.
func (k *Keyring) String() string { return redacted }

// Format answers every verb of package fmt with String.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, redacted) }

// MarshalText prints String, so that JSON does too.
func (k *Keyring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue prints String in a log.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(redacted) }
