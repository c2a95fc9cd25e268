package seal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/config"
)

// A setting is a data directory and a place for keys beside it.
type setting struct{ data, keys string }

func newSetting(t *testing.T) setting {
	t.Helper()
	dir := t.TempDir()
	return setting{data: filepath.Join(dir, "data"), keys: dir}
}

// file writes a secret file beside the data directory.
func (s setting) file(t *testing.T, name, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(s.keys, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	return path
}

func (s setting) byFile() config.MasterKey {
	return config.MasterKey{File: filepath.Join(s.keys, "data.key")}
}

func mustOpen(t *testing.T, s setting, cfg config.MasterKey) *Keyring {
	t.Helper()
	k, err := Open(t.Context(), s.data, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// refused checks that err is a problem with a remedy that says what.
func refused(t *testing.T, k *Keyring, err error, what string) {
	t.Helper()
	var p *config.Problem
	if k != nil || !errors.As(err, &p) || p.Remedy == "" || !strings.Contains(err.Error(), what) {
		t.Errorf("keyring %v, error %v; want no keyring and a problem that says %q", k, err, what)
	}
}

// P16
func TestTheFirstStartMakesAKeyFileForItsOwnerOnly(t *testing.T) {
	s := newSetting(t)
	value := sealed(t, mustOpen(t, s, s.byFile()), "x", place)
	if got, err := mustOpen(t, s, s.byFile()).Open(value, place); err != nil || string(got) != "x" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	for path, want := range map[string]fs.FileMode{s.byFile().File: 0o600, s.data: fs.ModeDir | 0o700, filepath.Join(s.data, recordName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.keys, "*.new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// P16
func TestACopiedDataDirectoryAloneOpensNothing(t *testing.T) {
	s := newSetting(t)
	mustOpen(t, s, s.byFile())
	secret, err := os.ReadFile(s.byFile().File)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(string(secret), keyFilePrefix)))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), string(raw)) || strings.Contains(string(text), base64.StdEncoding.EncodeToString(raw)) {
			t.Errorf("the master key shows in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	thief := config.MasterKey{File: filepath.Join(s.keys, "thief.key")}
	k, err := Open(t.Context(), s.data, thief)
	refused(t, k, err, "is gone")
	if _, err := os.Stat(thief.File); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a new key was made for old data")
	}
}

// P19
func TestAKeyFileIsRefused(t *testing.T) {
	good := keyFilePrefix + base64.StdEncoding.EncodeToString(make([]byte, KeySize)) + "\n"
	for _, c := range []struct {
		name, text string
		mode       fs.FileMode
		what       string
	}{
		{"when its group may read it", good, 0o640, "mode 0640"},
		{"when everyone may read it", good, 0o604, "mode 0604"},
		{"when its group may write it", good, 0o620, "mode 0620"},
		{"when it is empty", "", 0o600, "not a master key file"},
		{"when it is another secret", "session-key:v1:AAAA", 0o600, "not a master key file"},
		{"when it was cut", good[:50], 0o600, "32 bytes in base64"},
		{"when the key is short", keyFilePrefix + "AAAA", 0o600, "32 bytes in base64"},
		{"when it is huge", strings.Repeat("x", maxSecretFile+1), 0o600, "larger than a secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSetting(t)
			s.file(t, "data.key", c.text, c.mode)
			k, err := Open(t.Context(), s.data, s.byFile())
			refused(t, k, err, c.what)
			if c.text != "" && strings.Contains(err.Error(), strings.TrimPrefix(c.text, keyFilePrefix)) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

// P16
func TestAMasterKeyInTheDataDirectoryIsRefused(t *testing.T) {
	s := newSetting(t)
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(s.keys, "elsewhere")
	if err := os.Symlink(s.data, link); err != nil {
		t.Skip("this system makes no symbolic links: ", err)
	}
	for name, path := range map[string]string{"by name": filepath.Join(s.data, "m.key"), "through a link": filepath.Join(link, "m.key")} {
		k, err := Open(t.Context(), s.data, config.MasterKey{File: path})
		refused(t, k, err, "inside the data directory")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a key was made there", name)
		}
	}
}

// P19
func TestAKeyFileThatCannotBeReadIsRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads every file: run this test as another user to see it")
	}
	s := newSetting(t)
	s.file(t, "data.key", "x", 0o000)
	k, err := Open(t.Context(), s.data, s.byFile())
	refused(t, k, err, "cannot be read")
}

// P19
func TestAnotherKeyIsRecognisedAtTheStart(t *testing.T) {
	s := newSetting(t)
	mustOpen(t, s, s.byFile())
	other := s.file(t, "other.key", keyFilePrefix+base64.StdEncoding.EncodeToString(make([]byte, KeySize)), 0o600)
	k, err := Open(t.Context(), s.data, config.MasterKey{File: other})
	refused(t, k, err, "is not the one this data was sealed with")
	k, err = Open(t.Context(), s.data, config.MasterKey{Passphrase: config.NewSecret("correct horse battery")})
	refused(t, k, err, "was not sealed with a passphrase")
	k, err = Open(t.Context(), s.data, config.MasterKey{})
	refused(t, k, err, "names no source")
}

func TestAPassphraseGivesTheSameKeyAgain(t *testing.T) {
	s := newSetting(t)
	const phrase = "correct horse battery staple"
	value := sealed(t, mustOpen(t, s, config.MasterKey{Passphrase: config.NewSecret(phrase)}), "x", place)
	file := s.file(t, "phrase", phrase+"\r\nignored\n", 0o600)
	if _, err := mustOpen(t, s, config.MasterKey{PassphraseFile: file}).Open(value, place); err != nil {
		t.Errorf("from a file: %v", err)
	}
	for phrase, what := range map[string]string{"correct horse battery stable": "is not the one", "too short": "shorter than 16"} {
		k, err := Open(t.Context(), s.data, config.MasterKey{Passphrase: config.NewSecret(phrase)})
		refused(t, k, err, what)
		if strings.Contains(err.Error(), phrase) {
			t.Errorf("the error repeats the passphrase: %v", err)
		}
	}
	wide := s.file(t, "wide", phrase, 0o644)
	k, err := Open(t.Context(), s.data, config.MasterKey{PassphraseFile: wide})
	refused(t, k, err, "mode 0644")
}

func TestTheSamePassphraseElsewhereGivesAnotherKey(t *testing.T) {
	cfg := config.MasterKey{Passphrase: config.NewSecret("correct horse battery staple")}
	one, two := mustOpen(t, newSetting(t), cfg), mustOpen(t, newSetting(t), cfg)
	if one.KeyID() == two.KeyID() {
		t.Error("two deployments with one passphrase share their master key")
	}
}

func TestACommandGivesTheKey(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are a Unix shell's")
	}
	s := newSetting(t)
	shell := func(script string) config.MasterKey {
		return config.MasterKey{Command: []string{"/bin/sh", "-c", script}}
	}
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv"))
	value := sealed(t, mustOpen(t, s, shell("echo "+key)), "x", place)
	if _, err := New([KeySize]byte([]byte("0123456789abcdefghijklmnopqrstuv"))).Open(value, place); err != nil {
		t.Errorf("the command's key was not used: %v", err)
	}

	defer func(d time.Duration) { commandTimeout = d }(commandTimeout)
	commandTimeout = 2 * time.Second
	for _, c := range []struct {
		name, script, what string
	}{
		{"that fails", "echo " + key + "; exit 3", "exit status 3"},
		{"that prints nothing", "true", "32 bytes in base64"},
		{"that prints something else", "echo not-the-key-but-a-secret", "32 bytes in base64"},
		{"that prints without end", "while :; do echo " + key + "; done", "failed"},
		{"that never ends", "sleep 60", "no answer within"},
		{"that prints another key", "echo " + base64.StdEncoding.EncodeToString(make([]byte, KeySize)), "is not the one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := Open(t.Context(), s.data, shell(c.script))
			refused(t, k, err, c.what)
			if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "but-a-secret") {
				t.Errorf("the error repeats what the command printed: %v", err)
			}
		})
	}
}

func TestServersThatStartAtOnceShareTheFirstKeyFile(t *testing.T) {
	s := newSetting(t)
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			data := filepath.Join(s.keys, "data", string(rune('a'+i))) // each with a data directory of its own
			k, err := Open(context.Background(), data, s.byFile())
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.KeyID()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two keys in one file: %q", ids)
		}
	}
}

func TestADamagedRecordIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"without a check value":       `{}`,
		"that is not JSON":            `{`,
		"with exhausting parameters":  `{"check":"AAAA","argon2id":{"salt":"AAAAAAAAAAAAAAAAAAAAAAA=","time":3,"memoryKiB":4294967295,"threads":4}}`,
		"with weakened parameters":    `{"check":"AAAA","argon2id":{"salt":"AAAAAAAAAAAAAAAAAAAAAAA=","time":1,"memoryKiB":8,"threads":1}}`,
		"with a salt of one byte":     `{"check":"AAAA","argon2id":{"salt":"AA==","time":3,"memoryKiB":65536,"threads":4}}`,
		"with a check value cut away": `{"check":""}`,
	} {
		s := newSetting(t)
		if err := os.MkdirAll(s.data, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.data, recordName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := Open(t.Context(), s.data, s.byFile())
		t.Run(name, func(t *testing.T) { refused(t, k, err, "is damaged") })
	}
}

// P14: a record that is accepted has bounded parameters and survives being written again.
func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"check":"AAAA","argon2id":{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","time":3,"memoryKiB":65536,"threads":4}}`))
	f.Add([]byte(`{"check":"AAAA"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rec, err := parseRecord(text)
		if err != nil {
			return
		}
		if rec.Argon2id != nil && (rec.Argon2id.MemoryKiB > 1<<20 || rec.Argon2id.Time > 16) {
			t.Fatalf("accepts %+v", rec.Argon2id)
		}
		again, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(again); err != nil {
			t.Fatalf("%s is accepted, %s is not: %v", text, again, err)
		}
	})
}
