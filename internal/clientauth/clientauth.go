// Package clientauth decides whether a client application is the one that it says: by a secret, by an assertion signed with
// a certificate's key (RFC 7523), or by a token of an issuer that the application's owner trusts.
//
// Keys and algorithms come from the application's record, never from the message (P04).
package clientauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

// Presented is what a client shows; its zero value is nothing.
type Presented struct {
	Secret        prt.Secret
	Assertion     prt.Secret
	AssertionType string
}

// A Method is how a client has authenticated, in the words of the sign-in log (clientCredentialType).
type Method string

// The methods.
const (
	None      Method = ""
	Secret    Method = "clientSecret"
	Assertion Method = "clientAssertion"
	Federated Method = "federatedIdentityCredential"
)

// A Result is an authentication that holds.
type Result struct {
	Method Method
	KeyID  string
	// Spend is to be spent with whatever the request gets, so that an assertion is used once. Expires is when its record may
	// be dropped; zero where nothing is to be spent.
	Spend   [sha256.Size]byte
	Expires time.Time
}

// A Verifier authenticates clients.
type Verifier struct {
	// URL is the public URL of the server: assertions are made for its addresses.
	URL string
}

// AssertionBearer is the client_assertion_type of RFC 7523 section 2.2.
const AssertionBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Authenticate checks what a client of a tenant presents.
func (v *Verifier) Authenticate(tenant directory.Tenant, app directory.Application, p Presented, at time.Time) (Result, error) {
	switch {
	case p.Secret != "" && p.Assertion != "":
		return Result{}, aadsts.MalformedRequest.Saying("The client authenticates in more than one way.")
	case p.Assertion != "":
		if p.AssertionType != AssertionBearer {
			return Result{}, aadsts.MalformedRequest.Saying("The client_assertion_type is not %s.", AssertionBearer)
		}
		return v.checkAssertion(tenant, app, p.Assertion, at)
	case p.Secret != "":
		return checkSecret(app, p.Secret, at)
	}
	return Result{}, aadsts.ClientAuthMissing
}

// checkSecret compares with every secret of the application, each in constant time (P17).
func checkSecret(app directory.Application, secret prt.Secret, at time.Time) (Result, error) {
	digest := sha256.Sum256([]byte(secret.Reveal()))
	var found *directory.ClientSecret
	for i := range app.Secrets {
		if subtle.ConstantTimeCompare(digest[:], app.Secrets[i].Hash) == 1 {
			found = &app.Secrets[i]
		}
	}
	switch {
	case found == nil:
		return Result{}, aadsts.ClientSecretWrong
	case !at.Before(found.ExpiresAt):
		return Result{}, aadsts.ClientSecretExpired
	}
	return Result{Method: Secret, KeyID: found.KeyID}, nil
}
