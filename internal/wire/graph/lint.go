package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"boundgate/internal/admin"
)

// lintPolicy says what there is to say about a policy of the tenant.
func (h *handler) lintPolicy(q *request) error {
	findings, err := h.Admin.LintPolicy(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.findings(findings)
}

// lintDocument says it about a policy that is sent, as a new one or in place of the one with an id. Nothing is stored.
func (h *handler) lintDocument(q *request) error {
	data, err := q.body()
	if err != nil {
		return err
	}
	tree, repeated, err := parseJSON(data)
	if err != nil {
		return err
	}
	body, ok := tree.(map[string]any)
	if !ok {
		return badRequest("The body is not a JSON object.")
	}
	for name := range body {
		if name != "policy" && name != "id" {
			return badRequest("/%s: there is no such member: send policy, and id where the policy takes the place of another.", pointerToken(name))
		}
	}
	id, isText := body["id"].(string)
	if _, given := body["id"]; given && !isText {
		return badRequest("/id: the id of a policy is a text.")
	}
	if _, ok := body["policy"].(map[string]any); !ok {
		return badRequest("/policy: the policy to lint is missing, or no object.")
	}
	document, err := json.Marshal(body["policy"])
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	findings, err := h.Admin.LintDocument(q.Context(), q.caller, id, document)
	if err != nil {
		return err
	}
	for i := range repeated {
		repeated[i] = strings.TrimPrefix(repeated[i], "/policy") // findings point into the policy
	}
	return q.findings(append(findings, repeatedWarnings(repeated)...))
}

func (q *request) findings(findings []admin.Warning) error {
	return q.reply(http.StatusOK, members{"@odata.context": q.context("boundgate/policies/lint"), "value": q.warnings(findings)})
}
