package logquery

import (
	"context"
	"fmt"
	"time"

	"boundgate/internal/signinlog"
)

// evidenceTimeout bounds how long an administrator waits for what the log has to say of a policy.
const evidenceTimeout = 5 * time.Second

// PolicyEvidence tells what a workspace holds of a policy since a moment: whether there is any non-interactive sign-in, and
// how many sign-ins the policy, report-only, would have refused. The id is one that this server made, or "" for a
// policy that is not there yet.
func (e *Engine) PolicyEvidence(ctx context.Context, workspace, policyID string, since time.Time) (nonInteractive bool, wouldBlock int, err error) {
	count := func(text string) (int, error) {
		r, err := e.Run(ctx, Request{Workspace: workspace, Text: text, From: since, Timeout: evidenceTimeout})
		if err != nil {
			return 0, fmt.Errorf("evidence of a policy: %w", err)
		}
		n, ok := r.Rows[0][0].(int64) // count has one row
		if !ok {
			return 0, fmt.Errorf("evidence of a policy: the count is a %T", r.Rows[0][0])
		}
		return int(n), nil
	}
	seen, err := count(signinlog.NonInteractiveTable + " | take 1 | count")
	if err != nil || policyID == "" {
		return seen > 0, 0, err
	}
	for _, table := range []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable} {
		n, err := count(table + fmt.Sprintf(` | where tostring(ConditionalAccessPolicies) contains %q`, policyID) +
			` | mv-expand applied = todynamic(tostring(ConditionalAccessPolicies))` +
			fmt.Sprintf(` | where tostring(applied.id) =~ %q and tostring(applied.result) == "reportOnlyFailure" | count`, policyID))
		if err != nil {
			return false, 0, err
		}
		wouldBlock += n
	}
	return seen > 0, wouldBlock, nil
}
