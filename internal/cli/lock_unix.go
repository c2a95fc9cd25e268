//go:build unix

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock waits until no other command of this user renews the sign-in, and returns what ends the wait of others. A refresh
// token works once: two commands that redeem the same one look like a thief and its victim, and end the session.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock the sign-in: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the sign-in: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		closeQuietly(f)
		return nil, fmt.Errorf("lock the sign-in: %w", err)
	}
	return func() { closeQuietly(f) }, nil // closing releases the lock
}
