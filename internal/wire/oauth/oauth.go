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
	// UserInfo answers a bearer of an access token.
	UserInfo(ctx context.Context, bearer string) (signin.UserInfo, error)
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
	openTo(mux, "POST", "/{tenant}/oauth2/token", h.tokenV1)
	openTo(mux, "POST", "/{tenant}/oauth2/v2.0/token", h.tokenV2)
	mux.Handle("POST /{tenant}/oauth2/devicecode", endpoint(h.deviceCodeV1))
	mux.Handle("POST /{tenant}/oauth2/v2.0/devicecode", endpoint(h.deviceCodeV2))
	openTo(mux, "GET", "/{tenant}/.well-known/openid-configuration", h.configurationV1)
	openTo(mux, "GET", "/{tenant}/v2.0/.well-known/openid-configuration", h.configurationV2)
	openTo(mux, "GET", "/.well-known/oauth-authorization-server/{tenant}/v2.0", h.configurationV2) // RFC 8414 section 3.1
	openTo(mux, "GET", "/{tenant}/discovery/keys", h.keys)
	openTo(mux, "GET", "/{tenant}/discovery/v2.0/keys", h.keys)
	openTo(mux, "GET", "/common/discovery/instance", h.instance)
	openTo(mux, "GET", "/oidc/userinfo", endpoint(h.userInfo))
	mux.Handle("POST /oidc/userinfo", crossOrigin(endpoint(h.userInfo)))
	mux.Handle("GET /common/userrealm/{user}", endpoint(h.userRealm))
	mux.Handle("GET /getuserrealm.srf", endpoint(h.userRealmSRF))
	mux.Handle("POST /{tenant}/getcredentialtype", endpoint(h.credentialType))
	mux.Handle("GET /odc/v2.1/federationprovider", endpoint(h.federationProvider))
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
