package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const signInsPath = "/auditLogs/signIns"

// A signIn is what the list shows of a sign-in request.
type signIn struct {
	ID            string    `json:"id"`
	Created       time.Time `json:"createdDateTime"`
	UPN           string    `json:"userPrincipalName"`
	App           string    `json:"appDisplayName"`
	Resource      string    `json:"resourceDisplayName"`
	CorrelationID string    `json:"correlationId"`
	Interactive   bool      `json:"isInteractive"`
	Status        struct {
		ErrorCode     int    `json:"errorCode"`
		FailureReason string `json:"failureReason"`
		Details       string `json:"additionalDetails"`
	} `json:"status"`
	Protection *struct {
		Status string `json:"signInSessionStatus"`
		Code   int    `json:"signInSessionStatusCode"`
	} `json:"tokenProtectionStatusDetails"`
	Device struct {
		ID   string `json:"deviceId"`
		Name string `json:"displayName"`
	} `json:"deviceDetail"`
	ConditionalAccess string `json:"conditionalAccessStatus"`
	Policies          []struct {
		DisplayName  string   `json:"displayName"`
		Result       string   `json:"result"`
		Session      []string `json:"enforcedSessionControls"`
		NotSatisfied []string `json:"sessionControlsNotSatisfied"`
	} `json:"appliedConditionalAccessPolicies"`
}

// protection words "Token Protection - Sign In Session" as the sign-in log shows it (S51).
func (s signIn) protection() string {
	if s.Protection == nil || s.Protection.Status == "" {
		return "-"
	}
	if s.Protection.Status == "bound" {
		return "Bound"
	}
	return fmt.Sprintf("Unbound (%d)", s.Protection.Code)
}

func (s signIn) result() string {
	if s.Status.ErrorCode == 0 {
		return "success"
	}
	return fmt.Sprint(s.Status.ErrorCode)
}

func (a *app) signInCommands() *cobra.Command {
	cmd := group("signin", "The sign-in log", "  boundgate signin list --user mika@contoso.example\n  boundgate signin list --code 1003 --non-interactive")
	cmd.AddCommand(a.signInList(), a.signInShow())
	return cmd
}

func (a *app) signInList() *cobra.Command {
	var user, correlation string
	var since time.Duration
	var errorCode, code, top int
	var nonInteractive bool
	cmd := &cobra.Command{
		Use: "list", Short: "List sign-ins, the newest first", Args: arguments(),
		Long: `List sign-ins, the newest first. A person's sign-in may be several requests: --correlation shows them together.
Interactive sign-ins are listed unless --non-interactive asks for the others.`,
		Example: `  boundgate signin list --since 24h --error 530084
  boundgate signin list --user mika@contoso.example --non-interactive --code 1002`,
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, _ []string) error {
		var terms []string
		add := func(given bool, term string) {
			if given {
				terms = append(terms, term)
			}
		}
		add(nonInteractive, "signInEventTypes/any(t: t eq 'nonInteractiveUser')")
		add(correlation != "" && !nonInteractive, "signInEventTypes/any(t: t eq 'interactiveUser' or t eq 'nonInteractiveUser')")
		add(user != "" && isGUID(user), "userId eq "+quoted(user))
		add(user != "" && !isGUID(user), "userPrincipalName eq "+quoted(strings.ToLower(user)))
		add(correlation != "", "correlationId eq "+quoted(correlation))
		add(since > 0, "createdDateTime ge "+a.now().Add(-since).UTC().Format(time.RFC3339))
		add(cmd.Flags().Changed("error"), fmt.Sprintf("status/errorCode eq %d", errorCode))
		add(cmd.Flags().Changed("code"), fmt.Sprintf("tokenProtectionStatusDetails/signInSessionStatusCode eq %d", code))
		query := url.Values{"$top": {fmt.Sprint(min(max(top, 1), 1000))}}
		if len(terms) > 0 {
			query.Set("$filter", strings.Join(terms, " and "))
		}
		raw, more, err := listUpTo[json.RawMessage](ctx, c, signInsPath+"?"+query.Encode(), max(top, 1))
		if err != nil {
			return err
		}
		return a.showSignIns(raw, more)
	})
	f := cmd.Flags()
	f.StringVar(&user, "user", "", "user principal name or object id")
	f.StringVar(&correlation, "correlation", "", "correlation id")
	f.DurationVar(&since, "since", 0, "how far back, such as 24h")
	f.IntVar(&errorCode, "error", 0, "error code, such as 530084; 0 for successes")
	f.IntVar(&code, "code", 0, "token protection code, such as 1003")
	f.BoolVar(&nonInteractive, "non-interactive", false, "list non-interactive sign-ins")
	f.IntVar(&top, "top", 50, "how many")
	return cmd
}

func (a *app) showSignIns(raw []json.RawMessage, more bool) error {
	t := table{header: []string{"TIME", "USER", "APPLICATION", "RESOURCE", "RESULT", "TOKEN PROTECTION", "DEVICE", "ID"}}
	for _, each := range raw {
		var s signIn
		if err := json.Unmarshal(each, &s); err != nil {
			return failure("check that the server has this program's version", "the server's sign-in cannot be read: %v", err)
		}
		t.add(stamp(s.Created), s.UPN, s.App, s.Resource, s.result(), s.protection(), s.Device.Name, s.ID)
	}
	if err := a.show(raw, t); err != nil {
		return err
	}
	if more {
		fmt.Fprintln(a.Err, "hint: there are more; narrow the filters or raise --top")
	}
	return nil
}

func (a *app) signInShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a sign-in with the result of every policy", Example: "  boundgate signin show 0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410", Args: arguments("ID"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			var raw json.RawMessage
			if err := c.get(ctx, signInsPath+path(args[0]), &raw); err != nil {
				return err
			}
			var s signIn
			if err := json.Unmarshal(raw, &s); err != nil {
				return failure("check that the server has this program's version", "the server's sign-in cannot be read: %v", err)
			}
			pairs := []string{"Sign-in", s.ID, "Time", stamp(s.Created), "User", s.UPN, "Application", s.App, "Resource", s.Resource,
				"Correlation id", s.CorrelationID, "Interactive", yesNo(s.Interactive), "Result", s.result(),
				"Reason", s.Status.FailureReason, "Remedy", s.Status.Details,
				"Token protection", s.protection(), "Device", strings.TrimSpace(s.Device.Name + " " + s.Device.ID),
				"Conditional Access", s.ConditionalAccess}
			for _, p := range s.Policies {
				value := p.Result
				if len(p.NotSatisfied) > 0 {
					value += ", not satisfied: " + strings.Join(p.NotSatisfied, ", ")
				}
				pairs = append(pairs, "Policy "+p.DisplayName, value)
			}
			return a.fields(raw, pairs...)
		}),
	}
}
