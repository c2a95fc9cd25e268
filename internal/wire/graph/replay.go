package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/policy"
)

// replay tries a policy on the sign-ins of the past. Nothing is stored.
func (h *handler) replay(q *request) error {
	data, err := q.body()
	if err != nil {
		return err
	}
	tree, _, err := parseJSON(data)
	if err != nil {
		return err
	}
	r := &bodyReader{}
	body := r.object(tree, "")
	r.only(body, "", "policy", "id", "state", "from", "to")
	draft := admin.Draft{ID: r.text(body, "", "id"), State: oneOf(r, body, "", "state", policy.Enabled, policy.ReportOnly, policy.Disabled)}
	from, to := r.moment(body, "from"), r.moment(body, "to")
	document := r.object(body["policy"], "/policy")
	if r.err != nil {
		return r.err
	}
	if document != nil {
		if draft.Document, err = json.Marshal(document); err != nil {
			return fmt.Errorf("encode policy: %w", err)
		}
	}
	result, err := h.Admin.Replay(q.Context(), q.caller, draft, from, to)
	if err != nil {
		return err
	}
	return q.reply(http.StatusOK, replayMembers(q, result))
}

// moment reads a time, RFC 3339.
func (r *bodyReader) moment(m map[string]any, name string) time.Time {
	t, err := time.Parse(time.RFC3339, r.text(m, "", name))
	if err != nil {
		r.fail("/%s: a time such as 2026-01-31T10:00:00Z belongs here.", name)
	}
	return t
}

func replayMembers(q *request, r admin.Replay) members {
	shares := func(list []admin.Share) []members {
		out := []members{}
		for _, s := range list {
			out = append(out, members{"name": s.Name, "count": s.Count})
		}
		return out
	}
	cause := func(d policy.Decision) any {
		if !d.Cause.Refuses() {
			return nil
		}
		return members{"policyId": d.Cause.PolicyID, "policyName": d.Cause.PolicyName, "requirement": d.Cause.Requirement, "errorCode": d.Cause.Err.Code}
	}
	examples := []members{}
	for _, e := range r.Examples {
		examples = append(examples, members{"createdDateTime": stamp(e.At), "correlationId": e.CorrelationID, "isInteractive": e.Interactive,
			"userPrincipalName": e.UPN, "appDisplayName": e.App, "resourceDisplayName": e.Resource, "recorded": e.Status,
			"now": members{"status": e.Now.Status, "cause": cause(e.Now)}, "with": members{"status": e.With.Status, "cause": cause(e.With)}})
	}
	return members{
		"@odata.context": q.context("boundgate/policies/replay"), "from": stamp(r.From), "to": stamp(r.To), "signIns": r.SignIns,
		"withoutRecordedFacts": r.Unrecorded, "truncated": r.Truncated, "decidedOtherwiseSince": r.Drifted, "granted": r.Granted, "blocked": r.Blocked,
		"nowBlocked": r.NowBlocked, "nowGranted": r.NowGranted, "wouldBeBlockedReportOnly": r.WouldBe, "byCause": shares(r.ByCause),
		"byUser": shares(r.ByUser), "byApplication": shares(r.ByApp), "byTokenProtection": shares(r.ByTokenProtection), "examples": examples,
	}
}
