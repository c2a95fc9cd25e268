package graph

import (
	"net/http"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/policytemplate"
)

const (
	templatesFragment  = "identity/conditionalAccess/templates"
	companionsFragment = "boundgate/policyCompanions"
)

// templateMembers is a template as Graph shows it, with the name that the command line has for it.
func templateMembers(t policytemplate.Template, beta bool) members {
	scenarios := make([]string, len(t.Scenarios))
	for i, s := range t.Scenarios {
		scenarios[i] = string(s)
	}
	return members{
		"id": t.ID, "name": t.Name, "description": t.Description, "scenarios": strings.Join(scenarios, ","),
		"details": members{"conditions": conditionMembers(t.Details.Conditions, beta),
			"grantControls": grantMembers(t.Details.GrantControls), "sessionControls": sessionMembers(t.Details.SessionControls, beta)},
		"@boundgate.key": t.Key, "@boundgate.companion": t.Companion, "@boundgate.needsIncluded": t.ForPilot,
	}
}

func (h *handler) templates(q *request) error {
	list, err := h.Admin.PolicyTemplates(q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(list))
	for i, t := range list {
		value[i] = templateMembers(t, q.beta())
	}
	return q.filtered(templatesFragment, value, "id", "name", "scenarios")
}

func (h *handler) template(q *request) error {
	t, err := h.Admin.PolicyTemplate(q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, templatesFragment, templateMembers(t, q.beta()))
}

// An assignmentBody says whom the policy of a template is for.
type assignmentBody struct {
	DisplayName   string   `json:"displayName"`
	IncludeUsers  []string `json:"includeUsers"`
	IncludeGroups []string `json:"includeGroups"`
	ExcludeUsers  []string `json:"excludeUsers"`
	ExcludeGroups []string `json:"excludeGroups"`
}

// createFromTemplate serves the creation of a template's policy in one step, report-only.
func (h *handler) createFromTemplate(q *request) error {
	var body assignmentBody
	if err := q.read(&body); err != nil {
		return err
	}
	p, warnings, err := h.Admin.CreateFromTemplate(q.Context(), q.caller, q.vars["id"], policytemplate.Assignment(body))
	if err != nil {
		return err
	}
	return q.created(policiesFragment, "/identity/conditionalAccess/policies/"+p.ID, q.withWarnings(policyMembers(p, q.beta()), warnings))
}

// companionMembers says of one companion which policies do its work.
func (q *request) companionMembers(c admin.CompanionPolicy) members {
	policies := []members{}
	for _, p := range c.Policies {
		policies = append(policies, policyMembers(p, q.beta()))
	}
	return q.withWarnings(members{"id": c.Template.ID, "key": c.Template.Key, "name": c.Template.Name, "description": c.Template.Description,
		"missing": c.Missing(), "created": c.Created, "policies": policies}, c.Warnings)
}

func (h *handler) companions(q *request) error {
	list, err := h.Admin.Companions(q.Context(), q.caller)
	if err != nil {
		return err
	}
	return q.companions(list)
}

func (q *request) companions(list []admin.CompanionPolicy) error {
	value := make([]members, len(list))
	for i, c := range list {
		value[i] = q.companionMembers(c)
	}
	return q.filtered(companionsFragment, value)
}

// createCompanions serves the creation of the companions that are missing; it answers with all of them.
func (h *handler) createCompanions(q *request) error {
	var body struct {
		ExcludeUsers  []string `json:"excludeUsers"`
		ExcludeGroups []string `json:"excludeGroups"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	list, err := h.Admin.CreateCompanions(q.Context(), q.caller, policytemplate.Assignment{ExcludeUsers: body.ExcludeUsers, ExcludeGroups: body.ExcludeGroups})
	if err != nil {
		return err
	}
	return q.companions(list)
}
