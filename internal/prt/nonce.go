package prt

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// NonceLifetime is how long a nonce may be used after it was given out.
const NonceLifetime = 5 * time.Minute

// nonceSkew is how far apart the clocks of two nodes may be.
const nonceSkew = 30 * time.Second

// Facts about nonces.
var (
	ErrNonceInvalid = errors.New("prt: the nonce is not from this server")
	ErrNonceExpired = errors.New("prt: the nonce has expired")
)

// A NonceID stands for a nonce among the spent ones.
type NonceID = [32]byte

// Nonces makes nonces that carry their own time and authenticate themselves, so that giving one out stores nothing (P14).
// That each is used once is for the store to see to, when a proof spends it.
// It prints as "nonces:redacted".
type Nonces struct {
	redacted[noncesLabel]
	Key [32]byte // a Nonces without one accepts none
	// Epoch changes when a backup of the store is restored: nonces of another epoch are void.
	Epoch uint64
}

type noncesLabel struct{}

func (noncesLabel) label() string { return "nonces:redacted" }

// The layout of a nonce: time in microseconds, random bytes, and the first bytes of an HMAC-SHA-256 over epoch and both.
const (
	nonceTime   = 8
	nonceRandom = 16
	nonceMAC    = 16
	nonceBytes  = nonceTime + nonceRandom + nonceMAC
)

var nonceLength = base64.RawURLEncoding.EncodedLen(nonceBytes)

// Mint returns a new nonce, of the characters A-Z a-z 0-9 - _. It panics where there is no key: anyone could make such
// nonces (P19).
func (n *Nonces) Mint(at time.Time) string {
	if n.Key == [32]byte{} {
		panic("prt: nonces without a key")
	}
	var b [nonceBytes]byte
	binary.BigEndian.PutUint64(b[:nonceTime], uint64(at.UnixMicro()))
	if _, err := rand.Read(b[nonceTime : nonceTime+nonceRandom]); err != nil {
		panic("prt: no randomness: " + err.Error()) // crypto/rand.Read never fails
	}
	mac := n.mac(b[:nonceTime+nonceRandom])
	copy(b[nonceTime+nonceRandom:], mac[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Check returns the id of a nonce that this server gave out not longer than NonceLifetime before at, and when its record
// among the spent ones may be dropped. That is later than the nonce's end by the skew of clocks: a node whose clock is
// behind would otherwise still take a nonce whose record another node has dropped.
func (n *Nonces) Check(nonce string, at time.Time) (id NonceID, expires time.Time, err error) {
	if n.Key == [32]byte{} || len(nonce) != nonceLength {
		return id, expires, ErrNonceInvalid
	}
	b, err := decode64(strict64, nonce)
	if err != nil || len(b) != nonceBytes {
		return id, expires, ErrNonceInvalid
	}
	mac := n.mac(b[:nonceTime+nonceRandom])
	if subtle.ConstantTimeCompare(mac[:], b[nonceTime+nonceRandom:]) != 1 {
		return id, expires, ErrNonceInvalid
	}
	minted := time.UnixMicro(int64(binary.BigEndian.Uint64(b[:nonceTime])))
	if !at.Before(minted.Add(NonceLifetime)) || minted.After(at.Add(nonceSkew)) {
		return id, expires, ErrNonceExpired
	}
	return sha256.Sum256(b), minted.Add(NonceLifetime + nonceSkew), nil
}

func (n *Nonces) mac(b []byte) (out [nonceMAC]byte) {
	mac := hmac.New(sha256.New, n.Key[:])
	mac.Write([]byte("boundgate nonce 1"))
	var epoch [8]byte
	binary.BigEndian.PutUint64(epoch[:], n.Epoch)
	mac.Write(epoch[:])
	mac.Write(b)
	copy(out[:], mac.Sum(nil))
	return out
}
