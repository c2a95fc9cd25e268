package graph

import (
	"net/http"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

const strengthsFragment = "policies/authenticationStrengthPolicies"

// builtIn is when the authentication strengths that every tenant has were made, as Graph says it.
const builtIn = "2021-12-01T00:00:00Z"

// strengthMembers is an authentication strength with the combinations of methods that satisfy it here.
func strengthMembers(s policy.Strength) members {
	return members{
		"id": s.ID, "displayName": s.DisplayName, "description": s.Description, "policyType": "builtIn", "requirementsSatisfied": "mfa",
		"allowedCombinations": list(s.Combinations), "createdDateTime": builtIn, "modifiedDateTime": builtIn,
	}
}

func (h *handler) strengths(q *request) error {
	if err := admin.Authorize(q.caller, admin.ReadPolicies); err != nil {
		return err
	}
	value := make([]members, len(policy.Strengths))
	for i, s := range policy.Strengths {
		value[i] = strengthMembers(s)
	}
	return q.filtered(strengthsFragment, value, "id", "displayName", "policyType")
}

func (h *handler) strength(q *request) error {
	if err := admin.Authorize(q.caller, admin.ReadPolicies); err != nil {
		return err
	}
	for _, s := range policy.Strengths {
		if strings.EqualFold(s.ID, q.vars["id"]) {
			return q.entity(http.StatusOK, strengthsFragment, strengthMembers(s))
		}
	}
	return directory.ErrNotFound
}
