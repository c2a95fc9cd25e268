// Package token makes and checks what the server signs: access tokens and ID tokens, as JSON Web Tokens (RFC 7519,
// OpenID Connect Core 1.0 section 2), with the claims that Microsoft's clients and resources read.
//
// Refresh tokens and Primary Refresh Tokens are not signed but looked up; package session keeps them.
package token

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// Version tells the two generations of endpoints and their tokens apart.
type Version int

// The versions.
const (
	V1 Version = 1 // resource parameter, numbers as strings
	V2 Version = 2 // scope parameter
)

// A Grant is what a successful request for a token gets.
type Grant struct {
	Version      Version
	AccessToken  string        // "" where none was asked for
	ExpiresIn    time.Duration // of the access token, or of the PRT where there is none
	ExpiresOn    time.Time
	RefreshToken string // a PRT where PRT is true
	PRT          bool
	// RefreshTokenExpiresIn is the lifetime of a PRT; zero elsewhere.
	RefreshTokenExpiresIn time.Duration
	IDToken               string
	Scope                 string
	Resource              string // as the client named it, v1 only
	ClientInfo            string
	// Family is true where other applications of the client's family may redeem the refresh token.
	Family bool
	// SessionKeyJWE carries a new session key to the device's transport key.
	SessionKeyJWE string
	// EncryptTo is the session key under which the whole answer is encrypted; nil for an answer in clear.
	EncryptTo *prt.SessionKey
}

// A Subject is whom a token speaks of and what is known of the sign-in.
type Subject struct {
	Tenant      directory.TenantID
	User        directory.ObjectID
	UPN         string
	DisplayName string
	Client      directory.AppID
	SessionID   string
	Origin      session.Origin
	DeviceID    string // "" for none
	Guest       bool
	// Capabilities are those that the client stated (xms_cc).
	Capabilities []string
	// Contexts are the authentication contexts that the sign-in was judged for (acrs).
	Contexts []string
	// AppOnly is true where the client asks for itself; User is then its service principal.
	AppOnly bool
	// Roles are the application roles that an AppOnly token carries.
	Roles      []string
	ClientAuth ClientAuth
	// ClientAlgorithm is that of ID tokens for the client: ES256, or "" for RS256.
	ClientAlgorithm string
}

// ClientAuth says in a token how the client has authenticated (appidacr, azpacr).
type ClientAuth string

// The ways.
const (
	ClientPublic    ClientAuth = "0"
	ClientSecret    ClientAuth = "1"
	ClientAssertion ClientAuth = "2"
)

// An Audience is for whom an access token is.
type Audience struct {
	Resource   directory.Resource
	Identifier string // as the client named it; the aud of a v1 token
	Scopes     []string
	Algorithm  string // ES256, or "" for RS256
}

// Claims are the contents of a verified access token.
type Claims struct {
	ID             string // uti
	Tenant         directory.TenantID
	User           directory.ObjectID
	UPN            string
	Client         directory.AppID
	Audience       string
	Scopes         []string
	SessionID      string // the sign-in that it derives from
	DeviceID       string
	AuthTime       time.Time
	Strength       session.Strength
	TransferMethod string
	// Fresh is true where credentials were presented in the very request that the token answers.
	Fresh bool
	// AppOnly is true for a token of an application of its own; Roles are then what it may do.
	AppOnly      bool
	Roles        []string
	Capabilities []string
	IssuedAt     time.Time
	ExpiresAt    time.Time
}

// wireClaims are the claims of access and ID tokens as they are written.
type wireClaims struct {
	Audience          string   `json:"aud"`
	Issuer            string   `json:"iss"`
	IssuedAt          int64    `json:"iat"`
	NotBefore         int64    `json:"nbf"`
	Expires           int64    `json:"exp"`
	AuthTime          int64    `json:"auth_time,omitempty"`
	ACR               string   `json:"acr,omitempty"`
	AMR               []string `json:"amr,omitempty"`
	AppID             string   `json:"appid,omitempty"`    // v1
	AppIDACR          string   `json:"appidacr,omitempty"` // v1: 0 = public client
	AZP               string   `json:"azp,omitempty"`      // v2
	AZPACR            string   `json:"azpacr,omitempty"`
	DeviceID          string   `json:"deviceid,omitempty"`
	Name              string   `json:"name,omitempty"`
	Nonce             string   `json:"nonce,omitempty"`
	ObjectID          string   `json:"oid"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Scope             string   `json:"scp,omitempty"`
	SessionID         string   `json:"sid,omitempty"`
	Subject           string   `json:"sub"`
	TenantID          string   `json:"tid"`
	UniqueName        string   `json:"unique_name,omitempty"`
	UPN               string   `json:"upn,omitempty"`
	UniqueTokenID     string   `json:"uti"`
	Version           string   `json:"ver"`
	IdentityType      string   `json:"idtyp,omitempty"` // app
	Roles             []string `json:"roles,omitempty"` // app
	Capabilities      []string `json:"xms_cc,omitempty"`
	Contexts          []string `json:"acrs,omitempty"` // access tokens alone
	// SignIn says what this server must know of the sign-in when the token comes back to it.
	SignIn *signInClaim `json:"boundgate_sign_in,omitempty"`
}

type signInClaim struct {
	Fresh          bool   `json:"fresh"`
	TransferMethod string `json:"transfer_method"`
	// AuthTimeMicros is auth_time in microseconds since 1970: sessions end at a moment, not at a second.
	AuthTimeMicros int64 `json:"auth_time_us"`
}

// An Issuer signs tokens in the name of the server.
type Issuer struct {
	URL  string // public URL of the server, without a trailing slash
	Keys *Keys
}

// Issuer returns the issuer of a tenant's tokens of version v.
func (i *Issuer) Issuer(v Version, tenant directory.TenantID) string {
	if v == V1 {
		return i.URL + "/" + string(tenant) + "/"
	}
	return i.URL + "/" + string(tenant) + "/v2.0"
}

// AccessToken signs an access token of version v, valid from at. It returns the token and its unique identifier.
func (i *Issuer) AccessToken(v Version, s Subject, to Audience, at time.Time) (text, id string, err error) {
	if s.AppOnly {
		// An application has neither a name nor scopes: what it may do are its roles.
		s.UPN, s.DisplayName, to.Scopes = "", "", nil
	}
	c := i.claims(v, s, at)
	c.Scope = strings.Join(to.Scopes, " ")
	c.UPN, c.DeviceID, c.ACR = s.UPN, s.DeviceID, "1"
	c.AuthTime = s.Origin.AuthTime.Unix()
	c.AMR = s.Origin.Strength
	c.Capabilities, c.Contexts = s.Capabilities, s.Contexts
	how := string(s.ClientAuth)
	if how == "" {
		how = string(ClientPublic)
	}
	if v == V1 {
		c.Audience, c.AppID, c.AppIDACR, c.UniqueName = to.Identifier, string(s.Client), how, s.UPN
	} else {
		c.Audience, c.AZP, c.AZPACR, c.PreferredUsername = string(to.Resource.AppID), string(s.Client), how, s.UPN
	}
	if s.AppOnly {
		c.IdentityType, c.Roles = "app", s.Roles
	}
	c.SignIn = &signInClaim{
		Fresh: s.Origin.Fresh, TransferMethod: s.Origin.TransferMethod, AuthTimeMicros: s.Origin.AuthTime.UnixMicro(),
	}
	text, err = i.sign(to.Algorithm, c)
	return text, c.UniqueTokenID, err
}

// IDToken signs an ID token of version v for the client of s.
func (i *Issuer) IDToken(v Version, s Subject, nonce string, at time.Time) (string, error) {
	c := i.claims(v, s, at)
	c.Audience, c.Nonce = string(s.Client), nonce
	c.PreferredUsername, c.AuthTime = s.UPN, s.Origin.AuthTime.Unix()
	c.AMR = s.Origin.Strength
	if v == V1 {
		c.UPN, c.UniqueName = s.UPN, s.UPN
	}
	return i.sign(s.ClientAlgorithm, c)
}

func (i *Issuer) claims(v Version, s Subject, at time.Time) wireClaims {
	return wireClaims{
		Issuer: i.Issuer(v, s.Tenant), IssuedAt: at.Unix(), NotBefore: at.Unix(),
		Expires: at.Add(session.AccessTokenLifetime).Unix(), Name: s.DisplayName, ObjectID: string(s.User),
		SessionID: s.SessionID, Subject: string(s.User), TenantID: string(s.Tenant),
		UniqueTokenID: newUniqueID(), Version: map[Version]string{V1: "1.0", V2: "2.0"}[v],
	}
}

func (i *Issuer) sign(algorithm string, c wireClaims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return i.Keys.sign(algorithm, payload)
}

// ClientInfo returns the client_info of a user: who the account is, for a client's cache.
func ClientInfo(home directory.TenantID, user directory.ObjectID) string {
	text, err := json.Marshal(struct {
		UID  directory.ObjectID `json:"uid"`
		UTID directory.TenantID `json:"utid"`
	}{user, home})
	if err != nil {
		panic("token: client_info of two strings: " + err.Error())
	}
	return encodeSegment(text)
}

// newUniqueID returns a token's unique identifier: 16 random bytes in base64url, as in the sign-in log.
func newUniqueID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("token: no randomness: " + err.Error()) // crypto/rand.Read never fails
	}
	return encodeSegment(b[:])
}

func encodeSegment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
