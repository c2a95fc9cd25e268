package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const (
	stateFile = "state.json"
	lockFile  = "lock"
	dirMode   = 0o700
	fileMode  = 0o600
	// maxState bounds what is read of a state file, in bytes. A user's entry takes a few thousand.
	maxState = 4 << 20
	// lockPause is how long to wait before the next try to get a lock that another process holds.
	lockPause = 20 * time.Millisecond
)

// A directory is where a broker keeps its state. Everything in it is its owner's alone.
type directory string

// change runs do on the state as it is on disk, while no other process changes it.
func (d directory) change(ctx context.Context, do func(*state) error) (err error) {
	if d == "" {
		return ErrNoDirectory
	}
	if err := os.MkdirAll(string(d), dirMode); err != nil {
		return fmt.Errorf("make the broker's directory: %w", err)
	}
	if err := checkDirectory(string(d)); err != nil {
		return err
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	s, err := d.read()
	if err != nil {
		return err
	}
	return do(&s)
}

// lock keeps other processes out until the function that it returns is called. A process that ends lets go by itself.
func (d directory) lock(ctx context.Context) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(string(d), lockFile), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock the broker's directory: %w", err)
	}
	for {
		locked, err := tryLock(f)
		if err != nil {
			return nil, fmt.Errorf("lock the broker's directory: %w", errors.Join(err, f.Close()))
		}
		if locked {
			return f.Close, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ErrBusy, ctx.Err(), f.Close())
		case <-time.After(lockPause):
		}
	}
}

// read returns the state on disk; an unregistered one where there is none.
func (d directory) read() (state, error) {
	if d == "" {
		return state{}, nil
	}
	path := filepath.Join(string(d), stateFile)
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read the broker's state: %w", err)
	}
	s, err := decodeState(text)
	if err != nil {
		return state{}, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return s, nil
}

// readPrivate reads a file that is its owner's alone, in a directory that is.
func readPrivate(path string) (text []byte, err error) {
	if err := checkDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := checkFile(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, maxState+1))
	if err == nil && len(text) > maxState {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxState)
	}
	return text, err
}

// checkDirectory refuses a directory that is open to others.
func checkDirectory(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a directory", ErrExposed, path)
	}
	return checkMode(path, info, dirMode)
}

// checkFile refuses a file that is open to others, and a link to one that may be.
func checkFile(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a plain file", ErrExposed, path)
	}
	return checkMode(path, info, fileMode)
}

// checkMode refuses a mode that lets others in. On Windows access lists decide, which the directory inherits from the
// user's profile.
func checkMode(path string, info fs.FileInfo, most fs.FileMode) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&^most != 0 {
		return fmt.Errorf("%w: %s has mode %o; make it %o", ErrExposed, path, mode, most)
	}
	return nil
}

// save writes the state so that a crash leaves the old or the new one. The caller holds the lock.
func (d directory) save(s *state) error {
	s.Version = stateVersion
	if err := s.check(); err != nil {
		return fmt.Errorf("%w: nothing was kept: %w", ErrBadAnswer, err) // it would not be read again
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the broker's state: %w", err)
	}
	if err := d.replace(filepath.Join(string(d), stateFile), append(text, '\n')); err != nil {
		return fmt.Errorf("write the broker's state: %w", err)
	}
	return nil
}

func (d directory) replace(path string, text []byte) error {
	// A crash may have left a half-written state behind; it has tokens in it.
	next := path + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return syncDirectory(string(d))
}
