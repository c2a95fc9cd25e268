package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A session is what a sign-in leaves behind on the administrator's computer.
type session struct {
	Server       string                 `json:"server"`
	CAFile       string                 `json:"caFile,omitempty"`
	Tenant       string                 `json:"tenant"` // as it stands in token URLs: a domain or an id
	User         string                 `json:"user"`
	Workspace    string                 `json:"workspace,omitempty"`
	RefreshToken string                 `json:"refreshToken,omitempty"`
	Tokens       map[string]accessToken `json:"tokens,omitempty"` // by audience
}

// An accessToken is kept until it expires, so that not every command leaves a sign-in of its own in the log.
type accessToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

const sessionFile = "session.json"

// maxSession bounds what is read back, in bytes.
const maxSession = 1 << 20

// directory returns the directory that keeps the session.
func (a *app) directory() (string, error) {
	if a.configDir != "" {
		return a.configDir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", failure("name a directory with --config-dir", "there is no configuration directory: %v", err)
	}
	return filepath.Join(dir, "boundgate"), nil
}

// errNotSignedIn is the answer where there is no session.
var errNotSignedIn = &Error{Message: "you are not signed in", Hint: "run \"boundgate login --server URL USER\""}

// loadSession reads the session. A file that others may read is refused: what it holds is as good as a password.
func loadSession(dir string) (session, error) {
	path := filepath.Join(dir, sessionFile)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return session{}, errNotSignedIn
	}
	if err != nil {
		return session{}, fmt.Errorf("read the sign-in: %w", err)
	}
	if err := private(path, info); err != nil {
		return session{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return session{}, fmt.Errorf("read the sign-in: %w", err)
	}
	var s session
	if err := json.Unmarshal(data, &s); err != nil {
		return session{}, failure("sign in again with \"boundgate login\"", "%s is damaged", path)
	}
	return s, nil
}

func private(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() || info.Size() > maxSession {
		return failure("remove it and sign in again", "%s is not a sign-in of this program", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return failure(fmt.Sprintf("run \"chmod 600 %s\"; if others use this computer, sign out everywhere and sign in again", path),
			"%s can be read or written by others (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}

// save writes the session for its owner alone, in one step: a reader sees the old one or the new one.
func (s session) save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	f, err := os.CreateTemp(dir, ".session-*") // created with mode 0600
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after the rename; only a failure leaves it
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, sessionFile)); err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	return nil
}
