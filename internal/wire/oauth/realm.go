package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
)

// How the people of a domain sign in: with us, or we do not know them.
const (
	realmManaged = "Managed"
	realmUnknown = "Unknown"
)

// A realm is what may be told of a name without telling whether it exists: all of it is known of its domain (P13).
type realm struct {
	login, domain, kind string
}

func (h handler) realmOf(ctx context.Context, login string) (realm, error) {
	found := realm{login: login, kind: realmUnknown}
	_, domain, ok := directory.SplitUPN(login)
	if !ok {
		return found, nil
	}
	found.domain = domain
	_, err := h.Tenants.TenantByName(ctx, domain)
	switch {
	case err == nil:
		found.kind = realmManaged
	case !errors.Is(err, directory.ErrNotFound):
		return found, err
	}
	return found, nil
}

// userRealm says how the people of a domain sign in, in the shape of the version that is asked for.
func (h handler) userRealm(w http.ResponseWriter, r *http.Request) error {
	found, err := h.realmOf(r.Context(), r.PathValue("user"))
	if err != nil {
		return err
	}
	host := hostOf(h.Issuer.URL)
	if r.URL.Query().Get("api-version") == "2.0" {
		return writeJSON(w, http.StatusOK, map[string]string{
			"NameSpaceType": found.kind, "Login": found.login, "DomainName": found.domain, "FederationBrandName": found.domain,
			"CloudInstanceName": host,
		})
	}
	return writeJSON(w, http.StatusOK, map[string]string{
		"ver": "1.0", "account_type": found.kind, "domain_name": found.domain, "cloud_instance_name": host,
		"cloud_audience_urn": "urn:federation:MicrosoftOnline",
	})
}

func (h handler) userRealmSRF(w http.ResponseWriter, r *http.Request) error {
	found, err := h.realmOf(r.Context(), r.URL.Query().Get("login"))
	if err != nil {
		return err
	}
	const known, unknown = 4, 3
	state := unknown
	if found.kind == realmManaged {
		state = known
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"State": state, "UserState": 1, "Login": found.login, "NameSpaceType": found.kind, "DomainName": found.domain,
		"FederationBrandName": found.domain, "CloudInstanceName": hostOf(h.Issuer.URL), "CloudInstanceIssuerUri": "urn:federation:MicrosoftOnline",
	})
}

// credentialType says with what a name signs in. Every name of a domain that is served here "exists" (P13).
func (h handler) credentialType(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Username string `json:"username"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&asked); err != nil {
		return aadsts.MalformedRequest.Saying("The request body is not a JSON object with a username.").Because(err)
	}
	found, err := h.realmOf(r.Context(), asked.Username)
	if err != nil {
		return err
	}
	const exists, doesNot, password = 0, 1, 1
	result := doesNot
	if found.kind == realmManaged {
		result = exists
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"Username": found.login, "Display": found.login, "IfExistsResult": result, "ThrottleStatus": 0,
		"Credentials": map[string]any{
			"PrefCredential": password, "HasPassword": true, "HasAccessPass": false, "HasFido": false, "HasRemoteNGC": false,
		},
	})
}

// federationProvider says which tenant a domain is of and where its authority and its directory are.
func (h handler) federationProvider(w http.ResponseWriter, r *http.Request) error {
	domain := r.URL.Query().Get("domain")
	tenant, err := h.Tenants.TenantByName(r.Context(), domain)
	if errors.Is(err, directory.ErrNotFound) {
		return aadsts.UnknownTenant.Saying("The tenant %s was not found.", printable(domain))
	}
	if err != nil {
		return err
	}
	host := hostOf(h.Issuer.URL)
	return writeJSON(w, http.StatusOK, map[string]string{"tenantId": string(tenant.ID), "authority_host": host, "graph": host})
}
