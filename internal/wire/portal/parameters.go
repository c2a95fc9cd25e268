package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/prt"
	"boundgate/internal/signin"
	"boundgate/internal/token"
	"boundgate/internal/wire/claims"
)

// parameters are those of an authorization request; each is there once.
type parameters url.Values

func (p parameters) get(name string) string { return url.Values(p).Get(name) }

// The bounds of an authorization request.
const (
	maxQuery      = 16 << 10
	maxParameters = 64
	maxForm       = 128 << 10
)

// readParameters reads an authorization request, from the address or, for a POST, from the body (OpenID Connect Core 1.0
// section 3.1.2.1).
func readParameters(w http.ResponseWriter, r *http.Request) (parameters, error) {
	values := r.URL.Query()
	if len(r.URL.RawQuery) > maxQuery {
		return nil, aadsts.RequestTooLarge.Saying("The authorization request is longer than %d bytes.", maxQuery)
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxQuery)
		if err := r.ParseForm(); err != nil {
			return nil, aadsts.MalformedRequest.Saying("The authorization request could not be read.").Because(err)
		}
		values = r.Form
	}
	if len(values) > maxParameters {
		return nil, aadsts.MalformedRequest.Saying("The request has more than %d parameters.", maxParameters)
	}
	for name, list := range values {
		if len(list) > 1 {
			return nil, aadsts.MalformedRequest.Saying("The parameter %s is there twice.", strconv.QuoteToASCII(name[:min(len(name), 40)]))
		}
	}
	return parameters(values), nil
}

// prompts reports whether the client asks for a prompt.
func (p parameters) prompts(value string) bool {
	return slices.Contains(strings.Fields(p.get("prompt")), value)
}

// request is what the sign-in is asked, apart from the credential.
func (h handler) request(r *http.Request, v visit) (signin.Request, error) {
	p := v.parameters()
	req := signin.Request{
		PathTenant: v.Tenant, Version: v.Version, Client: p.get("client_id"), Resource: p.get("resource"), Scope: p.get("scope"),
		Nonce: p.get("nonce"), ClientInfo: p.get("client_info") == "1", CorrelationID: v.CorrelationID, Device: v.Device,
		From: signin.From{
			Address: h.ClientAddress(r), UserAgent: r.UserAgent(), AppVersion: p.get("x-app-ver"),
			OS:  either(r.Header.Get("x-client-os"), either(p.get("x-client-OS"), p.get("x-client-os"))),
			SKU: either(r.Header.Get("x-client-sku"), either(p.get("x-client-SKU"), p.get("x-client-sku"))),
		},
		Code: &signin.CodeRequest{RedirectURI: p.get("redirect_uri")},
	}
	if p.get("code_challenge_method") == "S256" {
		req.Code.Challenge = p.get("code_challenge")
	}
	req.Demand.Login, req.Demand.Consent = p.prompts("login"), p.prompts("consent")
	if text := p.get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return req, aadsts.MalformedRequest.Saying("max_age is not a number of seconds.")
		}
		age := time.Duration(seconds) * time.Second
		req.Demand.MaxAge = &age
	}
	asked, err := claims.Read(p.get("claims"), p.get("amr_values"))
	if err != nil {
		return req, err
	}
	req.Capabilities, req.Demand.MultiFactor, req.Demand.Contexts = asked.Capabilities, asked.MultiFactor, asked.Contexts
	return req, nil
}

// check refuses what the protocol forbids or this server does not do, by name. The client is told, since its redirect URI
// is known to be its own by then.
func (p parameters) check() error {
	switch {
	case p.get("request") != "" || p.get("request_uri") != "":
		return refusalWith(aadsts.MalformedRequest.Saying("Request objects are not supported: send the parameters themselves."), "request_not_supported")
	case p.get("response_type") == "":
		return aadsts.MissingParameter.Saying("The request has no response_type.")
	case p.get("response_type") != "code":
		return refusalWith(aadsts.MalformedRequest.Saying("The response_type is not code: no token is given out by the authorization endpoint."), "unsupported_response_type")
	case !slices.Contains([]string{"", "query", "fragment", "form_post"}, p.get("response_mode")):
		return aadsts.MalformedRequest.Saying("The response_mode is none of query, fragment and form_post.")
	case p.get("code_challenge") != "" && p.get("code_challenge_method") != "S256":
		return aadsts.MalformedRequest.Saying("The code_challenge_method is not S256.")
	case p.prompts("none") && len(strings.Fields(p.get("prompt"))) > 1:
		return aadsts.MalformedRequest.Saying("prompt=none goes with no other prompt.")
	}
	return nil
}

func refusalWith(e *aadsts.Error, oauth string) error {
	c := *e
	c.OAuth = oauth
	return &c
}

// correlationID is the client's, where it gives a GUID.
func correlationID(r *http.Request, p parameters) string {
	for _, text := range []string{r.Header.Get("client-request-id"), p.get("client-request-id")} {
		if id, err := uuid.Parse(text); err == nil && len(text) == 36 {
			return id.String()
		}
	}
	return uuid.NewString()
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// readForm reads a form of this server's own pages.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, aadsts.MalformedRequest.Saying("The form could not be read.").Because(err)
	}
	return r.PostForm, nil
}

// clientInfo is who the account is, for the client's cache.
func clientInfo(a signin.Account) string { return token.ClientInfo(a.Home, a.User) }

func secret(text string) prt.Secret { return prt.Secret(text) }
