package graph

import (
	"net/http"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
)

// applicationMembers is a client as Graph shows it, with its entry in the catalogue of S13, S20 and S21.
func applicationMembers(a directory.Application) members {
	return members{
		"id": a.AppID, "appId": a.AppID, "displayName": a.DisplayName, "isFallbackPublicClient": a.PublicClient,
		"publicClient":   members{"redirectUris": list(a.RedirectURIs)},
		"web":            members{"redirectUris": list(a.WebRedirectURIs)},
		"spa":            members{"redirectUris": list(a.SPARedirectURIs)},
		"signInAudience": "AzureADMyOrg", "disabled": a.Disabled, "family": a.Family, "signingAlgorithm": nullable(a.SigningAlgorithm),
		"servicePrincipalId": nullable(a.ServicePrincipal), "passwordCredentials": secretList(a.Secrets), "keyCredentials": certificateList(a.Certificates),
		"listed": a.Listed, "minimumVersion": nullable(a.MinimumVersion), "brokerOption": nullable(a.BrokerOption),
		"unsupported": a.Unsupported, "why": nullable(a.Why), "userAgents": list(a.UserAgents), "builtIn": a.BuiltIn,
	}
}

func (h *handler) applications(q *request) error {
	apps, err := h.Admin.Applications(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(apps))
	for i, a := range apps {
		value[i] = applicationMembers(a)
	}
	return q.filtered("applications", value, "id", "appId", "displayName")
}

func (h *handler) application(q *request) error {
	a, err := h.Admin.Application(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "applications", applicationMembers(a))
}

// applicationBody is what may be set of a client. A null clears a text.
type applicationBody struct {
	DisplayName    *string `json:"displayName"`
	FallbackPublic *bool   `json:"isFallbackPublicClient"`
	PublicClient   *struct {
		RedirectURIs *[]string `json:"redirectUris"`
	} `json:"publicClient"`
	Web *struct {
		RedirectURIs *[]string `json:"redirectUris"`
	} `json:"web"`
	SPA *struct {
		RedirectURIs *[]string `json:"redirectUris"`
	} `json:"spa"`
	Keys *[]struct {
		Key         string  `json:"key"`
		DisplayName *string `json:"displayName"`
		Type        *string `json:"type"`
		Usage       *string `json:"usage"`
	} `json:"keyCredentials"`
	Disabled         *bool            `json:"disabled"`
	Family           *bool            `json:"family"`
	SigningAlgorithm optional[string] `json:"signingAlgorithm"`

	Listed         *bool            `json:"listed"`
	MinimumVersion optional[string] `json:"minimumVersion"`
	BrokerOption   optional[string] `json:"brokerOption"`
	Unsupported    *bool            `json:"unsupported"`
	Why            optional[string] `json:"why"`
	UserAgents     *[]string        `json:"userAgents"`
}

func (b applicationBody) patch() admin.ApplicationPatch {
	p := admin.ApplicationPatch{DisplayName: b.DisplayName, PublicClient: b.FallbackPublic, Listed: b.Listed,
		MinimumVersion: cleared(b.MinimumVersion), BrokerOption: cleared(b.BrokerOption), Unsupported: b.Unsupported,
		Why: cleared(b.Why), UserAgents: b.UserAgents}
	if b.PublicClient != nil {
		p.RedirectURIs = b.PublicClient.RedirectURIs
	}
	if b.Web != nil {
		p.WebRedirectURIs = b.Web.RedirectURIs
	}
	if b.SPA != nil {
		p.SPARedirectURIs = b.SPA.RedirectURIs
	}
	if b.Keys != nil {
		certificates := []admin.NewCertificate{}
		for _, k := range *b.Keys {
			c := admin.NewCertificate{Key: k.Key}
			if k.DisplayName != nil {
				c.DisplayName = *k.DisplayName
			}
			certificates = append(certificates, c)
		}
		p.Certificates = &certificates
	}
	p.Disabled, p.Family, p.SigningAlgorithm = b.Disabled, b.Family, cleared(b.SigningAlgorithm)
	return p
}

// cleared returns the text to set: "" for null, nil where the member is missing.
func cleared(o optional[string]) *string {
	if o.given && o.value == nil {
		return new(string)
	}
	return o.value
}

// newApplication is the body of POST /applications; unlike Graph's callers, these may choose the appId.
type newApplication struct {
	AppID string `json:"appId"`
	applicationBody
}

func (h *handler) createApplication(q *request) error {
	var body newApplication
	if err := q.read(&body); err != nil {
		return err
	}
	a, err := h.Admin.CreateApplication(q.Context(), q.caller, body.AppID, body.patch())
	if err != nil {
		return err
	}
	return q.created("applications", "/applications/"+string(a.AppID), applicationMembers(a))
}

func (h *handler) updateApplication(q *request) error {
	var body applicationBody
	if err := q.read(&body); err != nil {
		return err
	}
	if err := h.Admin.UpdateApplication(q.Context(), q.caller, q.vars["id"], body.patch()); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deleteApplication(q *request) error {
	if err := h.Admin.DeleteApplication(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}

// resourceMembers is a resource as Graph shows a service principal.
func resourceMembers(r directory.Resource) members {
	id := r.ObjectID
	if id == "" {
		id = directory.ObjectID(r.AppID)
	}
	return members{"id": id, "appId": r.AppID, "displayName": r.DisplayName, "servicePrincipalType": "Application",
		"accountEnabled": true, "servicePrincipalNames": list(r.IdentifierURIs), "supported": r.Supported, "builtIn": r.BuiltIn}
}

func (h *handler) resources(q *request) error {
	resources, err := h.Admin.Resources(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(resources))
	for i, r := range resources {
		value[i] = resourceMembers(r)
	}
	return q.filtered("servicePrincipals", value, "id", "appId", "displayName")
}

func (h *handler) resource(q *request) error {
	r, err := h.Admin.Resource(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "servicePrincipals", resourceMembers(r))
}

type resourceBody struct {
	DisplayName *string   `json:"displayName"`
	Names       *[]string `json:"servicePrincipalNames"`
}

func (b resourceBody) patch() admin.ResourcePatch {
	return admin.ResourcePatch{DisplayName: b.DisplayName, IdentifierURIs: b.Names}
}

type newResource struct {
	AppID string `json:"appId"`
	resourceBody
}

func (h *handler) createResource(q *request) error {
	var body newResource
	if err := q.read(&body); err != nil {
		return err
	}
	r, err := h.Admin.CreateResource(q.Context(), q.caller, body.AppID, body.patch())
	if err != nil {
		return err
	}
	return q.created("servicePrincipals", "/servicePrincipals/"+string(r.ObjectID), resourceMembers(r))
}

func (h *handler) updateResource(q *request) error {
	var body resourceBody
	if err := q.read(&body); err != nil {
		return err
	}
	if err := h.Admin.UpdateResource(q.Context(), q.caller, q.vars["id"], body.patch()); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deleteResource(q *request) error {
	if err := h.Admin.DeleteResource(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}
