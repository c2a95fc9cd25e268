package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"boundgate/internal/config"
)

const (
	// keyFilePrefix marks a key file, so that no other secret is mistaken for a master key.
	keyFilePrefix = "boundgate-master-key:v1:"
	// maxSecretFile bounds what is read from key files, passphrase files and commands.
	maxSecretFile = 4 << 10
	// minPassphrase is the least length of a passphrase, in bytes.
	minPassphrase = 16
)

// commandTimeout is how long a command may take to print the key. Tests shorten it.
var commandTimeout = 30 * time.Second

// Open finds the master key that cfg names and returns a keyring of it. On the first start it makes dataDir, a key file
// where one is configured, and the record master-key.json in dataDir that recognises the key from then on. Its errors
// are *config.Problem where an operator can act on them: a key file that others may read, that lies in dataDir or is
// gone, a key that is not the one the data was sealed with.
func Open(ctx context.Context, dataDir string, cfg config.MasterKey) (*Keyring, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, &config.Problem{Where: "data_dir", What: "cannot be made", Cause: err,
			Remedy: "Set data_dir to a directory that the server may make or write."}
	}
	rec, err := readRecord(dataDir)
	if err != nil {
		return nil, err
	}
	secret, err := find(ctx, dataDir, cfg, rec)
	if err != nil {
		return nil, err
	}
	keys := New(secret)
	if rec.Check == nil {
		rec.Check = keys.CheckValue()
		if err := rec.write(dataDir); err != nil {
			return nil, err
		}
		return keys, nil
	}
	if err := keys.VerifyCheck(rec.Check); err != nil {
		return nil, err
	}
	return keys, nil
}

// find returns the key from the configured source. It may add to rec what the next start needs to derive it again.
func find(ctx context.Context, dataDir string, cfg config.MasterKey, rec *record) ([KeySize]byte, error) {
	switch {
	case !cfg.Passphrase.IsZero():
		return fromPassphrase(cfg.Passphrase, rec)
	case cfg.PassphraseFile != "":
		passphrase, err := readPassphrase(dataDir, cfg.PassphraseFile)
		if err != nil {
			return [KeySize]byte{}, err
		}
		return fromPassphrase(passphrase, rec)
	case len(cfg.Command) > 0:
		return fromCommand(ctx, cfg.Command)
	case cfg.File != "":
		return fromFile(dataDir, cfg.File, rec.Check == nil)
	default:
		return [KeySize]byte{}, &config.Problem{Where: "[master_key]", What: "names no source of the master key",
			Remedy: "Set exactly one of file, passphrase_file and command, or BOUNDGATE_MASTER_KEY_PASSPHRASE."}
	}
}

// wrongKey is the problem of a master key that does not open the data.
func wrongKey(given keyID, cause error) error {
	return &config.Problem{
		Where: "[master_key]", What: fmt.Sprintf("the master key (id %s) is not the one this data was sealed with", given), Cause: cause,
		Remedy: "Give [master_key] the key that was made together with this data, from its backup. Without it the sealed data cannot be used.",
	}
}

// fromFile reads the key file. Where it is missing and nothing was sealed yet, it makes it.
func fromFile(dataDir, path string, mayCreate bool) ([KeySize]byte, error) {
	if err := outsideData("[master_key] file", dataDir, path); err != nil {
		return [KeySize]byte{}, err // before a key is made there
	}
	text, err := readSecretFile("[master_key] file", dataDir, path)
	if errors.Is(err, fs.ErrNotExist) {
		if !mayCreate {
			return [KeySize]byte{}, &config.Problem{Where: "[master_key] file", What: "the key file " + path + " is gone, and the data was sealed with its key",
				Remedy: "Restore the key file from its backup. A new key would open nothing, so none was made.", Cause: err}
		}
		if err := createKeyFile(path, randomKey()); err != nil {
			return [KeySize]byte{}, err
		}
		text, err = readSecretFile("[master_key] file", dataDir, path)
	}
	if err != nil {
		return [KeySize]byte{}, err
	}
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), keyFilePrefix)
	if !ok {
		return [KeySize]byte{}, &config.Problem{Where: path, What: "is not a master key file",
			Remedy: "Set [master_key] file to the key file of this deployment; it starts with " + keyFilePrefix}
	}
	return decodeKey(path, encoded)
}

// decodeKey reads 32 bytes in base64.
func decodeKey(where, encoded string) (key [KeySize]byte, err error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != KeySize {
		// The decoder's error would point into the secret.
		return key, &config.Problem{Where: where, What: "does not hold a master key, 32 bytes in base64",
			Remedy: "Restore the key from its backup, or correct the source that [master_key] names."}
	}
	copy(key[:], raw)
	return key, nil
}

// createKeyFile makes a key file unless there is one: when two servers start at once, both read what the first has made.
func createKeyFile(path string, key [KeySize]byte) error {
	text := keyFilePrefix + base64.StdEncoding.EncodeToString(key[:]) + "\n"
	if err := createOnce(path, []byte(text)); err != nil && !errors.Is(err, fs.ErrExist) {
		return cannotMake(path, err)
	}
	return nil
}

// createOnce makes a file, readable by its owner only, that appears whole and durable or not at all. It never replaces
// one: the error is then fs.ErrExist.
func createOnce(path string, text []byte) error {
	temporary := path + "." + newMasterKey(randomKey()).id.String() + ".new"
	if err := writeSynced(temporary, text); err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }() // a name without use from here on
	if err := os.Link(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func cannotMake(path string, cause error) error {
	return &config.Problem{Where: "[master_key] file", What: "the key file " + path + " cannot be made", Cause: cause,
		Remedy: "Set [master_key] file to a place that the server may write, outside data_dir."}
}

// writeSynced writes a new file and waits until it is on disk.
func writeSynced(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes the names in a directory durable. Windows has no such call and needs none.
func syncDir(dir string) (err error) {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// readSecretFile reads a small file that nobody but its owner may read and that does not lie among the data.
func readSecretFile(where, dataDir, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", &config.Problem{Where: where, What: "cannot be read", Cause: err,
			Remedy: "Set " + where + " to a file that the server may read."}
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing to lose
	info, err := f.Stat()            // of the open file: its name may be exchanged meanwhile
	if err != nil {
		return "", fmt.Errorf("read %s: %w", where, err)
	}
	if err := guarded(where, dataDir, path, info); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", where, err)
	}
	if len(text) > maxSecretFile {
		return "", &config.Problem{Where: where, What: path + " is larger than a secret", Remedy: "Set " + where + " to the right file."}
	}
	return string(text), nil
}

// guarded refuses a secret file that others may read or that a copy of the data would take along.
func guarded(where, dataDir, path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &config.Problem{Where: where, What: path + " is not a file", Remedy: "Set " + where + " to the right file."}
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return &config.Problem{Where: where, What: fmt.Sprintf("%s may be used by others than its owner (mode %04o)", path, mode),
			Remedy: "Run chmod 600 " + path + ", and replace the secret if others may have read it."}
	}
	return outsideData(where, dataDir, path)
}

// outsideData refuses a secret file in the data directory, by whatever links it is reached.
func outsideData(where, dataDir, path string) error {
	real := filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
	if !config.Inside(resolved(dataDir), real) && !config.Inside(resolved(dataDir), resolved(path)) {
		return nil
	}
	return &config.Problem{Where: where, What: path + " lies inside the data directory, where a copy of the data would take it along",
		Remedy: "Move it out of data_dir and set " + where + " to its new place."}
}

// resolved returns the absolute path with symbolic links followed, where it exists.
func resolved(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path // the working directory is gone; Inside then assumes the worse
	}
	if real, err := filepath.EvalSymlinks(absolute); err == nil {
		return real
	}
	return absolute
}

// readPassphrase returns the first line of a passphrase file.
func readPassphrase(dataDir, path string) (config.Secret, error) {
	text, err := readSecretFile("[master_key] passphrase_file", dataDir, path)
	if err != nil {
		return config.Secret{}, err
	}
	line, _, _ := strings.Cut(text, "\n")
	return config.NewSecret(strings.TrimSuffix(line, "\r")), nil
}

// fromPassphrase derives the key with the parameters in rec, or with new ones on the first start.
func fromPassphrase(passphrase config.Secret, rec *record) (key [KeySize]byte, err error) {
	if len(passphrase.Reveal()) < minPassphrase {
		return key, &config.Problem{Where: "[master_key]", What: fmt.Sprintf("the passphrase is shorter than %d characters", minPassphrase),
			Remedy: "Use a longer passphrase: six random words, for instance."}
	}
	if rec.Argon2id == nil {
		if rec.Check != nil {
			return key, &config.Problem{Where: "[master_key]", What: "this data was not sealed with a passphrase",
				Remedy: "Set [master_key] to the key file or command that this data was made with."}
		}
		rec.Argon2id = newArgon2id()
	}
	return rec.Argon2id.derive(passphrase.Reveal()), nil
}

// fromCommand runs the command and reads the key from its standard output. What it prints is never repeated.
func fromCommand(ctx context.Context, command []string) (key [KeySize]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second // children that keep the pipe open do not hold us up
	out := bounded{limit: maxSecretFile}
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %s: %w", commandTimeout, ctx.Err())
		}
		return key, &config.Problem{Where: "[master_key] command", What: command[0] + " failed", Cause: err,
			Remedy: "Run the command by hand as the server's user and see that it prints the key."}
	}
	return decodeKey("[master_key] command", strings.TrimSpace(out.String()))
}

// A bounded buffer takes limit bytes and refuses more.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, fmt.Errorf("prints more than %d bytes", b.limit)
	}
	return b.Buffer.Write(p)
}
