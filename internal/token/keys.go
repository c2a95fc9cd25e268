package token

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Secrets keeps sealed secrets by name.
type Secrets interface {
	// Secret returns the secret with this name; false where there is none.
	Secret(ctx context.Context, name string) ([]byte, bool, error)
	// PutSecret keeps value under name unless there is one already, and returns the one that is kept.
	PutSecret(ctx context.Context, name string, value []byte) ([]byte, error)
}

// Keys are the server's signing keys: one that signs, and all that are still accepted.
type Keys struct {
	signer jose.Signer
	public jose.JSONWebKeySet
}

// The name of the first RS256 key among the secrets. A rotation adds names with higher numbers.
const firstKey = "signing-key-rs256-1"

const rsaBits = 2048

// LoadKeys reads the signing keys, and makes the first one where there is none yet.
func LoadKeys(ctx context.Context, secrets Secrets) (*Keys, error) {
	der, ok, err := secrets.Secret(ctx, firstKey)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	if !ok {
		if der, err = createKey(ctx, secrets); err != nil {
			return nil, err
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse signing key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is a %T, not an RSA key", firstKey, parsed)
	}
	return newKeys(key)
}

func createKey(ctx context.Context, secrets Secrets) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	// Another node may have been first; what is kept is what counts.
	kept, err := secrets.PutSecret(ctx, firstKey, der)
	if err != nil {
		return nil, fmt.Errorf("keep signing key: %w", err)
	}
	return kept, nil
}

func newKeys(key *rsa.PrivateKey) (*Keys, error) {
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	thumb, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing key id: %w", err)
	}
	public.KeyID = encodeSegment(thumb)
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("signer: %w", err)
	}
	return &Keys{signer: signer, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}}, nil
}

// Public returns the keys that resources verify tokens with (RFC 7517).
func (k *Keys) Public() jose.JSONWebKeySet { return k.public }

func (k *Keys) sign(payload []byte) (string, error) {
	jws, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return jws.CompactSerialize()
}
