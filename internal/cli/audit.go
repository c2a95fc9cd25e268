package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// An auditRow is a row of the directory audit log.
type auditRow struct {
	ID          string    `json:"id"`
	At          time.Time `json:"activityDateTime"`
	Activity    string    `json:"activityDisplayName"`
	Category    string    `json:"category"`
	InitiatedBy struct {
		User *struct {
			UPN string `json:"userPrincipalName"`
		} `json:"user"`
		App *struct {
			DisplayName string `json:"displayName"`
		} `json:"app"`
	} `json:"initiatedBy"`
	Targets []struct {
		DisplayName string `json:"displayName"`
		Type        string `json:"type"`
	} `json:"targetResources"`
}

func (r auditRow) actor() string {
	switch {
	case r.InitiatedBy.User != nil:
		return r.InitiatedBy.User.UPN
	case r.InitiatedBy.App != nil:
		return r.InitiatedBy.App.DisplayName
	}
	return ""
}

func (a *app) auditCommands() *cobra.Command {
	cmd := group("audit", "The directory audit log: who changed what", "  boundgate audit list --top 20")
	cmd.AddCommand(a.auditList())
	return cmd
}

func (a *app) auditList() *cobra.Command {
	var top int
	var since time.Duration
	cmd := &cobra.Command{
		Use: "list", Short: "List changes, the newest first", Example: "  boundgate audit list --since 24h\n  boundgate audit list --json", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			query := url.Values{"$top": {fmt.Sprint(min(max(top, 1), 1000))}}
			if since > 0 {
				query.Set("$filter", "activityDateTime ge "+a.now().Add(-since).UTC().Format(time.RFC3339))
			}
			raw, more, err := listUpTo[json.RawMessage](ctx, c, "/auditLogs/directoryAudits?"+query.Encode(), max(top, 1))
			if err != nil {
				return err
			}
			t := table{header: []string{"TIME", "WHO", "ACTIVITY", "TARGET", "ID"}}
			for _, each := range raw {
				var r auditRow
				if err := json.Unmarshal(each, &r); err != nil {
					return failure("check that the server has this program's version", "the server's audit row cannot be read: %v", err)
				}
				target := ""
				if len(r.Targets) > 0 {
					target = r.Targets[0].DisplayName
				}
				t.add(stamp(r.At), r.actor(), r.Activity, target, r.ID)
			}
			if err := a.show(raw, t); err != nil {
				return err
			}
			if more {
				fmt.Fprintln(a.Err, "hint: there are more; raise --top")
			}
			return nil
		}),
	}
	cmd.Flags().IntVar(&top, "top", 50, "how many")
	cmd.Flags().DurationVar(&since, "since", 0, "how far back, such as 24h")
	return cmd
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for weak settings, lapsed licences and policies that may fail", Args: arguments(),
		Long:    "Look for weak settings, lapsed licences and policies that may fail. The exit code is 1 where something serious was found.",
		Example: "  boundgate doctor",
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			findings, err := list[warning](ctx, c, "/boundgate/doctor")
			if err != nil {
				return err
			}
			if a.json {
				if err := writeJSON(a.Out, findings); err != nil {
					return err
				}
			}
			serious := 0
			for _, f := range findings {
				if f.Severity == "error" {
					serious++
				}
				if !a.json {
					fmt.Fprintf(a.Out, "%s %s\n", f.Severity+":", visible(f.Message))
					fmt.Fprintf(a.Out, "  %s\n", visible(f.Remedy))
				}
			}
			if len(findings) == 0 {
				a.say("nothing found")
			}
			if serious > 0 {
				return failure("follow the advice below each finding", "%d serious findings", serious)
			}
			return nil
		}),
	}
}
