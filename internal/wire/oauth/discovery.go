package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/token"
)

// A configuration is an OpenID Connect discovery document (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2,
// OpenID Connect RP-Initiated Logout 1.0 section 2.1), with the members that Microsoft's clients read.
type configuration struct {
	Issuer                 string   `json:"issuer"`
	TokenEndpoint          string   `json:"token_endpoint"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	DeviceEndpoint         string   `json:"device_authorization_endpoint"`
	EndSessionEndpoint     string   `json:"end_session_endpoint"`
	UserInfoEndpoint       string   `json:"userinfo_endpoint"`
	JWKSURI                string   `json:"jwks_uri"`
	ResponseTypes          []string `json:"response_types_supported"`
	ResponseModes          []string `json:"response_modes_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	SigningAlgorithms      []string `json:"id_token_signing_alg_values_supported"`
	GrantTypes             []string `json:"grant_types_supported"`
	Scopes                 []string `json:"scopes_supported"`
	TokenEndpointAuth      []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAlgorithm []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Claims                 []string `json:"claims_supported"`
	ClaimsParameter        bool     `json:"claims_parameter_supported"`
	RequestParameter       bool     `json:"request_parameter_supported"`
	RequestParameterInUse  bool     `json:"request_uri_parameter_supported"`
	Prompts                []string `json:"prompt_values_supported"`
	UILocales              []string `json:"ui_locales_supported"`
	CodeChallengeSupported []string `json:"code_challenge_methods_supported"`
	TenantRegionScope      any      `json:"tenant_region_scope"`
	CloudInstanceName      string   `json:"cloud_instance_name"`
	MSGraphHost            string   `json:"msgraph_host"`
	Capabilities           []string `json:"capabilities"`
}

func (h handler) configurationV1(w http.ResponseWriter, r *http.Request) error {
	return h.configuration(w, r, token.V1)
}

func (h handler) configurationV2(w http.ResponseWriter, r *http.Request) error {
	return h.configuration(w, r, token.V2)
}

func (h handler) configuration(w http.ResponseWriter, r *http.Request, v token.Version) error {
	segment, issuer, err := h.discoveredTenant(r, v)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, h.describe(segment, issuer, v))
}

// describe says what the endpoints of one version can do.
func (h handler) describe(segment, issuer string, v token.Version) configuration {
	base, suffix := h.Issuer.URL+"/"+segment, ""
	if v == token.V2 {
		suffix = "v2.0/"
	}
	endpoints, host := base+"/oauth2/"+suffix, hostOf(h.Issuer.URL)
	return configuration{
		Issuer: issuer, TokenEndpoint: endpoints + "token", AuthorizationEndpoint: endpoints + "authorize",
		DeviceEndpoint: endpoints + "devicecode", EndSessionEndpoint: endpoints + "logout", UserInfoEndpoint: h.Issuer.URL + "/oidc/userinfo",
		JWKSURI:       base + "/discovery/" + suffix + "keys",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query", "fragment", "form_post"},
		SubjectTypes: []string{"public"}, SigningAlgorithms: []string{"RS256", "ES256"},
		GrantTypes: []string{
			"authorization_code", "refresh_token", grantDeviceCode, "client_credentials", "password", grantJWTBearer,
		},
		Scopes:                 []string{"openid", "profile", "email", "offline_access"},
		TokenEndpointAuth:      []string{"client_secret_post", "client_secret_basic", "private_key_jwt", "none"},
		TokenEndpointAlgorithm: []string{"RS256", "PS256", "ES256"},
		Claims:                 []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "preferred_username", "name", "tid", "oid", "ver"},
		ClaimsParameter:        true, Prompts: []string{"none", "login", "select_account", "consent"}, UILocales: []string{"en", "ja"},
		CodeChallengeSupported: []string{"S256"}, CloudInstanceName: host, MSGraphHost: host, Capabilities: []string{"kdf_ver2"},
	}
}

// discoveredTenant returns the path segment that the document's addresses use and the issuer. For common and organizations
// the issuer holds the placeholder that clients fill in.
func (h handler) discoveredTenant(r *http.Request, v token.Version) (segment, issuer string, err error) {
	segment = r.PathValue("tenant")
	switch segment {
	case "consumers":
		return "", "", aadsts.ConsumersRefused
	case "common", "organizations":
		return segment, h.Issuer.Issuer(v, "{tenantid}"), nil
	}
	tenant, err := h.Tenants.TenantByName(r.Context(), segment)
	if errors.Is(err, directory.ErrNotFound) {
		return "", "", aadsts.UnknownTenant.Saying("The tenant %s was not found.", printable(segment))
	}
	return string(tenant.ID), h.Issuer.Issuer(v, tenant.ID), err
}

func (h handler) keys(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, h.Keys())
}

// instance answers which cloud an authority belongs to: this one, under its public name or under the one that the client
// has reached it by. Any other host is none of ours, and no client may be told to trust it.
func (h handler) instance(w http.ResponseWriter, r *http.Request) error {
	asked, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	own := hostOf(h.Issuer.URL)
	if err != nil || asked.Scheme != "https" || asked.Host != own && asked.Host != r.Host {
		invalid := *aadsts.MalformedRequest
		invalid.OAuth, invalid.Code, invalid.Message = "invalid_instance", 50049, "The authorization endpoint is not one of this instance."
		return &invalid
	}
	version := "1.1"
	if r.URL.Query().Get("api-version") == "1.0" {
		version = "1.0"
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(asked.Path, "/"), "/")
	return writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + asked.Host + "/" + url.PathEscape(tenant) + "/v2.0/.well-known/openid-configuration",
		"api-version":               version,
		"metadata": []map[string]any{{
			"preferred_network": asked.Host, "preferred_cache": asked.Host, "aliases": unique(asked.Host, own),
		}},
	})
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func unique(a, b string) []string {
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}
