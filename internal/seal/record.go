package seal

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"

	"boundgate/internal/config"
)

// recordName is the file in the data directory that recognises the master key. Nothing in it is secret.
const recordName = "master-key.json"

// A record is what the data directory knows of its master key.
type record struct {
	Argon2id *argon2id `json:"argon2id,omitempty"` // nil when the key does not come from a passphrase
	Check    []byte    `json:"check"`              // nil on the first start
}

// argon2id are the parameters that turn a passphrase into a key, RFC 9106.
type argon2id struct {
	Salt      []byte `json:"salt"`
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memoryKiB"`
	Threads   uint8  `json:"threads"`
}

// newArgon2id returns the second recommended option of RFC 9106 section 4 with a fresh salt.
func newArgon2id() *argon2id {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails: crypto/rand stops the program instead
	return &argon2id{Salt: salt, Time: 3, MemoryKiB: 64 << 10, Threads: 4}
}

// plausible bounds the parameters of a record: an altered one must not exhaust the machine or weaken the derivation.
func (a *argon2id) plausible() bool {
	return len(a.Salt) >= 16 && len(a.Salt) <= 64 && a.Time >= 1 && a.Time <= 16 &&
		a.MemoryKiB >= 19<<10 && a.MemoryKiB <= 1<<20 && a.Threads >= 1 && a.Threads <= 16
}

func (a *argon2id) derive(passphrase string) (key [KeySize]byte) {
	copy(key[:], argon2.IDKey([]byte(passphrase), a.Salt, a.Time, a.MemoryKiB, a.Threads, KeySize))
	return key
}

// readRecord returns the record in dir, an empty one on the first start.
func readRecord(dir string) (*record, error) {
	path := filepath.Join(dir, recordName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &record{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of the master key: %w", err)
	}
	rec, err := parseRecord(text)
	if err != nil {
		return nil, &config.Problem{Where: path, What: "is damaged", Cause: err,
			Remedy: "Restore it from the backup of the data directory."}
	}
	return rec, nil
}

func parseRecord(text []byte) (*record, error) {
	var rec record
	if err := json.Unmarshal(text, &rec); err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	if len(rec.Check) == 0 {
		return nil, errors.New("it has no check value")
	}
	if rec.Argon2id != nil && !rec.Argon2id.plausible() {
		return nil, errors.New("its argon2id parameters are out of range")
	}
	return &rec, nil
}

// write stores the record for the first time. When another server was faster, its record stands and this start fails.
func (r *record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the record of the master key: %w", err)
	}
	path := filepath.Join(dir, recordName)
	if err := createOnce(path, append(text, '\n')); errors.Is(err, fs.ErrExist) {
		return &config.Problem{Where: path, What: "was made by another server that is starting with the same data directory",
			Remedy: "Give each server a data_dir of its own, then start again.", Cause: err}
	} else if err != nil {
		return fmt.Errorf("write the record of the master key: %w", err)
	}
	return nil
}
