package graph

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
)

// roleMembers is a directory role. Roles have no object of their own here: id and template id are the same.
func roleMembers(r directory.Role) members {
	return members{"id": r, "roleTemplateId": r, "displayName": directory.RoleNames[r]}
}

func (h *handler) directoryRoles(q *request) error {
	if err := admin.Authorize(q.caller, admin.ReadDirectory); err != nil {
		return err
	}
	value := []members{}
	for r := range directory.RoleNames {
		value = append(value, roleMembers(r))
	}
	slices.SortFunc(value, func(a, b members) int {
		return cmp.Compare(a["displayName"].(string), b["displayName"].(string))
	})
	return q.filtered("directoryRoles", value)
}

func assignmentMembers(a directory.RoleAssignment) members {
	return members{"id": a.ID(), "principalId": a.User, "roleDefinitionId": a.Role, "directoryScopeId": "/"}
}

func (h *handler) roleAssignments(q *request) error {
	assignments, err := h.Admin.RoleAssignments(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(assignments))
	for i, a := range assignments {
		value[i] = assignmentMembers(a)
	}
	return q.filtered("roleManagement/directory/roleAssignments", value, "principalId", "roleDefinitionId")
}

func (h *handler) assignRole(q *request) error {
	var body struct {
		Principal string `json:"principalId"`
		Role      string `json:"roleDefinitionId"`
		Scope     string `json:"directoryScopeId"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	if body.Scope != "" && body.Scope != "/" {
		e := badRequest("/directoryScopeId: roles are assigned for the whole tenant only.")
		e.remedy = `Send "/".`
		return e
	}
	role := directory.Role(strings.ToLower(body.Role))
	a, err := h.Admin.AssignRole(q.Context(), q.caller, role, body.Principal)
	if err != nil {
		return err
	}
	return q.created("roleManagement/directory/roleAssignments", "/roleManagement/directory/roleAssignments/"+a.ID(), assignmentMembers(a))
}

func (h *handler) unassignRole(q *request) error {
	if err := h.Admin.UnassignRole(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}

// licenceMembers is a subscription as Graph shows it.
func licenceMembers(l directory.Licence) members {
	status := "Success"
	if l.CapabilityStatus != directory.CapabilityActive {
		status = "Disabled"
	}
	plans := []members{}
	for _, id := range l.ServicePlans {
		plans = append(plans, members{"servicePlanId": id, "servicePlanName": admin.PlanNames[id], "provisioningStatus": status, "appliesTo": "User"})
	}
	units := members{"enabled": 0, "suspended": 0, "warning": 0, "lockedOut": 0}
	switch l.CapabilityStatus {
	case directory.CapabilityActive:
		units["enabled"] = l.Units
	case "Suspended", "Deleted":
		units["suspended"] = l.Units
	case "Warning":
		units["warning"] = l.Units
	case "LockedOut":
		units["lockedOut"] = l.Units
	}
	return members{"id": l.SKUID, "skuId": l.SKUID, "skuPartNumber": l.SKUPartNumber, "capabilityStatus": l.CapabilityStatus,
		"appliesTo": "User", "prepaidUnits": units, "servicePlans": plans}
}

func (h *handler) licences(q *request) error {
	licences, err := h.Admin.Licences(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(licences))
	for i, l := range licences {
		value[i] = licenceMembers(l)
	}
	return q.filtered("subscribedSkus", value)
}

type prepaidUnits struct {
	Enabled *int `json:"enabled"`
}

// addLicence serves POST /subscribedSkus, which Graph does not have: here nobody sells licences.
func (h *handler) addLicence(q *request) error {
	var body struct {
		SKU    string        `json:"skuPartNumber"`
		Status *string       `json:"capabilityStatus"`
		Units  *prepaidUnits `json:"prepaidUnits"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	return h.setLicence(q, body.SKU, body.Status, body.Units, http.StatusCreated)
}

func (h *handler) changeLicence(q *request) error {
	var body struct {
		Status *string       `json:"capabilityStatus"`
		Units  *prepaidUnits `json:"prepaidUnits"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	return h.setLicence(q, q.vars["id"], body.Status, body.Units, http.StatusOK)
}

func (h *handler) setLicence(q *request, sku string, status *string, units *prepaidUnits, answer int) error {
	ch := admin.LicenceChange{SKU: sku, CapabilityStatus: status}
	if units != nil {
		ch.Units = units.Enabled
	}
	l, err := h.Admin.SetLicence(q.Context(), q.caller, ch)
	if err != nil {
		return err
	}
	return q.entity(answer, "subscribedSkus", licenceMembers(l))
}
