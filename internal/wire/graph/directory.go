package graph

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
)

// stamp spells a time as Graph does in directory objects; null for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// organization serves GET /organization: the caller's own tenant.
func (h *handler) organization(q *request) error {
	t, err := h.Admin.Tenant(q.Context(), q.caller)
	if err != nil {
		return err
	}
	workspace, err := h.Admin.Workspace(q.Context(), q.caller)
	if err != nil {
		return err
	}
	verified := []members{}
	for _, d := range t.Domains {
		if d.Verified {
			verified = append(verified, members{"name": d.Name, "isInitial": d.Initial, "isDefault": d.Initial, "type": "Managed", "capabilities": ""})
		}
	}
	return q.filtered("organization", []members{{
		"id": t.ID, "displayName": t.DisplayName, "createdDateTime": stamp(t.CreatedAt), "tenantType": "AAD",
		"verifiedDomains": verified, "workspaceId": workspace,
	}})
}

// domains serves GET /domains.
func (h *handler) domains(q *request) error {
	t, err := h.Admin.Tenant(q.Context(), q.caller)
	if err != nil {
		return err
	}
	return q.filtered("domains", domainMembers(t))
}

func domainMembers(t directory.Tenant) []members {
	domains := []members{}
	for _, d := range t.Domains {
		domains = append(domains, members{"id": d.Name, "isVerified": d.Verified, "isInitial": d.Initial, "isDefault": d.Initial, "authenticationType": "Managed"})
	}
	return domains
}

// userMembers is a user as Graph shows it. Guests carry where their account lives.
func userMembers(u directory.User) members {
	m := members{
		"id": u.ID, "displayName": u.DisplayName, "userPrincipalName": u.UPN, "mail": nil, "accountEnabled": u.Enabled,
		"userType": u.Type, "createdDateTime": stamp(u.CreatedAt), "lastPasswordChangeDateTime": stamp(u.PasswordChangedAt),
		"signInSessionsValidFromDateTime": stamp(u.SessionsValidFrom), "emergencyAccess": u.EmergencyAccess,
	}
	if u.Type == directory.Guest {
		m["homeTenantId"], m["homeUserId"] = u.HomeTenant, u.HomeUser
	}
	return m
}

func (h *handler) me(q *request) error {
	u, err := h.Admin.User(q.Context(), q.caller, string(q.caller.User))
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "users", userMembers(u))
}

func (h *handler) users(q *request) error {
	users, err := h.Admin.Users(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(users))
	for i, u := range users {
		value[i] = userMembers(u)
	}
	return q.filtered("users", value, "id", "displayName", "userPrincipalName", "userType", "accountEnabled")
}

func (h *handler) user(q *request) error {
	u, err := h.Admin.User(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "users", userMembers(u))
}

type passwordProfile struct {
	Password string `json:"password"`
	// ForceChange must be false: this server has no page on which to change a password at sign-in.
	ForceChange bool `json:"forceChangePasswordNextSignIn"`
}

func (p *passwordProfile) check() error {
	if p != nil && p.ForceChange {
		e := badRequest("/passwordProfile/forceChangePasswordNextSignIn: a change at the next sign-in is not supported.")
		e.remedy = "Send false."
		return e
	}
	return nil
}

// newUser is the body of POST /users. mailNickname is required of Graph's callers and means nothing here.
type newUser struct {
	Enabled         *bool              `json:"accountEnabled"`
	DisplayName     string             `json:"displayName"`
	MailNickname    string             `json:"mailNickname"`
	UPN             string             `json:"userPrincipalName"`
	Type            directory.UserType `json:"userType"`
	Password        *passwordProfile   `json:"passwordProfile"`
	EmergencyAccess bool               `json:"emergencyAccess"`
	HomeTenant      directory.TenantID `json:"homeTenantId"`
	HomeUser        directory.ObjectID `json:"homeUserId"`
}

func (n newUser) domain() admin.NewUser {
	out := admin.NewUser{UPN: n.UPN, DisplayName: n.DisplayName, Enabled: n.Enabled == nil || *n.Enabled, Type: n.Type,
		EmergencyAccess: n.EmergencyAccess, HomeTenant: n.HomeTenant, HomeUser: n.HomeUser}
	if n.Password != nil {
		out.Password = n.Password.Password
	}
	return out
}

func (h *handler) createUser(q *request) error {
	var body newUser
	if err := q.read(&body); err != nil {
		return err
	}
	if err := body.Password.check(); err != nil {
		return err
	}
	u, generated, err := h.Admin.CreateUser(q.Context(), q.caller, body.domain())
	if err != nil {
		return err
	}
	return q.created("users", "/users/"+string(u.ID), withPassword(userMembers(u), generated))
}

// withPassword adds a generated password to the one answer that ever shows it.
func withPassword(m members, generated string) members {
	if generated != "" {
		m["passwordProfile"] = members{"password": generated}
	}
	return m
}

type userPatch struct {
	Enabled         *bool            `json:"accountEnabled"`
	DisplayName     *string          `json:"displayName"`
	UPN             *string          `json:"userPrincipalName"`
	EmergencyAccess *bool            `json:"emergencyAccess"`
	Password        *passwordProfile `json:"passwordProfile"`
}

func (h *handler) updateUser(q *request) error {
	var body userPatch
	if err := q.read(&body); err != nil {
		return err
	}
	if err := body.Password.check(); err != nil {
		return err
	}
	patch := admin.UserPatch{DisplayName: body.DisplayName, UPN: body.UPN, Enabled: body.Enabled, EmergencyAccess: body.EmergencyAccess}
	if body.Password != nil {
		patch.Password = &body.Password.Password
	}
	if err := h.Admin.UpdateUser(q.Context(), q.caller, q.vars["id"], patch); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deleteUser(q *request) error {
	if err := h.Admin.DeleteUser(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) revokeSessions(q *request) error { return h.revoke(q, q.vars["id"]) }

func (h *handler) revokeMySessions(q *request) error { return h.revoke(q, string(q.caller.User)) }

func (h *handler) revoke(q *request, user string) error {
	if err := h.Admin.RevokeSessions(q.Context(), q.caller, user); err != nil {
		return err
	}
	return q.reply(http.StatusOK, members{"@odata.context": q.context("Edm.Boolean"), "value": true})
}

func (h *handler) memberOf(q *request) error { return h.memberships(q, q.vars["id"], false) }

func (h *handler) transitiveMemberOf(q *request) error { return h.memberships(q, q.vars["id"], true) }

func (h *handler) myMemberOf(q *request) error { return h.memberships(q, string(q.caller.User), false) }

func (h *handler) myTransitiveMemberOf(q *request) error {
	return h.memberships(q, string(q.caller.User), true)
}

// maxAsked bounds the groups that one call asks about, as Graph does.
const maxAsked = 20

// checkMemberGroups says to which of some groups a user belongs, through others too.
func (h *handler) checkMemberGroups(user func(*request) string) func(*request) error {
	return func(q *request) error {
		var body struct {
			GroupIDs []string `json:"groupIds"`
		}
		if err := q.read(&body); err != nil {
			return err
		}
		if len(body.GroupIDs) == 0 || len(body.GroupIDs) > maxAsked {
			return badRequest("/groupIds: name 1 to %d groups.", maxAsked)
		}
		groups, _, err := h.Admin.MemberOf(q.Context(), q.caller, user(q), true)
		if err != nil {
			return err
		}
		found := []string{}
		for _, g := range groups {
			if slices.ContainsFunc(body.GroupIDs, func(id string) bool { return strings.EqualFold(id, string(g.ID)) }) {
				found = append(found, string(g.ID))
			}
		}
		return q.reply(http.StatusOK, members{"@odata.context": q.context("Collection(Edm.String)"), "value": found})
	}
}

// getMemberGroups lists the groups that a user belongs to, through others too, by their ids.
func (h *handler) getMemberGroups(user func(*request) string) func(*request) error {
	return func(q *request) error {
		var body struct {
			SecurityEnabledOnly bool `json:"securityEnabledOnly"` // all groups here are
		}
		if err := q.read(&body); err != nil {
			return err
		}
		groups, _, err := h.Admin.MemberOf(q.Context(), q.caller, user(q), true)
		if err != nil {
			return err
		}
		ids := []string{}
		for _, g := range groups {
			ids = append(ids, string(g.ID))
		}
		return q.reply(http.StatusOK, members{"@odata.context": q.context("Collection(Edm.String)"), "value": ids})
	}
}

// theUser and theCaller are the user whom a path is about.
func theUser(q *request) string   { return q.vars["id"] }
func theCaller(q *request) string { return string(q.caller.User) }

// memberships serves the groups and directory roles of a user.
func (h *handler) memberships(q *request, user string, transitive bool) error {
	groups, roles, err := h.Admin.MemberOf(q.Context(), q.caller, user, transitive)
	if err != nil {
		return err
	}
	value := []members{}
	for _, g := range groups {
		value = append(value, typed("group", groupMembers(g)))
	}
	for _, r := range roles {
		value = append(value, typed("directoryRole", roleMembers(r)))
	}
	return q.filtered("directoryObjects", value)
}

// typed marks an element of a list that holds several types.
func typed(name string, m members) members {
	m["@odata.type"] = "#microsoft.graph." + name
	return m
}
