package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/directory"
)

// ErrInvalid means that a text is not an access token of this server for the audience, or no longer.
var ErrInvalid = errors.New("token: the access token is not valid")

// ErrAudience means that a token is genuine but for another resource.
var ErrAudience = errors.New("token: the access token is for another resource")

// maxTokenBytes bounds what is looked at; our own tokens stay below 3 KiB.
const maxTokenBytes = 16 << 10

// clockSkew is how far the clocks of two nodes may differ.
const clockSkew = 30 * time.Second

// A Verifier checks access tokens that this server has issued, for its own resources.
type Verifier struct {
	Issuer *Issuer
	Now    func() time.Time
}

// VerifyAccessToken checks signature, issuer, time and audience of an access token and returns its claims: ErrAudience
// when it is for none of the audiences, ErrInvalid when anything else is wrong.
func (v *Verifier) VerifyAccessToken(ctx context.Context, raw string, audiences ...directory.AppID) (Claims, error) {
	c, err := v.VerifyAssertion(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	if !audienceIn(c.Audience, audiences) {
		return Claims{}, ErrAudience
	}
	return c, nil
}

// VerifyAssertion checks an access token that a resource shows in order to act on behalf of the person: for whom it is,
// the caller must look at.
func (v *Verifier) VerifyAssertion(_ context.Context, raw string) (Claims, error) {
	var c wireClaims
	if len(raw) > maxTokenBytes {
		return Claims{}, fmt.Errorf("%w: too long", ErrInvalid)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	payload, err := v.verifySignature(jws)
	if err != nil {
		return Claims{}, err
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := v.check(c); err != nil {
		return Claims{}, err
	}
	return claimsOf(c), nil
}

func (v *Verifier) verifySignature(jws *jose.JSONWebSignature) ([]byte, error) {
	h := jws.Signatures[0].Header
	key, ok := v.Issuer.Keys.accepted(h.KeyID)
	// The algorithm is that of the key on record, not the message's (P04).
	if !ok || key.Algorithm != h.Algorithm {
		return nil, fmt.Errorf("%w: unknown key", ErrInvalid)
	}
	payload, err := jws.Verify(key.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return payload, nil
}

func (v *Verifier) check(c wireClaims) error {
	at := v.Now()
	tenant := directory.TenantID(c.TenantID)
	switch {
	case c.Issuer != v.Issuer.Issuer(V1, tenant) && c.Issuer != v.Issuer.Issuer(V2, tenant):
		return fmt.Errorf("%w: issuer", ErrInvalid)
	case at.Unix() >= c.Expires:
		return fmt.Errorf("%w: expired", ErrInvalid)
	case at.Add(clockSkew).Unix() < c.NotBefore:
		return fmt.Errorf("%w: not valid yet", ErrInvalid)
	case c.ACR == "" || c.SignIn == nil: // an ID token is signed by the same key and is no access token
		return fmt.Errorf("%w: not an access token", ErrInvalid)
	}
	return nil
}

func audienceIn(aud string, audiences []directory.AppID) bool {
	for _, r := range directory.WellKnownResources() {
		for _, a := range audiences {
			if r.AppID == a && r.Names(aud) {
				return true
			}
		}
	}
	return false
}

func claimsOf(c wireClaims) Claims {
	out := Claims{
		ID: c.UniqueTokenID, Tenant: directory.TenantID(c.TenantID), User: directory.ObjectID(c.ObjectID), UPN: c.UPN,
		Client: directory.AppID(c.AppID), Audience: c.Audience, Scopes: strings.Fields(c.Scope), SessionID: c.SessionID,
		DeviceID: c.DeviceID, AuthTime: time.UnixMicro(c.SignIn.AuthTimeMicros).UTC(), Strength: c.AMR,
		Fresh: c.SignIn.Fresh, TransferMethod: c.SignIn.TransferMethod, ExpiresAt: time.Unix(c.Expires, 0).UTC(),
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), AppOnly: c.IdentityType == "app", Roles: c.Roles, Capabilities: c.Capabilities,
	}
	if c.AZP != "" {
		out.Client = directory.AppID(c.AZP)
	}
	return out
}
