//go:build !unix

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lock waits until no other command of this user renews the sign-in, and returns what ends the wait of others. A refresh
// token works once: two commands that redeem the same one look like a thief and its victim, and end the session.
func lock(dir string) (unlock func(), err error) {
	const stale = time.Minute // longer than any renewal takes: its owner is gone
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock the sign-in: %w", err)
	}
	path := filepath.Join(dir, "lock")
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			closeQuietly(f)
			return func() { _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("lock the sign-in: %w", err)
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > stale {
			_ = os.Remove(path) // another waiter may be quicker
		}
		time.Sleep(50 * time.Millisecond)
	}
}
