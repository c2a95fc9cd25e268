package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// An impact is the answer to a replay, as far as the command shows it.
type impact struct {
	SignIns    int     `json:"signIns"`
	Unrecorded int     `json:"withoutRecordedFacts"`
	Truncated  bool    `json:"truncated"`
	Drifted    int     `json:"decidedOtherwiseSince"`
	Granted    int     `json:"granted"`
	Blocked    int     `json:"blocked"`
	NowBlocked int     `json:"nowBlocked"`
	NowGranted int     `json:"nowGranted"`
	WouldBe    int     `json:"wouldBeBlockedReportOnly"`
	ByCause    []share `json:"byCause"`
	ByUser     []share `json:"byUser"`
	ByApp      []share `json:"byApplication"`
	ByCode     []share `json:"byTokenProtection"`
	From       string  `json:"from"`
}

type share struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// policyImpact asks which sign-ins of the past a policy, or a draft of one, would have changed.
func (a *app) policyImpact() *cobra.Command {
	var days int
	var as string
	cmd := &cobra.Command{
		Use: "impact POLICY|FILE", Short: "Try a policy on the sign-ins of the past", Args: arguments("POLICY|FILE"),
		Long: "Try a policy of the tenant, or a file with one, on the sign-ins of the last days, and say which of them would have gone\n" +
			"otherwise. The same function decides as on real sign-ins; groups and roles are those of today. Nothing is stored.",
		Example: "  boundgate policy impact 'TP01 - Token protection - Windows native apps' --as on\n  boundgate policy impact draft.json --days 30 --json",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		if days < 1 || days > 365 {
			return Usage(cmd, "--days is a number from 1 to 365")
		}
		now := time.Now().UTC()
		body := map[string]any{"from": now.AddDate(0, 0, -days).Format(time.RFC3339), "to": now.Add(time.Minute).Format(time.RFC3339)}
		if err := a.impactOf(ctx, cmd, c, args[0], body); err != nil {
			return err
		}
		if as != "" {
			state := stateNamed(as)
			if state == "" {
				return Usage(cmd, "--as is on, off or report-only")
			}
			body["state"] = state
		}
		var raw json.RawMessage
		if err := c.graph(ctx, http.MethodPost, path("boundgate", "policies", "replay"), body, &raw); err != nil {
			return err
		}
		var r impact
		if err := json.Unmarshal(raw, &r); err != nil {
			return failure("check that the server has this program's version", "the server's answer cannot be read: %v", err)
		}
		return a.showImpact(raw, r)
	})
	cmd.Flags().IntVar(&days, "days", 7, "how far to look back")
	cmd.Flags().StringVar(&as, "as", "", "try the policy on, off or report-only; as it is if left out")
	return cmd
}

// impactOf adds the policy: a file of that name, or a policy of the tenant.
func (a *app) impactOf(ctx context.Context, cmd *cobra.Command, c *client, what string, body map[string]any) error {
	if info, err := os.Stat(what); what == "-" || err == nil && info.Mode().IsRegular() {
		document, err := a.readFile(cmd, what)
		body["policy"] = document
		return err
	}
	id, err := idOf(ctx, c, policiesPath, "policy", what)
	body["id"] = id
	return err
}

func stateNamed(word string) string {
	for _, s := range stateWords {
		if s.word == strings.ToLower(word) {
			return s.state
		}
	}
	return ""
}

func (a *app) showImpact(raw json.RawMessage, r impact) error {
	t := table{header: []string{"SIGN-INS", "COUNT"}}
	row := func(name string, n int) { t.add(name, strconv.Itoa(n)) }
	row("decided again", r.SignIns)
	row("granted by the policies of today", r.Granted)
	row("refused by the policies of today", r.Blocked)
	row("granted today, refused with this policy", r.NowBlocked)
	row("refused today, granted with this policy", r.NowGranted)
	row("would be refused, report-only", r.WouldBe)
	for _, list := range []struct {
		what   string
		shares []share
	}{{"requirement", r.ByCause}, {"application", r.ByApp}, {"user", r.ByUser}, {"session", r.ByCode}} {
		for _, s := range list.shares {
			row(fmt.Sprintf("  %s %s", list.what, s.Name), s.Count)
		}
	}
	if !a.json {
		if r.Unrecorded > 0 {
			a.note("%d sign-ins have no facts on record and were left out: imported, not judged, or older than this release.", r.Unrecorded)
		}
		if r.Drifted > 0 {
			a.note("%d sign-ins are decided otherwise today than they were: policies, groups or the directory have changed since.", r.Drifted)
		}
		if r.Truncated {
			a.note("There are more sign-ins than one replay reads: it goes back to %s.", r.From)
		}
	}
	return a.show(raw, t)
}
