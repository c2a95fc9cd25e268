// Package portal serves what people see in a browser: the authorization endpoint with its sign-in pages, the approval of
// device codes, signing out, and the pages on which people look after their own account (RFC 6749 section 4.1, OpenID
// Connect Core 1.0 section 3.1.2, RFC 8628 section 3.3, MS-OAPXBC 3.2.5.2).
//
// It decodes requests, calls the sign-in once for each step, and draws the page that the answer calls for. Between two
// steps nothing is kept on the server: a form carries a sealed state that only the browser which got it can send back.
package portal

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/pages"
	"boundgate/internal/prt"
	"boundgate/internal/selfservice"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

// SignIns is what the pages ask of the sign-in.
type SignIns interface {
	Authorize(ctx context.Context, req signin.Request) (signin.Authorization, error)
	Ask(ctx context.Context, req signin.Request) (signin.Asked, error)
	Accounts(ctx context.Context, cookie prt.Secret) ([]signin.Account, error)
	SecondFactors(ctx context.Context, c signin.Browser) (signin.FactorChoice, error)
	BeginPasskey(choice signin.FactorChoice, register, verified bool) (options json.RawMessage, state []byte, err error)
	ProveDevice(ctx context.Context, jws string, home directory.TenantID, audience string) (signin.ProvenDevice, error)
	DeviceByUserCode(ctx context.Context, userCode string) (signin.PendingDevice, error)
	DeclineDevice(ctx context.Context, p signin.PendingDevice) error
	SignOut(ctx context.Context, cookie prt.Secret, user directory.ObjectID) error
	Nonce() string
}

// SelfService is what people may do with their own account.
type SelfService interface {
	Overview(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) (selfservice.Overview, error)
	DisableDevice(ctx context.Context, who selfservice.Caller, device string) error
	SignOutEverywhere(ctx context.Context, who selfservice.Caller) error
	Report(ctx context.Context, who selfservice.Caller, signIn string) error
}

// A Service is what the pages need.
type Service struct {
	SignIns SignIns
	Self    SelfService
	Pages   *pages.Set
	Issuer  *token.Issuer
	// Key seals the state of the forms.
	Key           [32]byte
	Now           func() time.Time
	Log           *slog.Logger
	ClientAddress func(r *http.Request) string
}

// Register adds the pages to mux. Paths reach it in lower case, the tenant segment included.
func Register(mux *http.ServeMux, s Service) {
	h := handler{s}
	for _, version := range []struct {
		path string
		v    token.Version
	}{{"/{tenant}/oauth2/", token.V1}, {"/{tenant}/oauth2/v2.0/", token.V2}} {
		authorize := h.endpoint(func(w http.ResponseWriter, r *http.Request) error { return h.authorize(w, r, version.v) })
		mux.Handle("GET "+version.path+"authorize", authorize)
		mux.Handle("POST "+version.path+"authorize", authorize)
		mux.Handle("GET "+version.path+"logout", h.endpoint(h.signOut))
		mux.Handle("POST "+version.path+"logout", h.endpoint(h.signOut))
	}
	mux.Handle("POST /{tenant}/login", h.endpoint(h.step))
	mux.Handle("GET /{tenant}/oauth2/deviceauth", h.endpoint(h.deviceAuth))
	mux.Handle("GET /devicelogin", h.endpoint(h.deviceAuth))
	mux.Handle("GET /me", h.endpoint(h.me))
	mux.Handle("POST /me", h.endpoint(h.changeMe))
	mux.Handle("GET /language", h.endpoint(h.language))
	mux.Handle("GET /error", h.endpoint(h.explainCode))
	mux.Handle("GET "+pages.AssetRoot, s.Pages.Assets())
}

// Refuse answers with the page of a refusal that has to be given before the pages are reached.
func (s Service) Refuse(w http.ResponseWriter, r *http.Request, refusal *aadsts.Error) {
	h := handler{s}
	h.endpoint(func(http.ResponseWriter, *http.Request) error { return refusal }).ServeHTTP(w, r)
}

type handler struct{ Service }

// endpoint draws a page for an error that nobody has drawn one for.
func (h handler) endpoint(do func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := do(w, r)
		if err == nil {
			return
		}
		refusal := aadsts.Of(err)
		if refusal.HTTPStatus() >= http.StatusInternalServerError && !errors.As(err, new(*signin.Refused)) {
			h.Log.Error("sign-in page", "error", err, "path", r.URL.Path)
		}
		if err := h.refuse(w, r, visit{}, err); err != nil {
			h.Log.Error("draw a refusal", "error", err, "path", r.URL.Path)
			http.Error(w, "The service is temporarily unavailable.", http.StatusServiceUnavailable)
		}
	})
}
