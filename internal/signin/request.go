package signin

import (
	"time"

	"boundgate/internal/clientauth"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/token"
)

// A Request is one request, for tokens or at the authorization endpoint, as a protocol has decoded it. Exactly one
// credential is presented.
type Request struct {
	// PathTenant is the tenant in the address: an id, a verified domain, common or organizations. A proof counts only for
	// the tenant that it was sent to.
	PathTenant string
	Version    token.Version
	Credential Credential
	// ClientAuth is what the client presents of its own; zero for a public client.
	ClientAuth clientauth.Presented

	// What is asked for. A signed request names these inside its signature, and those count.
	Client   string
	Resource string // v1
	Scope    string
	Nonce    string // OpenID Connect nonce, copied into the ID token
	// Capabilities are those that the client states in its claims parameter (xms_cc).
	Capabilities []string
	Demand       Demand
	// Code is what an authorization request asks for; nil elsewhere.
	Code *CodeRequest
	// Approve is the device code that the person answers with yes; nil elsewhere.
	Approve *PendingDevice
	// Consented is true where the person has just agreed, on a page of this server, to what the client asks for.
	Consented bool
	// Device names a device that has proven its key in this visit to the sign-in pages; nil for none.
	Device *ProvenDevice

	ClientInfo bool // the client asked for client_info
	// Encrypted asks for an answer under the session key, where the redeemed code belongs to a session (MS-OAPXBC).
	Encrypted bool
	// CrossOrigin is true where a browser says that a page of another origin makes the request.
	CrossOrigin   bool
	CorrelationID string // from the client, or made by the server; never used to decide
	From          From
}

// From is what a request says of where it comes from. Nothing of it is proven.
type From = session.From

// A Demand is what the client requires of the sign-in beyond the policies (OpenID Connect Core 1.0 section 3.1.2.1).
type Demand struct {
	// Login asks for credentials in this visit (prompt=login).
	Login bool
	// Consent asks the person to agree anew (prompt=consent).
	Consent bool
	// MaxAge is how old the authentication may be; nil for any age.
	MaxAge *time.Duration
	// MultiFactor asks for a second factor (amr_values, or amr in the claims parameter).
	MultiFactor bool
	// Contexts are the authentication contexts, c1 to c99, that the access token is to stand for (acrs in the claims
	// parameter).
	Contexts []string
}

// A CodeRequest is what an authorization request asks for (RFC 6749 section 4.1.1, RFC 7636).
type CodeRequest struct {
	RedirectURI string
	Challenge   string // code_challenge of the method S256
}

// A ProvenDevice is a device that has answered the authorization endpoint's challenge with its key.
type ProvenDevice struct {
	Home         directory.TenantID
	ID           string
	Registration string
}

// A Credential is what a request presents.
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

// AuthorizationCode is the authorization code grant (RFC 6749 section 4.1.3).
type AuthorizationCode struct {
	Code        prt.Secret
	RedirectURI string
	Verifier    prt.Secret // code_verifier (RFC 7636)
}

// DeviceCode is the device authorization grant's poll (RFC 8628 section 3.4).
type DeviceCode struct{ Code prt.Secret }

// ClientCredentials asks for a token for the client itself (RFC 6749 section 4.4).
type ClientCredentials struct{}

// OnBehalfOf asks for a token for another resource, with the token that a resource was called with.
type OnBehalfOf struct{ Assertion prt.Secret }

// TypedPassword is a user name and password typed into the sign-in pages.
type TypedPassword struct {
	Username string
	Password prt.Secret
	Visit    Visit
	// StaySignedIn makes the browser keep the session when it closes.
	StaySignedIn bool
}

// Browser is a session that a browser holds, with a second factor where the person has just given one.
type Browser struct {
	Visit   Visit
	Account directory.ObjectID // at home; "" where the browser has one account
	Factor  FactorAnswer       // nil for none
}

// BrowserPRT is a Primary Refresh Token credential that a browser's broker adds to a request: the header or cookie
// x-ms-RefreshTokenCredential.
type BrowserPRT struct{ JWS string }

// A Visit is one passage through the sign-in pages in one browser.
type Visit struct {
	ID      string     // drawn by the server when the passage began, and never in an address
	Session prt.Secret // the browser's cookie; "" for none
	Known   []Known    // who has signed in in the browser before
}

// A FactorAnswer is a second factor that a person gives: Code, Passkey, NewCode or NewPasskey.
type FactorAnswer interface{ factorAnswer() }

// Code is a code of an authenticator application.
type Code struct{ Text prt.Secret }

// Passkey is an answer to a WebAuthn challenge, with the state that the challenge was made with.
type Passkey struct{ State, Response []byte }

// NewCode registers an authenticator application with its first code.
type NewCode struct {
	Factor factor.Factor
	Text   prt.Secret
}

// NewPasskey registers a passkey.
type NewPasskey struct{ State, Response []byte }

func (Password) credential()          {}
func (RefreshToken) credential()      {}
func (Signed) credential()            {}
func (AuthorizationCode) credential() {}
func (DeviceCode) credential()        {}
func (ClientCredentials) credential() {}
func (OnBehalfOf) credential()        {}
func (TypedPassword) credential()     {}
func (Browser) credential()           {}
func (BrowserPRT) credential()        {}

func (Code) factorAnswer()       {}
func (Passkey) factorAnswer()    {}
func (NewCode) factorAnswer()    {}
func (NewPasskey) factorAnswer() {}
