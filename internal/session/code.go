package session

import (
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

// From is what a request says of where it comes from. Nothing of it is proven.
type From struct {
	Address    string `json:"address,omitempty"` // of the client, as far as trusted proxies tell
	UserAgent  string `json:"userAgent,omitempty"`
	AppVersion string `json:"appVersion,omitempty"` // x-app-ver
	OS         string `json:"os,omitempty"`         // x-client-os
	SKU        string `json:"sku,omitempty"`        // x-client-sku
	ClaimedOS  string `json:"claimedOs,omitempty"`  // version of the operating system, inside a signed request
}

// A Code is the record of an authorization code (RFC 6749 section 4.1.2). What was decided at the authorization endpoint
// is judged again when the code is redeemed, by the same facts and the policies of that moment.
type Code struct {
	Hash   prt.Hash `json:"-"`
	Family string   // GUID of the sign-in; the refresh tokens that come of the code belong to it
	Tenant directory.TenantID
	User   directory.ObjectID // in Tenant
	Client directory.AppID
	// Home is the tenant in which the session lives; it differs from Tenant for guests.
	Home     directory.TenantID
	HomeUser directory.ObjectID

	RedirectURI string // exactly as it was sent
	Platform    string // of the redirect URI: web, spa or publicClient
	// Challenge is the PKCE code challenge, S256 (RFC 7636); "" where the request carried a proof instead.
	Challenge string
	Resource  string // v1
	Scope     string
	Nonce     string // OpenID Connect nonce, for the ID token
	// Capabilities are those that the client stated in its claims parameter (xms_cc).
	Capabilities []string
	// Contexts are the authentication contexts that the access token is to stand for (acrs).
	Contexts []string `json:",omitempty"`

	// Session is the Primary Refresh Token session that the code belongs to; "" for none. Device and Registration are those
	// of the session or, without one, of the device that proved itself to the authorization endpoint.
	Session      string
	Device       string
	Registration string
	From         From // the authorization request
	Origin       Origin
	Interactive  bool // the person proved who they are in this very visit
	IssuedAt     time.Time
	ExpiresAt    time.Time
	SpentAt      time.Time // zero while it may be redeemed
}

// CodeLifetime is how long an authorization code may be redeemed.
const CodeLifetime = time.Minute

// A DeviceCode is the record of a device authorization request (RFC 8628).
type DeviceCode struct {
	Hash     prt.Hash `json:"-"` // of the device code
	UserCode prt.Hash `json:"-"` // of the user code in its normal form
	// PathTenant is the tenant in the address that was asked: the person who approves must belong to it.
	PathTenant   string
	Version      int // of the protocol: 1 or 2
	Client       directory.AppID
	Resource     string // v1
	Scope        string
	Capabilities []string
	Contexts     []string `json:",omitempty"` // as in Code
	From         From     // the device that asks
	IssuedAt     time.Time
	ExpiresAt    time.Time
	// Approval says who approved; nil while nobody has.
	Approval *Approval
	Declined bool
	SpentAt  time.Time // when tokens were issued; zero before
}

// An Approval is a person's answer to a device code.
type Approval struct {
	Family   string // GUID of the sign-in
	Tenant   directory.TenantID
	User     directory.ObjectID
	Home     directory.TenantID
	HomeUser directory.ObjectID
	Origin   Origin // with the transfer method deviceCodeFlow, for life
	At       time.Time
}

// The device authorization grant's times (RFC 8628 section 3.2).
const (
	DeviceCodeLifetime = 15 * time.Minute
	DeviceCodeInterval = 5 * time.Second
	// DeviceCodeFlow is the transfer method of sessions that began with a device code.
	DeviceCodeFlow = "deviceCodeFlow"
)
