package directory

import (
	"crypto/sha1" //nolint:gosec // the name that administrators know certificates by
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A ClientSecret is a secret of an application as it is kept: its hash, and enough to tell it from others.
type ClientSecret struct {
	KeyID       string    `json:"keyId"`
	DisplayName string    `json:"displayName,omitempty"`
	Hint        string    `json:"hint"` // the first three characters
	Hash        []byte    `json:"hash"` // SHA-256 of the text, which has 256 random bits
	StartsAt    time.Time `json:"startDateTime"`
	ExpiresAt   time.Time `json:"endDateTime"`
}

// A ClientCertificate is a certificate whose key signs an application's assertions (RFC 7523).
type ClientCertificate struct {
	KeyID       string    `json:"keyId"`
	DisplayName string    `json:"displayName,omitempty"`
	DER         []byte    `json:"der"`
	ExpiresAt   time.Time `json:"endDateTime"`
}

// Thumbprint is the certificate's SHA-1 in upper-case hexadecimal, as administrators know it. It names, and proves nothing.
func (c ClientCertificate) Thumbprint() string {
	digest := sha1.Sum(c.DER) //nolint:gosec // see above
	return strings.ToUpper(hex.EncodeToString(digest[:]))
}

// A FederatedCredential lets an application prove itself with a token of another issuer. The issuer's keys are given by an
// administrator: this server fetches nothing.
type FederatedCredential struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"`
	JWKS      string   `json:"jwks"` // RFC 7517
}

// A Scope is something that a client may do at a resource on behalf of a person.
type Scope struct {
	ID           ObjectID `json:"id"`
	Value        string   `json:"value"`
	DisplayName  string   `json:"displayName,omitempty"`
	Description  string   `json:"description,omitempty"`
	AdminConsent bool     `json:"adminConsent,omitempty"` // only an administrator may agree
}

// A Consent says that a person, or an administrator for everybody, has agreed to what a client asks for.
type Consent struct {
	ID       string
	Tenant   TenantID
	User     ObjectID // "" for everybody
	Client   AppID
	Resource AppID
	Scopes   []string
	At       time.Time
}

// Confidential reports whether the application can prove itself, and so has to.
func (a Application) Confidential() bool {
	return !a.PublicClient && len(a.Secrets)+len(a.Certificates)+len(a.Federated) > 0
}

// NeedsConsent reports whether people are asked before the application gets anything.
func (a Application) NeedsConsent() bool { return !a.BuiltIn }

// A Platform is the kind of application that a redirect URI belongs to, as it is registered.
type Platform string

// The platforms.
const (
	Web          Platform = "web" // a server, which has a secret
	SPA          Platform = "spa" // a page
	PublicClient Platform = "publicClient"
)

// Redirect URIs that every public client may use.
const (
	nativeClient = "https://login.microsoftonline.com/common/oauth2/nativeclient"
	outOfBand    = "urn:ietf:wg:oauth:2.0:oob"
	brokerPlugin = "ms-appx-web://microsoft.aad.brokerplugin/"
	brokerNative = "msauth://microsoft.aad.brokerplugin"
)

// Redirect returns the platform that a redirect URI belongs to; false where it is none of the application's. URIs are
// compared as they are written (RFC 9700 section 2.1), but for the port of a loopback address (RFC 8252 section 7.3) and
// the case of a broker's own scheme, which clients write in different ways.
func (a Application) Redirect(uri string) (Platform, bool) {
	switch {
	case uri == "" || len(uri) > maxRedirect:
		return "", false
	case slices.Contains(a.WebRedirectURIs, uri):
		return Web, true
	case slices.Contains(a.SPARedirectURIs, uri):
		return SPA, true
	case slices.Contains(a.RedirectURIs, uri), slices.ContainsFunc(a.RedirectURIs, func(r string) bool { return sameLoopback(r, uri) }):
		return PublicClient, true
	case a.PublicClient && a.isNative(uri):
		return PublicClient, true
	}
	return "", false
}

const maxRedirect = 2048

// isNative reports whether every public client has the URI.
func (a Application) isNative(uri string) bool {
	switch uri {
	case nativeClient, outOfBand:
		return true
	}
	if isLoopback(uri) {
		u, err := url.Parse(uri)
		return err == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == ""
	}
	folded := strings.ToLower(uri)
	if folded == brokerNative {
		return true
	}
	if a.BuiltIn {
		path, ok := strings.CutPrefix(folded, brokerPlugin)
		return ok && path != "" && strings.Trim(path, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
	return folded == brokerPlugin+string(a.AppID)
}

// isLoopback reports whether a URI is http to this very device.
func isLoopback(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || strings.ContainsAny(uri, "\\#@") {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || net.ParseIP(host).IsLoopback() && (host == "127.0.0.1" || host == "::1")
}

// sameLoopback compares two loopback URIs without their ports.
func sameLoopback(registered, uri string) bool {
	if !isLoopback(registered) || !isLoopback(uri) {
		return false
	}
	a, errA := url.Parse(registered)
	b, errB := url.Parse(uri)
	return errA == nil && errB == nil && a.Hostname() == b.Hostname() && a.EscapedPath() == b.EscapedPath() && a.RawQuery == b.RawQuery
}

// WellKnownApplication returns an application that every tenant starts with.
func WellKnownApplication(id AppID) (Application, bool) {
	for _, a := range loadWellKnown().Applications {
		if a.AppID == id {
			return a, true
		}
	}
	return Application{}, false
}
