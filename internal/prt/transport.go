package prt

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
)

// Bounds of a transport key.
const (
	maxTransportKey = 4 << 10 // characters
	maxRSABits      = 4096
	maxExponent     = 8 // bytes
	blobHeader      = 24
)

var blobMagic = []byte("RSA1")

// ParseTransportKey reads the key that session keys are to be encrypted to: base64 of a BCRYPT_RSAPUBLIC_BLOB, or base64 of
// a JWK whose numbers are in standard base64, as clients send it.
func ParseTransportKey(text string) (*rsa.PublicKey, error) {
	if len(text) > maxTransportKey {
		return nil, fmt.Errorf("%w: the transport key is longer than %d characters", ErrMalformed, maxTransportKey)
	}
	raw, err := decode64(standard64, text)
	if err != nil {
		return nil, fmt.Errorf("%w: the transport key is not base64: %w", ErrMalformed, err)
	}
	var n, e []byte
	if bytes.HasPrefix(raw, blobMagic) {
		n, e, err = splitBlob(raw)
	} else {
		n, e, err = splitJWK(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: transport key: %w", ErrMalformed, err)
	}
	return rsaKey(n, e)
}

func splitBlob(raw []byte) (n, e []byte, err error) {
	if len(raw) < blobHeader {
		return nil, nil, fmt.Errorf("the blob is cut off")
	}
	word := func(at int) int { return int(binary.LittleEndian.Uint32(raw[at:])) }
	eLen, nLen := word(8), word(12)
	if eLen < 1 || eLen > maxExponent || nLen < 1 || nLen > maxRSABits/8 || word(16) != 0 || word(20) != 0 {
		return nil, nil, fmt.Errorf("the blob's lengths are out of bounds")
	}
	if len(raw) != blobHeader+eLen+nLen {
		return nil, nil, fmt.Errorf("the blob has %d bytes, not %d", len(raw), blobHeader+eLen+nLen)
	}
	n = raw[blobHeader+eLen:]
	if bits := new(big.Int).SetBytes(n).BitLen(); word(4) != bits {
		return nil, nil, fmt.Errorf("the blob says %d bits and has %d", word(4), bits)
	}
	return n, raw[blobHeader : blobHeader+eLen], nil
}

func splitJWK(raw []byte) (n, e []byte, err error) {
	var jwk struct {
		KeyType string          `json:"kty"`
		N       string          `json:"n"`
		E       string          `json:"e"`
		D       json.RawMessage `json:"d"`
	}
	if err := decodeObject(raw, &jwk); err != nil {
		return nil, nil, err
	}
	if jwk.D != nil {
		return nil, nil, fmt.Errorf("the JWK has a private key in it: send the public members only, and make a new key")
	}
	if jwk.KeyType != "RSA" {
		return nil, nil, fmt.Errorf("kty is not RSA")
	}
	if n, err = anyBase64(jwk.N); err != nil {
		return nil, nil, fmt.Errorf("n: %w", err)
	}
	if e, err = anyBase64(jwk.E); err != nil {
		return nil, nil, fmt.Errorf("e: %w", err)
	}
	return n, e, nil
}

// anyBase64 takes standard base64, which clients send, and base64url, which RFC 7518 asks for.
func anyBase64(s string) ([]byte, error) {
	if b, err := decode64(standard64, s); err == nil {
		return b, nil
	}
	return decode64(strict64, s)
}

func rsaKey(n, e []byte) (*rsa.PublicKey, error) {
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < minRSABits || bits > maxRSABits || modulus.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: an RSA key of %d to %d bits is needed", ErrMalformed, minRSABits, maxRSABits)
	}
	// FIPS 186-5 appendix A.1.1 wants more than 2^16; package rsa takes less than 2^31.
	if !exponent.IsInt64() || exponent.Int64() <= 1<<16 || exponent.Int64() > 1<<31-1 || exponent.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: the RSA exponent is out of bounds", ErrMalformed)
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

// MarshalBlob returns a key as BCRYPT_RSAPUBLIC_BLOB.
func MarshalBlob(key *rsa.PublicKey) []byte {
	e, n := big.NewInt(int64(key.E)).Bytes(), key.N.Bytes()
	blob := append([]byte(nil), blobMagic...)
	for _, word := range []int{key.N.BitLen(), len(e), len(n), 0, 0} {
		blob = binary.LittleEndian.AppendUint32(blob, uint32(word)) //nolint:gosec // lengths of an RSA key
	}
	return append(append(blob, e...), n...)
}

// MarshalTransportKey returns a transport key as ParseTransportKey reads it.
func MarshalTransportKey(key *rsa.PublicKey) string {
	return base64.StdEncoding.EncodeToString(MarshalBlob(key))
}

// KeyID returns the key id of a key: base64 of the SHA-256 of its blob.
func KeyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(MarshalBlob(key))
	return base64.StdEncoding.EncodeToString(sum[:])
}
