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

// A configuration is an OpenID Connect discovery document (OpenID Connect Discovery 1.0 section 3).
type configuration struct {
	Issuer                 string   `json:"issuer"`
	TokenEndpoint          string   `json:"token_endpoint"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	JWKSURI                string   `json:"jwks_uri"`
	ResponseTypes          []string `json:"response_types_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	SigningAlgorithms      []string `json:"id_token_signing_alg_values_supported"`
	GrantTypes             []string `json:"grant_types_supported"`
	Scopes                 []string `json:"scopes_supported"`
	TokenEndpointAuth      []string `json:"token_endpoint_auth_methods_supported"`
	Claims                 []string `json:"claims_supported"`
	TenantRegionScope      any      `json:"tenant_region_scope"`
	CloudInstanceName      string   `json:"cloud_instance_name"`
	MSGraphHost            string   `json:"msgraph_host"`
	Capabilities           []string `json:"capabilities"`
	RequestParameterInUse  bool     `json:"request_uri_parameter_supported"`
	CodeChallengeSupported []string `json:"code_challenge_methods_supported"`
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
	base, suffix := h.Issuer.URL+"/"+segment, ""
	if v == token.V2 {
		suffix = "v2.0/"
	}
	return writeJSON(w, http.StatusOK, configuration{
		Issuer: issuer, TokenEndpoint: base + "/oauth2/" + suffix + "token",
		AuthorizationEndpoint: base + "/oauth2/" + suffix + "authorize", JWKSURI: base + "/discovery/" + suffix + "keys",
		ResponseTypes: []string{"code"}, SubjectTypes: []string{"pairwise"}, SigningAlgorithms: []string{"RS256"},
		GrantTypes: []string{"password", "refresh_token", grantJWTBearer},
		Scopes:     []string{"openid", "profile", "email", "offline_access"}, TokenEndpointAuth: []string{"none"},
		Claims:            []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "preferred_username", "name", "tid", "oid", "ver"},
		CloudInstanceName: hostOf(h.Issuer.URL), MSGraphHost: hostOf(h.Issuer.URL), Capabilities: []string{"kdf_ver2"},
		CodeChallengeSupported: []string{"S256"},
	})
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

// instance answers which cloud an authority belongs to: this one, alone.
func (h handler) instance(w http.ResponseWriter, r *http.Request) error {
	asked, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || asked.Scheme != "https" || asked.Host == "" {
		invalid := *aadsts.MalformedRequest
		invalid.OAuth, invalid.Code, invalid.Message = "invalid_instance", 50049, "The authorization endpoint is not one of this instance."
		return &invalid
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(asked.Path, "/"), "/")
	own := hostOf(h.Issuer.URL)
	return writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + asked.Host + "/" + url.PathEscape(tenant) + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{
			"preferred_network": asked.Host, "preferred_cache": asked.Host, "aliases": unique(asked.Host, own),
		}},
	})
}

// userRealm says how the users of a domain sign in: here, with a password. It looks at the domain alone, so that no name
// can be tried out.
func (h handler) userRealm(w http.ResponseWriter, r *http.Request) error {
	_, domain, ok := directory.SplitUPN(r.PathValue("user"))
	account := "Unknown"
	if ok {
		if _, err := h.Tenants.TenantByName(r.Context(), domain); err == nil {
			account = "Managed"
		} else if !errors.Is(err, directory.ErrNotFound) {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, map[string]string{
		"ver": "1.0", "account_type": account, "domain_name": domain, "cloud_instance_name": hostOf(h.Issuer.URL),
		"cloud_audience_urn": "urn:federation:MicrosoftOnline",
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
