// Package session is what the server remembers of sign-in sessions: the Primary Refresh Tokens with their session keys,
// and the refresh tokens of applications.
//
// The texts of tokens are not kept, only their hashes; session keys are kept sealed. Whether a token is bound, to which
// device, and with which key derivation, is decided by these records and never by a message (P04).
package session

import (
	"errors"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

// ErrNotFound means that no such token or session is known, or that it has been removed.
var ErrNotFound = errors.New("session: no such token")

// Strength says by what a person proved who they are, in OAuth's amr values.
type Strength []string

// The amr values in use.
const (
	Password    = "pwd"
	MultiFactor = "mfa"
	Passkey     = "fido" // a passkey that has verified its user
	DeviceKey   = "rsa"  // proof with a registered device's key
)

// Has reports whether method is among the strengths.
func (s Strength) Has(method string) bool {
	for _, m := range s {
		if m == method {
			return true
		}
	}
	return false
}

// Origin is what began a session; it stays with everything that derives from it.
type Origin struct {
	AuthTime time.Time // when the person last proved who they are
	Strength Strength
	// TransferMethod is "none" or "deviceCodeFlow": how the session reached the client (Graph's originalTransferMethod).
	TransferMethod string
	// Fresh is true where credentials were presented in the request that began the session: not single sign-on, not a
	// refresh token.
	Fresh bool
}

// A PRT is the record of a Primary Refresh Token and the session key that goes with it. It lives in the user's home tenant.
type PRT struct {
	Hash    prt.Hash // of the token's text
	Session string   // GUID of the session; several PRTs (renewals) share one session and its key
	Tenant  directory.TenantID
	User    directory.ObjectID
	// Device and Registration name the one registration that the session key was encrypted to (P05).
	Device       string
	Registration string
	Key          prt.SessionKey
	// KDF is the key derivation version that every request of this session uses (decided at issue).
	KDF       prt.KDFVersion
	Origin    Origin
	IssuedAt  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero while valid
}

// A RefreshToken is the record of an application's refresh token. It lives in the tenant that issued it.
type RefreshToken struct {
	Hash   prt.Hash
	Family string // GUID; rotation keeps it, and reuse of a spent token revokes all of it
	Tenant directory.TenantID
	User   directory.ObjectID // in Tenant
	Client directory.AppID
	// Home is the tenant in which the session lives; it differs from Tenant for guests.
	Home     directory.TenantID
	HomeUser directory.ObjectID
	// Session names the PRT session that the token is bound to; "" for an unbound token.
	Session string
	// Device and Registration are those of that session.
	Device       string
	Registration string
	Origin       Origin
	// Platform is that of the redirect URI that the sign-in began with: web, spa or publicClient; "" where there was none.
	// What began in a browser stays a browser's, and what did not never becomes one.
	Platform string
	// Resource (v1) and Scope are what the token was asked for with: a redemption that names neither means them.
	Resource    string
	Scope       string
	Interactive bool      // issued by an interactive sign-in, so that it may become a PRT (decided once)
	UpgradedAt  time.Time // when it became a PRT; zero otherwise
	IssuedAt    time.Time
	ExpiresAt   time.Time
	SpentAt     time.Time // when it was rotated; zero while it is the family's newest
	RevokedAt   time.Time // zero while valid
}

// Bound reports whether the token may be redeemed only inside a request signed with its session's key.
func (t RefreshToken) Bound() bool { return t.Session != "" }

// Lifetimes of what is issued.
const (
	PRTLifetime          = 14 * 24 * time.Hour
	RefreshTokenLifetime = 90 * 24 * time.Hour
	// SPATokenLifetime is that of a refresh token in a page's hands (single-page application).
	SPATokenLifetime    = 24 * time.Hour
	AccessTokenLifetime = time.Hour
	// FreshFor is how long after an interactive sign-in a device may be registered and a refresh token become a PRT.
	FreshFor = 10 * time.Minute
)
