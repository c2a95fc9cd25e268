package tpm

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // as the protocol has it
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSoftwareStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	store := NewSoftwareStore(dir)
	if _, err := store.Open("device"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open before Create = %v, want ErrNotFound", err)
	}
	made, err := store.Create("device")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Create("device"); !errors.Is(err, ErrExists) {
		t.Errorf("second Create = %v, want ErrExists", err)
	}
	opened, err := NewSoftwareStore(dir).Open("device")
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("text"))
	signature, err := opened.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := made.Public().(*rsa.PublicKey)
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		t.Errorf("the opened key is not the one that was made: %v", err)
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := opened.Decrypt(rand.Reader, sealed, &rsa.OAEPOptions{Hash: crypto.SHA1}); err != nil || string(text) != "secret" {
		t.Errorf("Decrypt = %q, %v", text, err)
	}
	if opened.Protection() != Software {
		t.Error("a key in a file is not marked as software")
	}
	if err := store.Delete("device"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open("device"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open after Delete = %v, want ErrNotFound", err)
	}
}

func TestKeyFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	store := NewSoftwareStore(dir)
	if _, err := store.Create("device"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "device.pem")
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(name), got, want)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open("device"); !errors.Is(err, ErrExposed) {
		t.Errorf("Open of a key that others can read = %v, want ErrExposed", err)
	}
}

func TestKeyNamesStayInTheDirectory(t *testing.T) {
	store := NewSoftwareStore(t.TempDir())
	for _, name := range []string{"", "../x", "a/b", "A", ".."} {
		if _, err := store.Create(name); err == nil {
			t.Errorf("Create(%q) made a key", name)
		}
	}
}

// A key does not print. // P11
func TestKeysDoNotPrint(t *testing.T) {
	key, err := NewSoftwareStore(t.TempDir()).Create("device")
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", key, key, key); strings.Trim(strings.ReplaceAll(text, "software-key:redacted", ""), " ") != "" {
		t.Errorf("prints as %s", text)
	}
}
