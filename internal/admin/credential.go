package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/directory"
)

// Bounds of an application's credentials.
const (
	maxCredentials = 20
	secretBytes    = 32
	secretLifetime = 180 * 24 * time.Hour // where the caller names no end
	maxLifetime    = 2 * 365 * 24 * time.Hour
	maxKeySet      = 16 << 10
)

// AddSecret gives an application a new secret. Its text is returned once and kept nowhere; where end is zero, it lives for
// 180 days.
func (s *Service) AddSecret(ctx context.Context, c Caller, appID, name string, end time.Time) (text string, kept directory.ClientSecret, err error) {
	defer s.oneAtATime()()
	a, err := s.applicationToChange(ctx, c, appID)
	if err != nil {
		return "", kept, err
	}
	before := a
	at := s.now()
	if end.IsZero() {
		end = at.Add(secretLifetime)
	}
	if err := checkCredential(name, end, at, len(a.Secrets)); err != nil {
		return "", kept, err
	}
	var random [secretBytes]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", kept, fmt.Errorf("draw a client secret: %w", err)
	}
	text = base64.RawURLEncoding.EncodeToString(random[:])
	digest := sha256.Sum256([]byte(text))
	const hint = 3 // characters
	kept = directory.ClientSecret{KeyID: newID(), DisplayName: name, Hint: text[:hint], Hash: digest[:], StartsAt: at, ExpiresAt: end.UTC()}
	a.Secrets = append(slices.Clone(a.Secrets), kept)
	return text, kept, s.storeApplication(ctx, c, "Add password to application", applicationView(before), a)
}

func checkCredential(name string, end, at time.Time, there int) error {
	var p problems
	if len(name) > maxName || !printable(name) {
		p.add("/passwordCredential/displayName", "The name is too long or holds control characters.", "Write a short name.")
	}
	if !end.After(at) || end.After(at.Add(maxLifetime)) {
		p.add("/passwordCredential/endDateTime", "The end is not within the next two years.", "Choose an earlier end, and add a new secret before it.")
	}
	if there >= maxCredentials {
		p.add("/passwordCredential", fmt.Sprintf("The application has %d secrets already.", there), "Remove one that is no longer used.")
	}
	return p.err()
}

// RemoveSecret takes a secret from an application: from the next request on it is none.
func (s *Service) RemoveSecret(ctx context.Context, c Caller, appID, keyID string) error {
	defer s.oneAtATime()()
	a, err := s.applicationToChange(ctx, c, appID)
	if err != nil {
		return err
	}
	before := a
	a.Secrets = slices.DeleteFunc(slices.Clone(a.Secrets), func(k directory.ClientSecret) bool { return k.KeyID == keyID })
	if len(a.Secrets) == len(before.Secrets) {
		return directory.ErrNotFound
	}
	return s.storeApplication(ctx, c, "Remove password from application", applicationView(before), a)
}

// A NewCertificate is a certificate to accept an application's assertions by: PEM, or base64 of DER.
type NewCertificate struct{ Key, DisplayName string }

// parseCertificates reads certificates; keys that are too weak, or of a kind that signs nothing here, are refused.
func parseCertificates(p *problems, list []NewCertificate) []directory.ClientCertificate {
	var parsed []directory.ClientCertificate
	if len(list) > maxCredentials {
		p.add("/keyCredentials", fmt.Sprintf("The list has more than %d elements.", maxCredentials), "")
		return nil
	}
	for i, c := range list {
		at := fmt.Sprintf("/keyCredentials/%d/key", i)
		der := []byte(nil)
		if block, _ := pem.Decode([]byte(c.Key)); block != nil {
			der = block.Bytes
		} else if b, err := base64.StdEncoding.DecodeString(c.Key); err == nil {
			der = b
			if block, _ := pem.Decode(b); block != nil {
				der = block.Bytes
			}
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			p.add(at, "This is not an X.509 certificate.", "Send the certificate in PEM or as base64 of DER, without its private key.")
			continue
		}
		if !strongKey(certificate.PublicKey) {
			p.add(at, "The certificate's key is neither RSA of 2048 bits or more nor P-256.", "Use a certificate with one of these keys.")
			continue
		}
		parsed = append(parsed, directory.ClientCertificate{KeyID: newID(), DisplayName: c.DisplayName, DER: der, ExpiresAt: certificate.NotAfter.UTC()})
	}
	return parsed
}

func strongKey(key any) bool {
	k := jose.JSONWebKey{Key: key}
	if !k.Valid() || !k.IsPublic() {
		return false
	}
	switch key := key.(type) {
	case interface{ Size() int }:
		return key.Size() >= 256 // bytes
	default:
		text, err := k.MarshalJSON()
		return err == nil && bytes.Contains(text, []byte(`"P-256"`))
	}
}

// AddFederated lets an application prove itself with tokens of another issuer, whose public keys the administrator gives.
func (s *Service) AddFederated(ctx context.Context, c Caller, appID string, f directory.FederatedCredential) (directory.FederatedCredential, error) {
	defer s.oneAtATime()()
	a, err := s.applicationToChange(ctx, c, appID)
	if err != nil {
		return f, err
	}
	if err := checkFederated(f, len(a.Federated)); err != nil {
		return f, err
	}
	before := a
	f.ID = newID()
	a.Federated = append(slices.Clone(a.Federated), f)
	return f, s.storeApplication(ctx, c, "Add federated identity credential", applicationView(before), a)
}

func checkFederated(f directory.FederatedCredential, there int) error {
	var p problems
	checkName(&p, "/name", f.Name)
	for pointer, text := range map[string]string{"/issuer": f.Issuer, "/subject": f.Subject} {
		if text == "" || len(text) > maxText || !printable(text) {
			p.add(pointer, "This is missing, too long, or holds control characters.", "Write it exactly as the issuer's tokens have it.")
		}
	}
	if len(f.Audiences) != 1 || f.Audiences[0] == "" || len(f.Audiences[0]) > maxText {
		p.add("/audiences", "There is not exactly one audience.", "Write the audience that the issuer's tokens have.")
	}
	var keys jose.JSONWebKeySet
	if len(f.JWKS) > maxKeySet || json.Unmarshal([]byte(f.JWKS), &keys) != nil || len(keys.Keys) == 0 ||
		slices.ContainsFunc(keys.Keys, func(k jose.JSONWebKey) bool { return !k.IsPublic() || !k.Valid() || k.KeyID == "" }) {
		p.add("/jwks", "This is not a set of public keys, each with a kid.", "Copy the issuer's JSON Web Key Set: this server fetches nothing by itself.")
	}
	if there >= maxCredentials {
		p.add("/name", fmt.Sprintf("The application has %d federated credentials already.", there), "Remove one that is no longer used.")
	}
	return p.err()
}

// RemoveFederated ends the trust in an issuer's tokens.
func (s *Service) RemoveFederated(ctx context.Context, c Caller, appID, id string) error {
	defer s.oneAtATime()()
	a, err := s.applicationToChange(ctx, c, appID)
	if err != nil {
		return err
	}
	before := a
	a.Federated = slices.DeleteFunc(slices.Clone(a.Federated), func(f directory.FederatedCredential) bool { return f.ID == id || f.Name == id })
	if len(a.Federated) == len(before.Federated) {
		return directory.ErrNotFound
	}
	return s.storeApplication(ctx, c, "Remove federated identity credential", applicationView(before), a)
}

// applicationView is what audit rows keep of an application: of its secrets only which there are.
func applicationView(a directory.Application) directory.Application {
	a.Secrets = slices.Clone(a.Secrets)
	for i := range a.Secrets {
		a.Secrets[i].Hash = nil
	}
	return a
}
