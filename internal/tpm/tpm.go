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
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// Facts about keys.
var (
	ErrNotFound = errors.New("tpm: no such key")
	ErrExists   = errors.New("tpm: a key with this name exists")
	ErrExposed  = errors.New("tpm: the key file is open to others")
	// ErrUnsupported means an operation that keys do not do: decryption other than RSA-OAEP.
	ErrUnsupported = errors.New("tpm: keys decrypt RSA-OAEP only")
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
	// maxKeyFile bounds what is read of a key file, in bytes; an RSA-2048 key has fewer than 2000.
	maxKeyFile = 16 << 10
	// unfinished begins the names of files that become keys when they are written.
	unfinished = ".new-"
)

// softwareStore keeps each key in a PEM file of its own.
type softwareStore struct{ dir string }

// NewSoftwareStore returns a store that keeps keys in files of mode 0600 in dir, which is made when the first key is.
func NewSoftwareStore(dir string) Store { return softwareStore{dir} }

// softwareKey holds its private key in a field and does not embed it: what it does not pass on, such as the key's numbers
// in JSON, nobody gets. The field is a closure, which package fmt does not look into.
type softwareKey struct{ private func() *rsa.PrivateKey }

func hold(key *rsa.PrivateKey) softwareKey {
	return softwareKey{func() *rsa.PrivateKey { return key }}
}

// Public returns the public key, an *rsa.PublicKey.
func (k softwareKey) Public() crypto.PublicKey { return k.private().Public() }

// Sign signs a digest with RSA PKCS #1 v1.5, or PSS where opts says so, which TLS 1.3 needs.
func (k softwareKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.private().Sign(random, digest, opts)
}

// Decrypt decrypts RSA-OAEP. PKCS #1 v1.5, whose errors tell of the plaintext, is ErrUnsupported.
func (k softwareKey) Decrypt(random io.Reader, message []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	if _, ok := opts.(*rsa.OAEPOptions); !ok {
		return nil, ErrUnsupported
	}
	return k.private().Decrypt(random, message, opts)
}

// Protection says that the key is a file.
func (softwareKey) Protection() Protection { return Software }

const redactedKey = "software-key:redacted"

// String names the key without showing it, as all its printed forms do.
func (softwareKey) String() string { return redactedKey }

// Format redacts the key under every verb.
func (softwareKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, redactedKey) }

// LogValue redacts the key.
func (softwareKey) LogValue() slog.Value { return slog.StringValue(redactedKey) }

// MarshalText redacts the key, in JSON too.
func (softwareKey) MarshalText() ([]byte, error) { return []byte(redactedKey), nil }

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
	if err := s.checkDirectory(); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate key %s: %w", name, err)
	}
	if err := writeKey(path, key); err != nil {
		return nil, err
	}
	return hold(key), nil
}

// writeKey writes a new key file whole or not at all, and never over another.
func writeKey(path string, key *rsa.PrivateKey) (err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*") // mode 0600
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
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

func (s softwareStore) Open(name string) (Key, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	text, err := s.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	return parseKey(name, text)
}

// read returns a key file's text. What it checks is the file that it reads: not one that a link names, nor one that is put
// in its place meanwhile.
func (s softwareStore) read(path string) (text []byte, err error) {
	if err := s.checkDirectory(); err != nil {
		return nil, err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a plain file", ErrExposed, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(named, info) {
		return nil, fmt.Errorf("%w: %s changed while it was opened", ErrExposed, path)
	}
	if err := checkMode(path, info, fileMode); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// checkDirectory refuses a directory that others can write to: they could put a key of theirs into it.
func (s softwareStore) checkDirectory() error {
	info, err := os.Stat(s.dir)
	if err != nil {
		return err
	}
	return checkMode(s.dir, info, 0o755)
}

// checkMode refuses what is open to more than its owner. On Windows access lists decide, which a key file inherits from the
// user's profile.
func checkMode(path string, info fs.FileInfo, most fs.FileMode) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&^most != 0 {
		return fmt.Errorf("%w: %s has mode %o; make it %o", ErrExposed, path, mode, most)
	}
	return nil
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
	if key.N.BitLen() < keyBits {
		return nil, fmt.Errorf("tpm: key %s has %d bits, fewer than %d", name, key.N.BitLen(), keyBits)
	}
	return hold(key), nil
}

// Delete removes a key's file, and the second name that a crash left it with while it was made: else the key would live on.
func (s softwareStore) Delete(name string) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	key, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete key %s: %w", name, err)
	}
	if err := s.dropUnfinished(key); err != nil {
		return fmt.Errorf("delete key %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete key %s: %w", name, err)
	}
	return nil
}

// dropUnfinished removes other names of a key's file.
func (s softwareStore) dropUnfinished(key fs.FileInfo) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unfinished) {
			continue
		}
		info, err := entry.Info()
		if err != nil || !os.SameFile(key, info) {
			continue // gone meanwhile, or another key in the making
		}
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// syncDirectory makes a new name in a directory survive a power failure: the server may have certified the key by then.
// Windows journals its directories and has no such call.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
