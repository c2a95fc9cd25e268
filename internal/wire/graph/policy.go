package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"boundgate/internal/admin"
	"boundgate/internal/policy"
)

const policiesFragment = "identity/conditionalAccess/policies"

// policyStamp spells a time as Graph does in policies, with seven digits; null for none.
func policyStamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// policyMembers is a policy as Graph shows it: what it does not have is null or [], never missing. Members that only the
// beta version has are left out of v1.0.
func policyMembers(p policy.Policy, beta bool) members {
	m := members{
		"id": p.ID, "templateId": nullable(p.TemplateID), "displayName": p.DisplayName,
		"createdDateTime": policyStamp(p.CreatedDateTime), "modifiedDateTime": policyStamp(p.ModifiedDateTime),
		"state": p.State, "conditions": conditionMembers(p.Conditions, beta),
		"grantControls": grantMembers(p.GrantControls), "sessionControls": sessionMembers(p.SessionControls, beta),
	}
	if beta {
		m["description"], m["deletedDateTime"] = nullable(p.Description), nil
	}
	if o := p.Override; o != nil {
		m[overrideReason], m["@boundgate.overriddenFindings"] = o.Reason, list(o.Findings)
	}
	return m
}

// The reason to set a policy On against the linter's advice, as a member of the policy and as a header for clients whose
// types have no such member.
const (
	overrideReason       = "@boundgate.overrideReason"
	overrideReasonHeader = "Boundgate-Override-Reason"
)

func conditionMembers(c policy.Conditions, beta bool) members {
	m := members{
		"clientAppTypes":             list(c.ClientAppTypes),
		"signInRiskLevels":           list(c.SignInRiskLevels),
		"userRiskLevels":             list(c.UserRiskLevels),
		"servicePrincipalRiskLevels": list(c.ServicePrincipalRiskLevels),
		"insiderRiskLevels":          nullable(c.InsiderRiskLevels),
		"authenticationFlows":        present(c.AuthenticationFlows),
		"clientApplications":         present(c.ClientApplications),
		"locations":                  nil,
		"platforms":                  nil,
		"devices":                    nil,
		"applications": members{
			"includeApplications": list(c.Applications.IncludeApplications), "excludeApplications": list(c.Applications.ExcludeApplications),
			"includeUserActions":                          list(c.Applications.IncludeUserActions),
			"includeAuthenticationContextClassReferences": list(c.Applications.IncludeAuthenticationContextClassReferences),
			"applicationFilter":                           present(c.Applications.ApplicationFilter),
		},
		"users": members{
			"includeUsers": list(c.Users.IncludeUsers), "excludeUsers": list(c.Users.ExcludeUsers),
			"includeGroups": list(c.Users.IncludeGroups), "excludeGroups": list(c.Users.ExcludeGroups),
			"includeRoles": list(c.Users.IncludeRoles), "excludeRoles": list(c.Users.ExcludeRoles),
			"includeGuestsOrExternalUsers": present(c.Users.IncludeGuestsOrExternalUsers),
			"excludeGuestsOrExternalUsers": present(c.Users.ExcludeGuestsOrExternalUsers),
		},
	}
	if l := c.Locations; l != nil {
		m["locations"] = members{"includeLocations": list(l.IncludeLocations), "excludeLocations": list(l.ExcludeLocations)}
	}
	if p := c.Platforms; p != nil {
		m["platforms"] = members{"includePlatforms": list(p.IncludePlatforms), "excludePlatforms": list(p.ExcludePlatforms)}
	}
	if d := c.Devices; d != nil {
		m["devices"] = members{"deviceFilter": present(d.DeviceFilter)}
	}
	if beta {
		m["agentIdRiskLevels"] = nullable(c.AgentIDRiskLevels)
	}
	return m
}

func grantMembers(g *policy.GrantControls) any {
	if g == nil {
		return nil
	}
	return members{"operator": g.Operator, "builtInControls": list(g.BuiltInControls),
		"customAuthenticationFactors": list(g.CustomAuthenticationFactors), "termsOfUse": list(g.TermsOfUse),
		"authenticationStrength": present(g.AuthenticationStrength)}
}

func sessionMembers(s *policy.SessionControls, beta bool) any {
	if s == nil {
		return nil
	}
	m := members{
		"disableResilienceDefaults": s.DisableResilienceDefaults, "secureSignInSession": present(s.SecureSignInSession),
		"applicationEnforcedRestrictions": present(s.ApplicationEnforcedRestrictions), "cloudAppSecurity": present(s.CloudAppSecurity),
		"persistentBrowser": present(s.PersistentBrowser), "signInFrequency": present(s.SignInFrequency),
	}
	if beta {
		m["continuousAccessEvaluation"] = present(s.ContinuousAccessEvaluation)
		m["globalSecureAccessFilteringProfile"] = present(s.GlobalSecureAccessFilteringProfile)
	}
	return m
}

// present returns nil for a nil pointer, so that null is written, and the pointer otherwise.
func present[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

// withWarnings adds the annotation that says what may be wrong with a policy that was accepted.
func (q *request) withWarnings(m members, warnings []admin.Warning) members {
	if len(warnings) > 0 {
		m["@boundgate.warnings"] = q.warnings(warnings)
	}
	return m
}

// warnings are findings of the linter, with the mended policies as Graph shows policies.
func (q *request) warnings(warnings []admin.Warning) []members {
	value := make([]members, len(warnings))
	for i, w := range warnings {
		m := members{"id": w.ID, "rule": nullable(w.Rule), "severity": w.Severity, "message": w.Message, "remedy": w.Remedy,
			"target": nullable(w.Target), "template": nullable(w.Template), "blocks": w.Blocks, "mended": nil}
		if w.Mended != nil {
			m["mended"] = policyMembers(*w.Mended, q.beta())
		}
		value[i] = m
	}
	return value
}

func (h *handler) policies(q *request) error {
	policies, err := h.Admin.Policies(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(policies))
	for i, p := range policies {
		value[i] = policyMembers(p, q.beta())
	}
	return q.filtered(policiesFragment, value, "id", "displayName", "state")
}

func (h *handler) policy(q *request) error {
	p, warnings, err := h.Admin.Policy(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, policiesFragment, q.withWarnings(policyMembers(p, q.beta()), warnings))
}

func (h *handler) createPolicy(q *request) error {
	document, repeated, err := q.policyDocument()
	if err != nil {
		return err
	}
	p, warnings, err := h.Admin.CreatePolicy(q.Context(), q.caller, document)
	if err != nil {
		return err
	}
	return q.created(policiesFragment, "/identity/conditionalAccess/policies/"+p.ID,
		q.withWarnings(policyMembers(p, q.beta()), append(warnings, repeatedWarnings(repeated)...)))
}

// updatePolicy serves PATCH. Graph's answer is empty; the warnings stand in the policy when it is read.
func (h *handler) updatePolicy(q *request) error {
	document, _, err := q.policyDocument()
	if err != nil {
		return err
	}
	if _, _, err := h.Admin.UpdatePolicy(q.Context(), q.caller, q.vars["id"], document); err != nil {
		return err
	}
	return q.noContent()
}

// replacePolicy serves PUT: what the body leaves out, the policy loses.
func (h *handler) replacePolicy(q *request) error {
	document, _, err := q.policyDocument()
	if err != nil {
		return err
	}
	if _, _, err := h.Admin.ReplacePolicy(q.Context(), q.caller, q.vars["id"], document); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deletePolicy(q *request) error {
	if err := h.Admin.DeletePolicy(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}

// policyDocument returns the body as one JSON object in which every member appears once, and what had been repeated: of
// repeated members the last one counts, as in documents that are in circulation.
func (q *request) policyDocument() (document []byte, repeated []string, err error) {
	data, err := q.body()
	if err != nil {
		return nil, nil, err
	}
	tree, repeated, err := parseJSON(data)
	if err != nil {
		return nil, nil, err
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, nil, badRequest("1007: The body is not a JSON object.")
	}
	if reasons := q.Header.Values(overrideReasonHeader); len(reasons) > 0 {
		if _, twice := object[overrideReason]; twice || len(reasons) > 1 || !utf8.ValidString(reasons[0]) {
			return nil, nil, badRequest("The reason of an override is given once, as the header %s in UTF-8 or as the member %s.", overrideReasonHeader, overrideReason)
		}
		object[overrideReason] = reasons[0]
	}
	document, err = json.Marshal(object)
	if err != nil {
		return nil, nil, fmt.Errorf("encode policy: %w", err)
	}
	return document, repeated, nil
}

func repeatedWarnings(pointers []string) []admin.Warning {
	list := []admin.Warning{}
	for _, p := range pointers {
		list = append(list, admin.Warning{ID: "repeatedMember", Severity: admin.Advisory, Target: p,
			Message: fmt.Sprintf("The member %s was given more than once; the last one counts.", p), Remedy: "Keep one of them."})
	}
	return list
}
