package tpm

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // as the protocol has it
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
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

// The numbers of a private key come out in no encoding and no log, nor through another interface. // P11
func TestPrivateKeysAreNotEncoded(t *testing.T) {
	key, err := NewSoftwareStore(t.TempDir()).Create("device")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"key": key})
	if want := `{"key":"software-key:redacted"}`; err != nil || string(text) != want {
		t.Errorf("JSON %.60s, %v; want %s", text, err, want)
	}
	out := new(bytes.Buffer)
	slog.New(slog.NewJSONHandler(out, nil)).Info("json", "key", key)
	slog.New(slog.NewTextHandler(out, nil)).Info("text", "key", key)
	fmt.Fprintf(out, "%s %d", struct{ key Key }{key}, struct{ key Key }{key})
	software, ok := key.(softwareKey)
	if !ok {
		t.Fatalf("a key of the software store is a %T", key)
	}
	private := software.private()
	for _, leak := range []string{private.D.String(), private.Primes[0].String(), private.D.Text(16)} {
		if strings.Contains(out.String(), leak) {
			t.Error("a log shows the private key")
		}
	}
	if _, ok := key.(interface{ Validate() error }); ok {
		t.Error("the private key's own methods show through")
	}
}

// A key decrypts what the protocol has, and is no oracle for PKCS #1 v1.5.
func TestKeysDecryptOAEPOnly(t *testing.T) {
	key, err := NewSoftwareStore(t.TempDir()).Create("transport")
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]crypto.DecrypterOpts{"nothing said": nil, "options of another scheme": crypto.SHA256} {
		if _, err := key.Decrypt(rand.Reader, make([]byte, 256), opts); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", name, err)
		}
	}
}

func TestKeysOpenToOthersAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("access lists decide on Windows")
	}
	newStore := func(t *testing.T) (Store, string) {
		dir := filepath.Join(t.TempDir(), "keys")
		store := NewSoftwareStore(dir)
		if _, err := store.Create("device"); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open("device"); err != nil {
			t.Fatalf("before: %v", err)
		}
		return store, dir
	}
	for name, expose := range map[string]func(dir string) error{
		"a directory that others write to":   func(dir string) error { return os.Chmod(dir, 0o777) },
		"a directory that a group writes to": func(dir string) error { return os.Chmod(dir, 0o770) },
		"a symbolic link": func(dir string) error {
			path := filepath.Join(dir, "device.pem")
			return errors.Join(os.Rename(path, path+".elsewhere"), os.Symlink(path+".elsewhere", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, dir := newStore(t)
			if err := expose(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open("device"); !errors.Is(err, ErrExposed) {
				t.Errorf("Open = %v, want ErrExposed", err)
			}
		})
	}
	t.Run("no key is made in an open directory", func(t *testing.T) {
		store, dir := newStore(t)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Create("transport"); !errors.Is(err, ErrExposed) {
			t.Errorf("Create = %v, want ErrExposed", err)
		}
	})
}

// A crash between a key's two names must not leave one behind that outlives the key. The directory's name is one that a
// pattern would read as something else.
func TestDeletedKeysAreGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys[1]")
	store := NewSoftwareStore(dir)
	for _, name := range []string{"device", "transport"} {
		if _, err := store.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "device.pem"), filepath.Join(dir, ".new-1")); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".new-2"), []byte("another key in the making"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete("device"); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got, want := strings.Join(left, " "), ".new-2 transport.pem"; got != want {
		t.Errorf("after Delete(device) there are %s, want %s", got, want)
	}
}
