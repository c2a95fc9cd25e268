package graph

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"boundgate/internal/directory"
)

// secretMembers is a secret as Graph shows it: never its text.
func secretMembers(k directory.ClientSecret) members {
	return members{"keyId": k.KeyID, "displayName": nullable(k.DisplayName), "hint": k.Hint, "startDateTime": stamp(k.StartsAt),
		"endDateTime": stamp(k.ExpiresAt), "secretText": nil}
}

func secretList(secrets []directory.ClientSecret) []members {
	value := make([]members, len(secrets))
	for i, k := range secrets {
		value[i] = secretMembers(k)
	}
	return value
}

func certificateList(certificates []directory.ClientCertificate) []members {
	value := make([]members, len(certificates))
	for i, c := range certificates {
		value[i] = members{"keyId": c.KeyID, "displayName": nullable(c.DisplayName), "type": "AsymmetricX509Cert", "usage": "Verify",
			"endDateTime": stamp(c.ExpiresAt), "customKeyIdentifier": c.Thumbprint()}
	}
	return value
}

// addPassword serves POST /applications/{id}/addPassword: the one answer that has the text of a secret.
func (h *handler) addPassword(q *request) error {
	var body struct {
		Password *struct {
			DisplayName *string    `json:"displayName"`
			End         *time.Time `json:"endDateTime"`
		} `json:"passwordCredential"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	name, end := "", time.Time{}
	if p := body.Password; p != nil {
		if p.DisplayName != nil {
			name = *p.DisplayName
		}
		if p.End != nil {
			end = *p.End
		}
	}
	text, kept, err := h.Admin.AddSecret(q.Context(), q.caller, q.vars["id"], name, end)
	if err != nil {
		return err
	}
	m := secretMembers(kept)
	m["secretText"], m["@odata.context"] = text, q.context("microsoft.graph.passwordCredential")
	return q.reply(http.StatusOK, m)
}

func (h *handler) removePassword(q *request) error {
	var body struct {
		KeyID string `json:"keyId"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	if err := h.Admin.RemoveSecret(q.Context(), q.caller, q.vars["id"], strings.ToLower(body.KeyID)); err != nil {
		return err
	}
	return q.noContent()
}

func federatedMembers(f directory.FederatedCredential) members {
	return members{"id": f.ID, "name": f.Name, "issuer": f.Issuer, "subject": f.Subject, "audiences": list(f.Audiences), "jwks": json.RawMessage(f.JWKS)}
}

func (h *handler) federated(q *request) error {
	a, err := h.Admin.Application(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	value := make([]members, len(a.Federated))
	for i, f := range a.Federated {
		value[i] = federatedMembers(f)
	}
	return q.filtered("applications/federatedIdentityCredentials", value)
}

// addFederated takes Graph's members and, since this server fetches nothing, the issuer's keys.
func (h *handler) addFederated(q *request) error {
	var body struct {
		Name      string          `json:"name"`
		Issuer    string          `json:"issuer"`
		Subject   string          `json:"subject"`
		Audiences []string        `json:"audiences"`
		JWKS      json.RawMessage `json:"jwks"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	made, err := h.Admin.AddFederated(q.Context(), q.caller, q.vars["id"], directory.FederatedCredential{
		Name: body.Name, Issuer: body.Issuer, Subject: body.Subject, Audiences: body.Audiences, JWKS: string(body.JWKS),
	})
	if err != nil {
		return err
	}
	return q.created("applications/federatedIdentityCredentials", "/applications/"+q.vars["id"]+"/federatedIdentityCredentials/"+made.ID, federatedMembers(made))
}

func (h *handler) removeFederated(q *request) error {
	if err := h.Admin.RemoveFederated(q.Context(), q.caller, q.vars["id"], q.vars["credential"]); err != nil {
		return err
	}
	return q.noContent()
}

// consentMembers is a consent as Graph shows an oauth2PermissionGrant.
func consentMembers(c directory.Consent) members {
	kind := "Principal"
	if c.User == "" {
		kind = "AllPrincipals"
	}
	return members{"id": c.ID, "clientId": c.Client, "resourceId": c.Resource, "consentType": kind, "principalId": nullable(c.User), "scope": strings.Join(c.Scopes, " ")}
}

func (h *handler) consents(q *request) error {
	consents, err := h.Admin.Consents(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(consents))
	for i, c := range consents {
		value[i] = consentMembers(c)
	}
	return q.filtered("oauth2PermissionGrants", value, "clientId", "resourceId", "principalId", "consentType")
}

func (h *handler) grantConsent(q *request) error {
	var body struct {
		Client    string           `json:"clientId"`
		Resource  string           `json:"resourceId"`
		Type      string           `json:"consentType"`
		Principal optional[string] `json:"principalId"`
		Scope     string           `json:"scope"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	grant := directory.Consent{Client: directory.AppID(strings.ToLower(body.Client)), Resource: directory.AppID(strings.ToLower(body.Resource)), Scopes: strings.Fields(body.Scope)}
	switch {
	case body.Type == "AllPrincipals":
	case body.Type == "Principal" && body.Principal.value != nil:
		u, err := h.Admin.User(q.Context(), q.caller, *body.Principal.value)
		if err != nil {
			return err
		}
		grant.User = u.ID
	default:
		return badRequest("/consentType: write AllPrincipals, or Principal with a principalId.")
	}
	made, err := h.Admin.GrantConsent(q.Context(), q.caller, grant)
	if err != nil {
		return err
	}
	return q.created("oauth2PermissionGrants", "/oauth2PermissionGrants/"+made.ID, consentMembers(made))
}

func (h *handler) revokeConsent(q *request) error {
	if err := h.Admin.RevokeConsent(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}
