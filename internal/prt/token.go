package prt

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// A Hash is the SHA-256 of a token's text: what the server keeps of it.
type Hash [sha256.Size]byte

// A Kind tells opaque tokens apart by their text.
type Kind byte

// The kinds.
const (
	KindPRT          Kind = 'P'
	KindRefreshToken Kind = 'R'
	KindCode         Kind = 'C'
	KindBrowser      Kind = 'B' // a browser's cookie
	KindDeviceCode   Kind = 'D'
)

const (
	tokenPrefix = "1." // version; clients take a PRT without a dot for encoded
	tokenRandom = 32   // bytes
)

var tokenLength = len(tokenPrefix) + 1 + base64.RawURLEncoding.EncodedLen(tokenRandom)

// NewToken draws a token of a kind. Its text has the characters A-Z a-z 0-9 - _ and one dot.
func NewToken(kind Kind) (text string, hash Hash, err error) {
	var b [tokenRandom]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", hash, fmt.Errorf("draw token: %w", err)
	}
	text = tokenPrefix + string(kind) + base64.RawURLEncoding.EncodeToString(b[:])
	return text, sha256.Sum256([]byte(text)), nil
}

// ParseToken returns the kind and the hash of a token's text. It looks at the form alone: whether there is such a token,
// the store says.
func ParseToken(text string) (Kind, Hash, error) {
	if len(text) != tokenLength || text[:len(tokenPrefix)] != tokenPrefix {
		return 0, Hash{}, fmt.Errorf("%w: not a token of this server", ErrMalformed)
	}
	kind := Kind(text[len(tokenPrefix)])
	if !strings.ContainsRune("PRCBD", rune(kind)) {
		return 0, Hash{}, fmt.Errorf("%w: unknown kind of token", ErrMalformed)
	}
	if _, err := decode64(strict64, text[len(tokenPrefix)+1:]); err != nil {
		return 0, Hash{}, fmt.Errorf("%w: not a token of this server", ErrMalformed)
	}
	return kind, sha256.Sum256([]byte(text)), nil
}
