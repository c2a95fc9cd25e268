package graph

import (
	"net/http"
	"net/url"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
)

func groupMembers(g directory.Group) members {
	return members{"id": g.ID, "displayName": g.DisplayName, "createdDateTime": stamp(g.CreatedAt), "groupTypes": []string{},
		"securityEnabled": true, "mailEnabled": false, "description": nil}
}

func (h *handler) groups(q *request) error {
	groups, err := h.Admin.Groups(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(groups))
	for i, g := range groups {
		value[i] = groupMembers(g)
	}
	return q.filtered("groups", value, "id", "displayName")
}

func (h *handler) group(q *request) error {
	g, err := h.Admin.Group(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "groups", groupMembers(g))
}

// newGroup is the body of POST /groups. Groups here are security groups; Graph's callers have to say so.
type newGroup struct {
	DisplayName     string   `json:"displayName"`
	MailNickname    string   `json:"mailNickname"` // required of Graph's callers, means nothing here
	MailEnabled     *bool    `json:"mailEnabled"`
	SecurityEnabled *bool    `json:"securityEnabled"`
	GroupTypes      []string `json:"groupTypes"`
}

func (h *handler) createGroup(q *request) error {
	var body newGroup
	if err := q.read(&body); err != nil {
		return err
	}
	if body.MailEnabled != nil && *body.MailEnabled || body.SecurityEnabled != nil && !*body.SecurityEnabled || len(body.GroupTypes) > 0 {
		e := badRequest("Only security groups with assigned members are supported.")
		e.remedy = "Send mailEnabled false, securityEnabled true and no groupTypes."
		return e
	}
	g, err := h.Admin.CreateGroup(q.Context(), q.caller, body.DisplayName)
	if err != nil {
		return err
	}
	return q.created("groups", "/groups/"+string(g.ID), groupMembers(g))
}

func (h *handler) updateGroup(q *request) error {
	var body struct {
		DisplayName string `json:"displayName"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	if err := h.Admin.RenameGroup(q.Context(), q.caller, q.vars["id"], body.DisplayName); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deleteGroup(q *request) error {
	if err := h.Admin.DeleteGroup(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) members(q *request) error {
	list, err := h.Admin.Members(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.memberList(list)
}

func (h *handler) transitiveMembers(q *request) error {
	list, err := h.Admin.TransitiveMembers(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.memberList(list)
}

func (q *request) memberList(list []admin.Member) error {
	value := []members{}
	for _, m := range list {
		if m.Kind == directory.GroupMember {
			value = append(value, typed("group", groupMembers(m.Group)))
		} else {
			value = append(value, typed("user", userMembers(m.User)))
		}
	}
	return q.filtered("directoryObjects", value)
}

// addMember serves POST /groups/{id}/members/$ref. The reference names the member by the end of its address.
func (h *handler) addMember(q *request) error {
	data, err := q.body()
	if err != nil {
		return err
	}
	tree, _, err := parseJSON(data)
	if err != nil {
		return err
	}
	object, _ := tree.(map[string]any)
	reference, _ := object["@odata.id"].(string)
	member, ok := referenced(reference)
	if !ok || len(object) != 1 {
		e := badRequest("The body does not consist of an @odata.id that names a directory object.")
		e.remedy = `Send {"@odata.id": "` + q.h.PublicURL + `/v1.0/directoryObjects/ID"}.`
		return e
	}
	if err := h.Admin.AddMember(q.Context(), q.caller, q.vars["id"], member); err != nil {
		return err
	}
	return q.noContent()
}

// referenced returns the object id at the end of an address like https://host/v1.0/directoryObjects/{id}.
func referenced(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil {
		return "", false
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(segments) < 2 {
		return "", false
	}
	switch strings.ToLower(segments[len(segments)-2]) {
	case "directoryobjects", "users", "groups":
		return segments[len(segments)-1], true
	}
	return "", false
}

func (h *handler) removeMember(q *request) error {
	if err := h.Admin.RemoveMember(q.Context(), q.caller, q.vars["id"], q.vars["member"]); err != nil {
		return err
	}
	return q.noContent()
}
