// Package oauth speaks OAuth 2.0 and OpenID Connect as Microsoft's clients do (RFC 6749, OpenID Connect Discovery 1.0,
// MS-OAPXBC): it decodes requests, calls the sign-in once, and encodes the answer.
package oauth

import (
	"context"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/directory"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

// SignIns answers requests for tokens.
type SignIns interface {
	SignIn(ctx context.Context, req signin.Request) (token.Grant, error)
	// BeginDevice answers a device authorization request.
	BeginDevice(ctx context.Context, req signin.Request) (signin.DeviceAuthorization, error)
	// Nonce returns a nonce for a proof of possession.
	Nonce() string
}

// Tenants finds tenants by id or verified domain; directory.ErrNotFound where there is none.
type Tenants interface {
	TenantByName(ctx context.Context, name string) (directory.Tenant, error)
}

// A Service is what the endpoints need.
type Service struct {
	SignIns SignIns
	Tenants Tenants
	Issuer  *token.Issuer
	Keys    func() jose.JSONWebKeySet
	// ClientAddress returns the address of the client that sent r, as far as trusted proxies tell.
	ClientAddress func(r *http.Request) string
}

// Register adds the endpoints to mux. Paths reach it in lower case, the tenant segment included.
func Register(mux *http.ServeMux, s Service) {
	h := handler{s}
	mux.Handle("POST /{tenant}/oauth2/token", endpoint(h.tokenV1))
	mux.Handle("POST /{tenant}/oauth2/v2.0/token", endpoint(h.tokenV2))
	mux.Handle("POST /{tenant}/oauth2/devicecode", endpoint(h.deviceCodeV1))
	mux.Handle("POST /{tenant}/oauth2/v2.0/devicecode", endpoint(h.deviceCodeV2))
	mux.Handle("GET /{tenant}/.well-known/openid-configuration", endpoint(h.configurationV1))
	mux.Handle("GET /{tenant}/v2.0/.well-known/openid-configuration", endpoint(h.configurationV2))
	mux.Handle("GET /{tenant}/discovery/keys", endpoint(h.keys))
	mux.Handle("GET /{tenant}/discovery/v2.0/keys", endpoint(h.keys))
	mux.Handle("GET /common/discovery/instance", endpoint(h.instance))
	mux.Handle("GET /common/userrealm/{user}", endpoint(h.userRealm))
}

type handler struct{ Service }

// An endpoint answers a request or returns why not.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP turns an endpoint's error into bytes, as RFC 6749 section 5.2 lays them out. Nothing else in this package does.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if id := correlationID(r); id != "" {
		w.Header().Set("client-request-id", id)
	}
	if err := e(w, r); err != nil {
		writeError(w, r, err)
	}
}
