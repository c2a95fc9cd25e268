package graph

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
)

// memberNames returns the names of the members of two objects, each once and in order.
func memberNames(a, b map[string]json.RawMessage) []string {
	names := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tenantMembers is a tenant on Boundgate's own routes. Settings are for the tenant's own people.
func tenantMembers(t directory.Tenant, own bool) members {
	domains := []members{}
	for _, d := range t.Domains {
		domains = append(domains, members{"name": d.Name, "isVerified": d.Verified, "isInitial": d.Initial})
	}
	m := members{"id": t.ID, "displayName": t.DisplayName, "createdDateTime": stamp(t.CreatedAt), "domains": domains}
	if own {
		settings := t.Settings
		settings.DevicesPerUser = settings.Quota()
		settings.InboundTrust = list(settings.InboundTrust)
		m["settings"] = settings
	}
	return m
}

func (h *handler) tenants(q *request) error {
	tenants, err := h.Admin.Tenants(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(tenants))
	for i, t := range tenants {
		value[i] = tenantMembers(t, t.ID == q.caller.Tenant)
	}
	return q.filtered("boundgate/tenants", value)
}

func (h *handler) tenant(q *request) error {
	if !q.ownTenant() {
		return directory.ErrNotFound
	}
	t, err := h.Admin.Tenant(q.Context(), q.caller)
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "boundgate/tenants", tenantMembers(t, true))
}

func (h *handler) createTenant(q *request) error {
	var body struct {
		DisplayName   string `json:"displayName"`
		Domain        string `json:"domain"`
		Administrator struct {
			UPN         string           `json:"userPrincipalName"`
			DisplayName string           `json:"displayName"`
			Password    *passwordProfile `json:"passwordProfile"`
		} `json:"administrator"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	if err := body.Administrator.Password.check(); err != nil {
		return err
	}
	n := admin.NewTenant{DisplayName: body.DisplayName, Domain: body.Domain,
		Administrator: admin.NewUser{UPN: body.Administrator.UPN, DisplayName: body.Administrator.DisplayName}}
	if p := body.Administrator.Password; p != nil {
		n.Administrator.Password = p.Password
	}
	t, first, generated, err := h.Admin.CreateTenant(q.Context(), q.caller, n)
	if err != nil {
		return err
	}
	m := tenantMembers(t, false)
	m["administrator"] = withPassword(userMembers(first), generated)
	return q.created("boundgate/tenants", "/boundgate/tenants/"+string(t.ID), m)
}

// updateTenant serves PATCH of the caller's own tenant.
func (h *handler) updateTenant(q *request) error {
	var body struct {
		DisplayName *string `json:"displayName"`
		Settings    *struct {
			AllowKDF1               *bool                     `json:"allowKdf1"`
			AllowDeviceCodeSessions *bool                     `json:"allowDeviceCodeSessions"`
			AllowStaleRegistration  *bool                     `json:"allowStaleRegistration"`
			DenyPasswordGrant       *bool                     `json:"denyPasswordGrant"`
			DenyUserConsent         *bool                     `json:"denyUserConsent"`
			FamilyRefreshTokens     *bool                     `json:"familyRefreshTokens"`
			DevicesPerUser          *int                      `json:"devicesPerUser"`
			InboundTrust            *[]directory.InboundTrust `json:"inboundTrust"`
		} `json:"settings"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	if !q.ownTenant() {
		return directory.ErrNotFound
	}
	patch := admin.SettingsPatch{DisplayName: body.DisplayName}
	if s := body.Settings; s != nil {
		patch.AllowKDF1, patch.AllowDeviceCodeSessions, patch.AllowStaleRegistration = s.AllowKDF1, s.AllowDeviceCodeSessions, s.AllowStaleRegistration
		patch.DenyUserConsent, patch.FamilyRefreshTokens = s.DenyUserConsent, s.FamilyRefreshTokens
		patch.DenyPasswordGrant, patch.DevicesPerUser, patch.InboundTrust = s.DenyPasswordGrant, s.DevicesPerUser, s.InboundTrust
	}
	if _, err := h.Admin.UpdateSettings(q.Context(), q.caller, patch); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) addDomain(q *request) error {
	var body struct {
		ID string `json:"id"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	if err := h.Admin.AddDomain(q.Context(), q.caller, q.vars["id"], body.ID); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) removeDomain(q *request) error {
	if err := h.Admin.RemoveDomain(q.Context(), q.caller, q.vars["id"], q.vars["domain"]); err != nil {
		return err
	}
	return q.noContent()
}

// doctor serves GET /beta/boundgate/doctor: what is weak or may fail in the caller's tenant.
func (h *handler) doctor(q *request) error {
	found, err := h.Admin.Examine(q.Context(), q.caller)
	if err != nil {
		return err
	}
	return q.reply(http.StatusOK, members{"@odata.context": q.context("boundgate/doctor"), "value": list(found)})
}
