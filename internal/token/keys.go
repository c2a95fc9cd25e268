package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/session"
)

// Secrets keeps sealed secrets by name.
type Secrets interface {
	// Secret returns the secret with this name; false where there is none.
	Secret(ctx context.Context, name string) ([]byte, bool, error)
	// PutSecret keeps value under name unless there is one already, and returns the one that is kept.
	PutSecret(ctx context.Context, name string, value []byte) ([]byte, error)
}

// The life of a signing key. Resources keep the set of keys for a day: a key is published for longer than that before it
// signs, and goes on being accepted for as long as what it has signed may live.
const (
	Published = 48 * time.Hour                          // before it signs
	Signs     = 90 * 24 * time.Hour                     // and is then followed by the next
	accepted  = session.AccessTokenLifetime + time.Hour // after its last signature
)

const rsaBits = 2048

// Keys are the server's signing keys: for each algorithm one that signs, and all that are published. What they are is the
// same on every node: the n-th key of an algorithm has a name, and whoever needs it first makes it.
type Keys struct {
	secrets Secrets
	now     atomic.Pointer[keySet]
}

// A keySet is the keys at a moment.
type keySet struct {
	signers map[string]jose.Signer // by algorithm
	public  jose.JSONWebKeySet
	list    []KeyInfo
}

// A KeyInfo says what there is to know of a signing key, in the order in which keys are published.
type KeyInfo struct {
	ID        string // kid
	Algorithm string
	SignsAt   time.Time // zero for the first
	// Signing is true for the key that signs now; of the others some are still to come, and some are still accepted.
	Signing bool
}

// A storedKey is a signing key as it is sealed. The first key of earlier releases is a bare PKCS #8.
type storedKey struct {
	Key     []byte    `json:"key"` // PKCS #8
	SignsAt time.Time `json:"signsAt"`
	void    bool      // taken back: nothing that it has signed counts
}

// chains are the algorithms and the names under which their keys are kept, in the order in which keys are published.
var chains = []struct {
	algorithm jose.SignatureAlgorithm
	prefix    string
}{{jose.RS256, "signing-key-rs256-"}, {jose.ES256, "signing-key-es256-"}}

// LoadKeys reads the signing keys, and makes those that are due.
func LoadKeys(ctx context.Context, secrets Secrets, at time.Time) (*Keys, error) {
	k := &Keys{secrets: secrets}
	return k, k.Rotate(ctx, at)
}

// Rotate reads the signing keys and makes those that are due at a time. Every node calls it every minute: what one has
// made, the others see before it signs.
func (k *Keys) Rotate(ctx context.Context, at time.Time) error {
	set := &keySet{signers: map[string]jose.Signer{}}
	for _, c := range chains {
		list, err := k.chain(ctx, c.algorithm, c.prefix, at)
		if err != nil {
			return fmt.Errorf("signing keys %s: %w", c.algorithm, err)
		}
		if err := set.add(c.algorithm, list, at); err != nil {
			return fmt.Errorf("signing keys %s: %w", c.algorithm, err)
		}
	}
	k.now.Store(set)
	return nil
}

// chain returns the keys of an algorithm in order. The next one is made Published before the last one has signed for long
// enough; where the server has been off for longer, it begins to sign once it has been published long enough.
func (k *Keys) chain(ctx context.Context, algorithm jose.SignatureAlgorithm, prefix string, at time.Time) ([]storedKey, error) {
	var list []storedKey
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s%d", prefix, n)
		text, ok, err := k.secrets.Secret(ctx, name)
		if err != nil {
			return nil, err
		}
		if !ok {
			signsAt, due := nextKey(list, at)
			if !due {
				return list, nil
			}
			if text, err = k.create(ctx, algorithm, name, signsAt); err != nil {
				return nil, err
			}
		}
		key, err := parseStored(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, key.void, err = k.secrets.Secret(ctx, name+voided); err != nil {
			return nil, err
		}
		list = append(list, key)
	}
}

// voided names the mark of a key that has been taken back.
const voided = "-void"

// Replace signs with new keys from now on, whatever the age of those at hand. With revoke the earlier ones are taken back:
// tokens that they have signed are accepted no more, here at once, by other nodes within a minute, and by resources when
// they next read the set of keys. It is for the day on which a key may be known to somebody else.
func (k *Keys) Replace(ctx context.Context, at time.Time, revoke bool) error {
	for _, c := range chains {
		list, err := k.chain(ctx, c.algorithm, c.prefix, at)
		if err != nil {
			return fmt.Errorf("signing keys %s: %w", c.algorithm, err)
		}
		if _, err := k.create(ctx, c.algorithm, fmt.Sprintf("%s%d", c.prefix, len(list)+1), at); err != nil {
			return fmt.Errorf("replace the signing key %s: %w", c.algorithm, err)
		}
		for n := range list {
			if !revoke {
				break
			}
			if _, err := k.secrets.PutSecret(ctx, fmt.Sprintf("%s%d%s", c.prefix, n+1, voided), []byte("void")); err != nil {
				return fmt.Errorf("take a signing key %s back: %w", c.algorithm, err)
			}
		}
	}
	return k.Rotate(ctx, at)
}

// List returns the keys that are published.
func (k *Keys) List() []KeyInfo { return k.now.Load().list }

// nextKey says when the key after list begins to sign, and whether it is time to make it.
func nextKey(list []storedKey, at time.Time) (signsAt time.Time, due bool) {
	if len(list) == 0 {
		return time.Time{}, true // the first signs at once: nobody has read a set of keys yet
	}
	last := list[len(list)-1]
	begun := last.SignsAt
	if begun.IsZero() {
		// A key without a time is the first of an earlier release: its successor is published now.
		return at.Add(Signs), len(list) == 1
	}
	signsAt = begun.Add(Signs)
	if at.Before(signsAt.Add(-Published)) {
		return signsAt, false
	}
	if earliest := at.Add(Published); signsAt.Before(earliest) {
		signsAt = earliest
	}
	return signsAt, true
}

func (k *Keys) create(ctx context.Context, algorithm jose.SignatureAlgorithm, name string, signsAt time.Time) ([]byte, error) {
	var key any
	var err error
	if algorithm == jose.ES256 {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	text, err := json.Marshal(storedKey{Key: der, SignsAt: signsAt})
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	// Another node may have been first; what is kept is what counts.
	return k.secrets.PutSecret(ctx, name, text)
}

func parseStored(text []byte) (storedKey, error) {
	var key storedKey
	if json.Unmarshal(text, &key) != nil {
		key = storedKey{Key: text}
	}
	if len(key.Key) == 0 {
		return key, errors.New("the key on record is empty")
	}
	return key, nil
}

// add publishes the keys of an algorithm that matter at a time: the one that signs, those to come, and those whose
// signatures still count.
func (s *keySet) add(algorithm jose.SignatureAlgorithm, list []storedKey, at time.Time) error {
	signing := 0
	for n := range list {
		if !list[n].SignsAt.After(at) && !list[n].void {
			signing = n
		}
	}
	for n, stored := range list {
		if stored.void || n < signing && at.After(list[n+1].SignsAt.Add(accepted)) {
			continue
		}
		parsed, err := x509.ParsePKCS8PrivateKey(stored.Key)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		private, ok := parsed.(crypto.Signer)
		if !ok {
			return fmt.Errorf("the key on record is a %T", parsed)
		}
		public := jose.JSONWebKey{Key: private.Public(), Algorithm: string(algorithm), Use: "sig"}
		thumb, err := public.Thumbprint(crypto.SHA256)
		if err != nil {
			return fmt.Errorf("key id: %w", err)
		}
		public.KeyID = encodeSegment(thumb)
		s.public.Keys = append(s.public.Keys, public)
		s.list = append(s.list, KeyInfo{ID: public.KeyID, Algorithm: string(algorithm), SignsAt: stored.SignsAt, Signing: n == signing})
		if n != signing {
			continue
		}
		s.signers[string(algorithm)], err = jose.NewSigner(
			jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: private, KeyID: public.KeyID}}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			return fmt.Errorf("signer: %w", err)
		}
	}
	return nil
}

// Public returns the keys that resources verify tokens with (RFC 7517).
func (k *Keys) Public() jose.JSONWebKeySet { return k.now.Load().public }

// accepted returns the published key with an id.
func (k *Keys) accepted(id string) (jose.JSONWebKey, bool) {
	for _, key := range k.now.Load().public.Keys {
		if key.KeyID == id {
			return key, true
		}
	}
	return jose.JSONWebKey{}, false
}

// sign signs with the key of an algorithm; "" means RS256.
func (k *Keys) sign(algorithm string, payload []byte) (string, error) {
	if algorithm == "" {
		algorithm = string(jose.RS256)
	}
	signer, ok := k.now.Load().signers[algorithm]
	if !ok {
		return "", fmt.Errorf("sign token: no key for %s", algorithm)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return jws.CompactSerialize()
}
