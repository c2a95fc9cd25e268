package signin

import (
	"boundgate/internal/prt"
	"boundgate/internal/token"
)

// A Request is one request for a token, as a protocol has decoded it. Exactly one credential is presented.
type Request struct {
	// PathTenant is the tenant in the address: an id, a verified domain, common or organizations. A proof counts only for
	// the tenant that it was sent to.
	PathTenant string
	Version    token.Version
	Credential Credential

	// What is asked for. A signed request names these inside its signature, and those count.
	Client   string
	Resource string // v1
	Scope    string
	Nonce    string // OpenID Connect nonce, copied into the ID token

	ClientInfo    bool   // the client asked for client_info
	CorrelationID string // from the client, or made by the server; never used to decide
	From          From
}

// From is what a request says of where it comes from. Nothing of it is proven.
type From struct {
	Address    string // of the client, as far as trusted proxies tell
	UserAgent  string
	AppVersion string // x-app-ver
	OS         string // x-client-os
	SKU        string // x-client-sku
}

// A Credential is what a request presents: Password, RefreshToken or Signed.
type Credential interface{ credential() }

// Password is the resource owner password credentials grant (RFC 6749 section 4.3).
type Password struct {
	Username string
	Password prt.Secret
}

// RefreshToken is the refresh token grant of a plain client (RFC 6749 section 6).
type RefreshToken struct{ Token prt.Secret }

// Signed is a request signed with a device key or with a key that derives from a session key (MS-OAPXBC 3.2.5.1).
type Signed struct{ JWS string }

func (Password) credential()     {}
func (RefreshToken) credential() {}
func (Signed) credential()       {}
