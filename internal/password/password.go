// Package password hashes and checks passwords with argon2id (RFC 9106).
//
// One hash costs 19 MiB and tens of milliseconds of CPU on purpose, so hashing runs in a small pool with a bounded queue:
// when the queue is full a sign-in is told to come back later instead of exhausting the machine.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of new hashes: the second recommendation of OWASP for argon2id.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	threads   = 1
	saltBytes = 16
	keyBytes  = 32
)

// MaxBytes is the longest password that is taken.
const MaxBytes = 256

// Bounds on the parameters of a stored hash, so that a damaged one cannot ask for the whole machine.
const (
	maxMemoryKiB = 1 << 20
	maxPasses    = 16
)

// ErrBusy means that too many passwords wait to be checked already.
var ErrBusy = errors.New("password: too many checks are waiting")

// ErrTooLong means that a password exceeds MaxBytes.
var ErrTooLong = fmt.Errorf("password: longer than %d bytes", MaxBytes)

// A Pool hashes with a bounded number of workers. Use NewPool.
type Pool struct {
	workers chan struct{} // a token for each hash that may run
	queue   chan struct{} // a token for each hash that may wait or run
	dummy   string        // compared against where there is no such user, so that it takes as long
}

// NewPool returns a pool that runs at most workers hashes at a time and lets at most queue more wait.
func NewPool(workers, queue int) (*Pool, error) {
	p := &Pool{workers: make(chan struct{}, workers), queue: make(chan struct{}, workers+queue)}
	dummy, err := encode(rand.Text())
	p.dummy = dummy
	return p, err
}

// Hash returns the encoded argon2id hash of password, in the PHC string format.
func (p *Pool) Hash(ctx context.Context, password string) (string, error) {
	if len(password) > MaxBytes {
		return "", ErrTooLong
	}
	var hash string
	err := p.run(ctx, func() (err error) {
		hash, err = encode(password)
		return err
	})
	return hash, err
}

// Verify reports whether password is the one that hash was made of. With an empty hash it takes as long and says no.
func (p *Pool) Verify(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > MaxBytes {
		return false, nil
	}
	known := hash != ""
	if !known {
		hash = p.dummy
	}
	same := false
	err := p.run(ctx, func() (err error) {
		same, err = compare(hash, password)
		return err
	})
	return same && known, err
}

func (p *Pool) run(ctx context.Context, work func() error) error {
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return ErrBusy
	}
	select {
	case p.workers <- struct{}{}:
		defer func() { <-p.workers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return work()
}

func encode(password string) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("draw salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, passes, memoryKiB, threads, keyBytes)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memoryKiB, passes, threads,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

func compare(hash, password string) (bool, error) {
	memory, time, lanes, salt, want, err := decode(hash)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func decode(hash string) (memory, time uint32, lanes uint8, salt, key []byte, err error) {
	bad := func(why string) (uint32, uint32, uint8, []byte, []byte, error) {
		return 0, 0, 0, nil, nil, fmt.Errorf("password: stored hash is damaged: %s", why)
	}
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return bad("not argon2id of the known version")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes); err != nil {
		return bad("parameters")
	}
	if memory == 0 || memory > maxMemoryKiB || time == 0 || time > maxPasses || lanes == 0 {
		return bad("parameters out of bounds")
	}
	b64 := base64.RawStdEncoding.Strict()
	if salt, err = b64.DecodeString(parts[4]); err != nil || len(salt) < 8 {
		return bad("salt")
	}
	if key, err = b64.DecodeString(parts[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return bad("key")
	}
	return memory, time, lanes, salt, key, nil
}
