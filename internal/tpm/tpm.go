// Package tpm keeps a device's private keys behind one small interface that a Trusted Platform Module can serve: sign and
// decrypt, never export.
//
// The software store keeps keys in files. It protects them from other users of the machine and from nobody else, and is
// marked as software wherever it shows.
package tpm

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
)

// Facts about keys.
var (
	ErrNotFound = errors.New("tpm: no such key")
	ErrExists   = errors.New("tpm: a key with this name exists")
	ErrExposed  = errors.New("tpm: the key file can be read by others")
)

// Protection says where private keys are.
type Protection string

// The protections.
const (
	Software Protection = "software"
	Hardware Protection = "tpm"
)

// A Key signs (RSA PKCS #1 v1.5 with SHA-256) and decrypts (RSA-OAEP with SHA-1). The private key never leaves it.
type Key interface {
	crypto.Signer
	crypto.Decrypter
	Protection() Protection
}

// A Store makes and keeps keys by name.
type Store interface {
	// Create makes an RSA-2048 key; ErrExists where there is one with this name.
	Create(name string) (Key, error)
	// Open returns a key that was made before; ErrNotFound where there is none.
	Open(name string) (Key, error)
	// Delete removes a key for good; ErrNotFound where there is none.
	Delete(name string) error
}

const (
	keyBits  = 2048
	dirMode  = 0o700
	fileMode = 0o600
	pemType  = "PRIVATE KEY"
)

// softwareStore keeps each key in a PEM file of its own.
type softwareStore struct{ dir string }

// NewSoftwareStore returns a store that keeps keys in files of mode 0600 in dir, which is made when the first key is.
func NewSoftwareStore(dir string) Store { return softwareStore{dir} }

type softwareKey struct{ *rsa.PrivateKey }

// Protection says that the key is a file.
func (softwareKey) Protection() Protection { return Software }

// String names the key without showing it.
func (softwareKey) String() string { return "software-key:redacted" }

// Format redacts the key under every verb.
func (k softwareKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, k.String()) }

var keyName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

func (s softwareStore) path(name string) (string, error) {
	if !keyName.MatchString(name) {
		return "", fmt.Errorf("tpm: %q is no name for a key", name)
	}
	return filepath.Join(s.dir, name+".pem"), nil
}

func (s softwareStore) Create(name string) (Key, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, dirMode); err != nil {
		return nil, fmt.Errorf("make key directory: %w", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate key %s: %w", name, err)
	}
	if err := writeKey(path, key); err != nil {
		return nil, err
	}
	return softwareKey{key}, nil
}

// writeKey writes a new key file whole or not at all, and never over another.
func writeKey(path string, key *rsa.PrivateKey) (err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	// A link fails where the name is taken; a rename would replace it.
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return ErrExists
	} else if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

func (s softwareStore) Open(name string) (Key, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&^fileMode != 0 {
		return nil, fmt.Errorf("%w: %s has mode %o; make it 600", ErrExposed, path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	return parseKey(name, text)
}

func parseKey(name string, text []byte) (Key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("tpm: the file of key %s holds no private key", name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse key %s: %w", name, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("tpm: key %s is a %T, not an RSA key", name, parsed)
	}
	return softwareKey{key}, nil
}

func (s softwareStore) Delete(name string) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}
