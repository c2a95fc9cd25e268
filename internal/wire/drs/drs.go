// Package drs speaks the device registration protocol of Microsoft Entra ID's clients: discovery, join and registration,
// hybrid join, and deletion with the device's certificate (MS-DVRD, MS-DVRJ, and the members that clients send today).
//
// It decodes strictly, calls package registration once, and encodes the answer. Paths reach it in lower case.
package drs

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/registration"
	"boundgate/internal/token"
)

// A Registrar registers devices and lets them go. Its errors are *aadsts.Error.
type Registrar interface {
	Join(ctx context.Context, req registration.Request) (registration.Result, error)
	HybridJoin(ctx context.Context, req registration.HybridRequest) (registration.Result, error)
	Leave(ctx context.Context, req registration.LeaveRequest) error
}

// Tokens verifies access tokens: token.ErrAudience where one is for another resource, token.ErrInvalid where it is not good.
type Tokens interface {
	VerifyAccessToken(ctx context.Context, raw string, audiences ...directory.AppID) (token.Claims, error)
}

// Tenants finds tenants by id or verified domain; directory.ErrNotFound where there is none.
type Tenants interface {
	TenantByName(ctx context.Context, name string) (directory.Tenant, error)
}

// Handlers are what the endpoints need.
type Handlers struct {
	Registrar Registrar
	Tokens    Tokens
	Tenants   Tenants
	// Nonce returns a nonce for a proof of possession.
	Nonce func() string
	// SignInURL and RegistrationURL are the public addresses of the two services, without a trailing slash. Registration has
	// one of its own because only there client certificates are requested.
	SignInURL       string
	RegistrationURL string
	// ClientAddress returns the address of the client that sent r, as far as trusted proxies tell.
	ClientAddress func(r *http.Request) string
}

// Register adds the endpoints to mux. Paths reach it in lower case, ids and the tenant segment included.
func Register(mux *http.ServeMux, h Handlers) {
	for _, route := range []struct {
		pattern, operation string
		handle             func(w http.ResponseWriter, r *http.Request) error
	}{
		{"GET /{tenant}/discover", "Discover", h.discover},
		{"GET /{tenant}/contract", "Discover", h.discover},
		{"POST /enrollmentserver/device", "DeviceJoin", h.join},
		{"PUT /enrollmentserver/device/{id}", "DeviceJoin", h.hybridJoin},
		{"DELETE /enrollmentserver/device/{id}", "DeviceDelete", h.leave},
		{"GET /enrollmentserver/nonce/{tenant}", "Nonce", h.nonce},
		{"POST /enrollmentserver/key", "KeyProvisioning", h.key},
	} {
		mux.Handle(route.pattern, endpoint{route.operation, route.handle})
		mux.Handle(route.pattern+"/{$}", endpoint{route.operation, route.handle})
	}
}

// An endpoint answers a request or returns why not.
type endpoint struct {
	operation string
	handle    func(w http.ResponseWriter, r *http.Request) error
}

// requestIDHeader carries the id of a request in its answer, by which people name it in a support case.
const requestIDHeader = "request-id"

// ServeHTTP turns an endpoint's error into bytes. Nothing else in this package does.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(requestIDHeader, id)
	if client := clientRequestID(r); client != "" {
		w.Header().Set("client-request-id", client)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := e.handle(w, r); err != nil {
		writeError(w, r, e.operation, id, err)
	}
}

// join serves POST /EnrollmentServer/device/: a device joins, or a person registers one (MS-DVRJ 3.1.5.1.1).
func (h Handlers) join(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.authenticate(r)
	if err != nil {
		return err
	}
	body, err := decodeJoin(r)
	if err != nil {
		return err
	}
	result, err := h.Registrar.Join(r.Context(), registration.Request{
		Authorization: registration.Authorization{
			Tenant: claims.Tenant, User: claims.User, Client: claims.Client, TokenID: claims.ID, SignIn: claims.SessionID,
			AuthTime: claims.AuthTime, Strength: claims.Strength, Fresh: claims.Fresh, TransferMethod: claims.TransferMethod,
		},
		JoinType: body.joinType, Claims: body.claims, Keys: body.keys, From: h.source(w, r),
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, newJoinReply(result))
}

// hybridJoin serves PUT /EnrollmentServer/device/{id}: a synchronised device completes its registration.
func (h Handlers) hybridJoin(w http.ResponseWriter, r *http.Request) error {
	id, err := deviceID(r)
	if err != nil {
		return err
	}
	body, err := decodeHybridJoin(r)
	if err != nil {
		return err
	}
	body.DeviceID, body.From = id, h.source(w, r)
	result, err := h.Registrar.HybridJoin(r.Context(), body)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, newJoinReply(result))
}

// leave serves DELETE /EnrollmentServer/device/{id} (MS-DVRJ 3.1.5.1.2). The TLS client certificate says who asks; TLS has
// verified that the sender holds its key, and nothing else about it.
func (h Handlers) leave(w http.ResponseWriter, r *http.Request) error {
	id, err := deviceID(r)
	if err != nil {
		return err
	}
	var shown *x509.Certificate
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		shown = r.TLS.PeerCertificates[0]
	}
	if err := h.Registrar.Leave(r.Context(), registration.LeaveRequest{DeviceID: id, Certificate: shown, From: h.source(w, r)}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// nonce serves GET /EnrollmentServer/nonce/{tenant}/ to whoever may register a device in the tenant.
func (h Handlers) nonce(w http.ResponseWriter, r *http.Request) error {
	claims, err := h.authenticate(r)
	if err != nil {
		return err
	}
	tenant, err := h.Tenants.TenantByName(r.Context(), r.PathValue("tenant"))
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	if err != nil || tenant.ID != claims.Tenant { // one answer, whether the other tenant exists or not (P13)
		return wrongTenant
	}
	return writeJSON(w, http.StatusOK, map[string]string{"Value": h.Nonce()})
}

// key refuses Windows Hello keys by name. Discovery names the endpoint all the same, because clients that find none there
// go to Microsoft's.
func (h Handlers) key(http.ResponseWriter, *http.Request) error { return keysNotServed }

// authenticate verifies the bearer token, which must be for device registration and nothing else.
func (h Handlers) authenticate(r *http.Request) (token.Claims, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return token.Claims{}, registration.TokenRefused.Saying("One Authorization header with a bearer token is needed.")
	}
	scheme, raw, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return token.Claims{}, registration.TokenRefused.Saying("The Authorization header has no bearer token.")
	}
	claims, err := h.Tokens.VerifyAccessToken(r.Context(), strings.TrimSpace(raw), directory.DeviceRegistration)
	switch {
	case errors.Is(err, token.ErrAudience):
		return claims, registration.TokenRefused.Saying("The access token is for another resource.").Because(err)
	case errors.Is(err, token.ErrInvalid):
		return claims, registration.TokenRefused.Because(err)
	}
	return claims, err
}

// deviceID returns the device id in the address.
func deviceID(r *http.Request) (string, error) {
	text := r.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return "", aadsts.MalformedRequest.Saying("The device id in the address is not a GUID.")
	}
	return id.String(), nil
}

// A joinReply is the answer to a registration.
type joinReply struct {
	Certificate struct {
		Thumbprint string
		RawBody    string // base64 of the DER certificate on one line
	}
	User              struct{ Upn string }
	MembershipChanges []struct{} // of local groups; the server has no opinion on them
}

func newJoinReply(result registration.Result) joinReply {
	reply := joinReply{MembershipChanges: []struct{}{}}
	reply.Certificate.Thumbprint = device.Thumbprint(result.Certificate)
	reply.Certificate.RawBody = base64.StdEncoding.EncodeToString(result.Certificate.Raw)
	reply.User.Upn = result.Owner.UPN
	return reply
}
