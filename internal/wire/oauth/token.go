package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/clientauth"
	"boundgate/internal/prt"
	"boundgate/internal/signin"
	"boundgate/internal/token"
	"boundgate/internal/wire/claims"
)

const (
	grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantChallenge = "srv_challenge"
	// grantDeviceCode is RFC 8628's.
	grantDeviceCode = "urn:ietf:params:oauth:grant-type:device_code"
)

func (h handler) tokenV1(w http.ResponseWriter, r *http.Request) error {
	return h.token(w, r, token.V1)
}
func (h handler) tokenV2(w http.ResponseWriter, r *http.Request) error {
	return h.token(w, r, token.V2)
}

// token serves the token endpoints, RFC 6749 section 3.2.
func (h handler) token(w http.ResponseWriter, r *http.Request, v token.Version) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if f["grant_type"] == grantChallenge {
		return writeJSON(w, http.StatusOK, map[string]string{"Nonce": h.SignIns.Nonce()})
	}
	req, err := h.request(r, f, v)
	if err != nil {
		return err
	}
	grant, err := h.SignIns.SignIn(r.Context(), req)
	if err != nil {
		return err
	}
	return writeGrant(w, grant)
}

// request turns a form into a request for a token.
func (h handler) request(r *http.Request, f form, v token.Version) (signin.Request, error) {
	req := signin.Request{
		PathTenant: r.PathValue("tenant"), Version: v,
		Client: f["client_id"], Resource: f["resource"], Scope: f["scope"],
		ClientInfo:    f["client_info"] == "1" || strings.EqualFold(f["client_info"], "true"),
		Encrypted:     f["windows_api_version"] != "",
		CrossOrigin:   r.Header.Get("Origin") != "",
		CorrelationID: firstOf(correlationID(r), guid(f["client-request-id"]), uuid.NewString()),
		From:          h.from(r, f),
	}
	if strings.EqualFold(req.PathTenant, "consumers") {
		return req, aadsts.ConsumersRefused
	}
	var err error
	if req.Credential, err = credential(f); err != nil {
		return req, err
	}
	if err := clientAuth(r, f, &req); err != nil {
		return req, err
	}
	return req, readClaims(f, &req)
}

func readClaims(f form, req *signin.Request) error {
	asked, err := claims.Read(f["claims"], f["amr_values"])
	req.Capabilities, req.Demand.MultiFactor, req.Demand.Contexts = asked.Capabilities, asked.MultiFactor, asked.Contexts
	return err
}

// from is what a request says of where it comes from: in headers, or as some clients do, in the form.
func (h handler) from(r *http.Request, f form) signin.From {
	return signin.From{
		Address: h.ClientAddress(r), UserAgent: r.UserAgent(),
		AppVersion: firstOf(r.Header.Get("x-app-ver"), f["x-app-ver"]),
		OS:         firstOf(r.Header.Get("x-client-os"), f["x-client-OS"], f["x-client-os"]),
		SKU:        firstOf(r.Header.Get("x-client-sku"), f["x-client-SKU"], f["x-client-sku"]),
	}
}

// clientAuth reads what the client presents of its own: in the form or, for a secret, by HTTP Basic, in one way only
// (RFC 6749 section 2.3).
func clientAuth(r *http.Request, f form, req *signin.Request) error {
	req.ClientAuth = clientauth.Presented{
		Secret: prt.Secret(f["client_secret"]), Assertion: prt.Secret(f["client_assertion"]), AssertionType: f["client_assertion_type"],
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		return nil
	}
	id, secret = decode(id), decode(secret)
	if req.ClientAuth != (clientauth.Presented{}) || req.Client != "" && !strings.EqualFold(req.Client, id) {
		return aadsts.MalformedRequest.Saying("The client authenticates in more than one way.")
	}
	req.Client, req.ClientAuth.Secret = id, prt.Secret(secret)
	return nil
}

// credential reads what a form presents.
func credential(f form) (signin.Credential, error) {
	grant, err := f.need("grant_type")
	if err != nil {
		return nil, err
	}
	switch grant {
	case "password":
		name, err := f.need("username")
		if err != nil {
			return nil, err
		}
		secret, err := f.need("password")
		return signin.Password{Username: name, Password: prt.Secret(secret)}, err
	case "refresh_token":
		text, err := f.need("refresh_token")
		return signin.RefreshToken{Token: prt.Secret(text)}, err
	case "authorization_code":
		code, err := f.need("code")
		return signin.AuthorizationCode{Code: prt.Secret(code), RedirectURI: f["redirect_uri"], Verifier: prt.Secret(f["code_verifier"])}, err
	case grantDeviceCode, "device_code":
		// Some clients use the name of the authorization code's parameter.
		code := firstOf(f["device_code"], f["code"])
		if code == "" {
			_, err = f.need("device_code")
		}
		return signin.DeviceCode{Code: prt.Secret(code)}, err
	case "client_credentials":
		return signin.ClientCredentials{}, nil
	case grantJWTBearer:
		return bearer(f)
	}
	return nil, aadsts.UnsupportedGrant.Saying("The grant type %s is not supported.", printable(grant))
}

// bearer tells a request that a device or a session has signed from one on behalf of a person: both have one grant type.
func bearer(f form) (signin.Credential, error) {
	if f["request"] != "" {
		return signin.Signed{JWS: f["request"]}, nil
	}
	if f["requested_token_use"] == "on_behalf_of" || f["assertion"] != "" {
		assertion, err := f.need("assertion")
		return signin.OnBehalfOf{Assertion: prt.Secret(assertion)}, err
	}
	_, err := f.need("request")
	return nil, err
}

// A tokenReply is the JSON of a successful answer. Numbers are strings in replies of version 1 and in those with a PRT,
// as clients expect them.
type tokenReply struct {
	TokenType             string `json:"token_type"`
	Scope                 string `json:"scope,omitempty"`
	ExpiresIn             any    `json:"expires_in"`
	ExtExpiresIn          any    `json:"ext_expires_in"`
	ExpiresOn             string `json:"expires_on,omitempty"`
	NotBefore             string `json:"not_before,omitempty"`
	Resource              string `json:"resource,omitempty"`
	AccessToken           string `json:"access_token,omitempty"`
	RefreshToken          string `json:"refresh_token,omitempty"`
	RefreshTokenExpiresIn int64  `json:"refresh_token_expires_in,omitempty"`
	SessionKeyJWE         string `json:"session_key_jwe,omitempty"`
	IDToken               string `json:"id_token,omitempty"`
	ClientInfo            string `json:"client_info,omitempty"`
	Family                string `json:"foci,omitempty"`
}

func newTokenReply(g token.Grant) tokenReply {
	seconds := func(d time.Duration) any { return int64(d / time.Second) }
	reply := tokenReply{
		TokenType: "Bearer", Scope: g.Scope, AccessToken: g.AccessToken, RefreshToken: g.RefreshToken,
		RefreshTokenExpiresIn: int64(g.RefreshTokenExpiresIn / time.Second), SessionKeyJWE: g.SessionKeyJWE,
		IDToken: g.IDToken, ClientInfo: g.ClientInfo,
	}
	if g.Family {
		reply.Family = "1"
	}
	if g.Version == token.V1 || g.PRT {
		seconds = func(d time.Duration) any { return strconv.FormatInt(int64(d/time.Second), 10) }
		reply.ExpiresOn = strconv.FormatInt(g.ExpiresOn.Unix(), 10)
		reply.NotBefore = strconv.FormatInt(g.ExpiresOn.Add(-g.ExpiresIn).Unix(), 10)
		reply.Resource = g.Resource
	}
	reply.ExpiresIn, reply.ExtExpiresIn = seconds(g.ExpiresIn), seconds(g.ExpiresIn)
	return reply
}

// writeGrant answers with a grant: in clear, or as a JWE under the session key where the request was signed with it.
func writeGrant(w http.ResponseWriter, g token.Grant) error {
	reply := newTokenReply(g)
	if g.EncryptTo == nil {
		return writeJSON(w, http.StatusOK, reply)
	}
	text, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode token reply: %w", err)
	}
	jwe, err := prt.EncryptResponse(*g.EncryptTo, text)
	if err != nil {
		return fmt.Errorf("encrypt token reply: %w", err)
	}
	w.Header().Set("Content-Type", "application/jose")
	_, err = w.Write([]byte(jwe))
	return err
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, err = w.Write(text)
	return err
}

// correlationID returns the correlation id that the client gave; "" where it gave none or no GUID.
func correlationID(r *http.Request) string {
	return firstOf(guid(r.Header.Get("client-request-id")), guid(r.URL.Query().Get("client-request-id")))
}

// guid returns text in lower case where it is a GUID, and "" otherwise: nothing else from a client becomes an id.
func guid(text string) string {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return ""
	}
	return id.String()
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
