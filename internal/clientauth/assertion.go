package clientauth

import (
	"crypto/sha1" //nolint:gosec // x5t names a certificate, and proves nothing
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

// Bounds of assertions.
const (
	maxAssertion = 16 << 10
	maxLifetime  = 24 * time.Hour
	// maxUnnamed is how long an assertion without a jti may live: it is spent by its hash, which must be kept as long.
	maxUnnamed = 10 * time.Minute
	skew       = 5 * time.Minute
)

var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}

// claims are those of an assertion (RFC 7523 section 3).
type claims struct {
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	Audience  audience      `json:"aud"`
	ID        string        `json:"jti"`
	Expires   prt.ClaimTime `json:"exp"`
	NotBefore prt.ClaimTime `json:"nbf"`
	IssuedAt  prt.ClaimTime `json:"iat"`
}

// audience is one text or several (RFC 7519 section 4.1.3).
type audience []string

// UnmarshalJSON reads both forms.
func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	var list []string
	err := json.Unmarshal(text, &list)
	*a = list
	return err
}

// checkAssertion checks an assertion: one that the application signs itself, or one of an issuer that it trusts.
func (v *Verifier) checkAssertion(tenant directory.Tenant, app directory.Application, assertion prt.Secret, at time.Time) (Result, error) {
	text := assertion.Reveal()
	if len(text) > maxAssertion {
		return Result{}, aadsts.ClientAssertionInvalid.Becausef("longer than %d bytes", maxAssertion)
	}
	jws, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return Result{}, aadsts.ClientAssertionInvalid.Because(err)
	}
	var stated claims
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &stated); err != nil {
		return Result{}, aadsts.ClientAssertionInvalid.Because(err)
	}
	result, err := v.verify(tenant, app, jws, stated)
	if err != nil {
		return Result{}, err
	}
	if err := stated.checkTimes(at); err != nil {
		return Result{}, aadsts.ClientAssertionInvalid.Because(err)
	}
	id := text
	if stated.ID != "" {
		id = string(tenant.ID) + "\x00" + stated.Issuer + "\x00" + stated.ID
	}
	result.Spend = sha256.Sum256([]byte("client assertion\x00" + id))
	result.Expires = stated.Expires.Add(2 * skew)
	return result, nil
}

// verify finds the key that the assertion must be signed with, and checks the signature and for whom it was made.
func (v *Verifier) verify(tenant directory.Tenant, app directory.Application, jws *jose.JSONWebSignature, c claims) (Result, error) {
	for _, f := range app.Federated {
		if f.Issuer == c.Issuer {
			return checkFederated(f, jws, c)
		}
	}
	if !strings.EqualFold(c.Issuer, string(app.AppID)) || !strings.EqualFold(c.Subject, string(app.AppID)) {
		return Result{}, aadsts.ClientAssertionInvalid.Becausef("issuer and subject are not the client")
	}
	if !slices.ContainsFunc(c.Audience, func(a string) bool { return v.isOwnAddress(tenant, a) }) {
		return Result{}, aadsts.ClientAssertionInvalid.Becausef("made for another audience")
	}
	known, err := certificateFor(app, jws.Signatures[0].Protected)
	if err != nil {
		return Result{}, aadsts.ClientAssertionInvalid.Because(err)
	}
	certificate, err := x509.ParseCertificate(known.DER)
	if err != nil {
		return Result{}, fmt.Errorf("certificate of an application: %w", err)
	}
	if _, err := jws.Verify(certificate.PublicKey); err != nil {
		return Result{}, aadsts.ClientAssertionInvalid.Because(err)
	}
	return Result{Method: Assertion, KeyID: known.KeyID}, nil
}

// isOwnAddress reports whether an audience is a token endpoint or an issuer of this server, for the tenant.
func (v *Verifier) isOwnAddress(tenant directory.Tenant, a string) bool {
	rest, ok := strings.CutPrefix(a, v.URL+"/")
	if !ok {
		return false
	}
	segment, path, _ := strings.Cut(strings.ToLower(rest), "/")
	if !names(tenant, segment) {
		return false
	}
	switch path {
	case "oauth2/token", "oauth2/v2.0/token", "v2.0", "":
		return true
	}
	return false
}

// names reports whether a path segment stands for the tenant.
func names(tenant directory.Tenant, segment string) bool {
	if segment == string(tenant.ID) || segment == "common" || segment == "organizations" {
		return true
	}
	return slices.ContainsFunc(tenant.Domains, func(d directory.Domain) bool { return d.Verified && d.Name == segment })
}

// certificateFor finds the certificate that the header names, by its thumbprint or key id.
func certificateFor(app directory.Application, h jose.Header) (directory.ClientCertificate, error) {
	named := func(name string) string {
		text, _ := h.ExtraHeaders[jose.HeaderKey(name)].(string)
		return strings.TrimRight(text, "=")
	}
	sha1Name, sha256Name := named("x5t"), named("x5t#S256")
	for _, c := range app.Certificates {
		s1, s256 := sha1.Sum(c.DER), sha256.Sum256(c.DER) //nolint:gosec // see above
		switch {
		case sha256Name != "":
			if sha256Name == base64.RawURLEncoding.EncodeToString(s256[:]) {
				return c, nil
			}
		case sha1Name != "":
			if sha1Name == base64.RawURLEncoding.EncodeToString(s1[:]) {
				return c, nil
			}
		case h.KeyID != "" && strings.EqualFold(h.KeyID, c.KeyID), strings.EqualFold(h.KeyID, fmt.Sprintf("%x", s1)):
			return c, nil
		}
	}
	return directory.ClientCertificate{}, errors.New("no certificate of the application has this thumbprint or key id")
}

// checkFederated checks a token of an issuer that the application trusts.
func checkFederated(f directory.FederatedCredential, jws *jose.JSONWebSignature, c claims) (Result, error) {
	if c.Subject != f.Subject || !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(f.Audiences, a) }) {
		return Result{}, aadsts.FederatedMismatch
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(f.JWKS), &keys); err != nil {
		return Result{}, fmt.Errorf("keys of a federated credential: %w", err)
	}
	for _, key := range keys.Key(jws.Signatures[0].Protected.KeyID) {
		if key.IsPublic() && (key.Algorithm == "" || key.Algorithm == jws.Signatures[0].Protected.Algorithm) {
			if _, err := jws.Verify(key.Key); err == nil {
				return Result{Method: Federated, KeyID: f.ID}, nil
			}
		}
	}
	return Result{}, aadsts.ClientAssertionInvalid.Becausef("no key of the issuer verifies it")
}

func (c claims) checkTimes(at time.Time) error {
	switch {
	case c.Expires.IsZero():
		return errors.New("it has no exp")
	case !at.Before(c.Expires.Add(skew)):
		return errors.New("it has expired")
	case c.Expires.After(at.Add(maxLifetime + skew)):
		return errors.New("it lives longer than a day")
	case !c.NotBefore.IsZero() && c.NotBefore.After(at.Add(skew)):
		return errors.New("it is not valid yet")
	case c.ID == "" && c.Expires.After(at.Add(maxUnnamed+skew)):
		return errors.New("it has no jti and lives longer than ten minutes")
	}
	return nil
}
