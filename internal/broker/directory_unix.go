//go:build unix

package broker

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an advisory lock on an open file; false where another holds it. Closing the file lets go.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// syncDirectory makes a rename in a directory survive a power failure.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
