package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

const policiesPath = "/identity/conditionalAccess/policies"

// maxPolicyFile bounds a policy document, in bytes; the server's limit for bodies is the same.
const maxPolicyFile = 1 << 20

// A policySummary is what the list shows of a policy.
type policySummary struct {
	ID              string `json:"id"`
	DisplayName     string `json:"displayName"`
	State           string `json:"state"`
	SessionControls *struct {
		SecureSignInSession *struct {
			IsEnabled bool `json:"isEnabled"`
		} `json:"secureSignInSession"`
	} `json:"sessionControls"`
	annotated
}

func (p policySummary) tokenProtection() bool {
	return p.SessionControls != nil && p.SessionControls.SecureSignInSession != nil && p.SessionControls.SecureSignInSession.IsEnabled
}

// The words of the command line for the states of a policy (S47).
var stateWords = []struct{ word, state string }{
	{"on", "enabled"}, {"off", "disabled"}, {"report-only", "enabledForReportingButNotEnforced"},
}

func stateWord(state string) string {
	for _, s := range stateWords {
		if s.state == state {
			return s.word
		}
	}
	return state
}

func (a *app) policyCommands() *cobra.Command {
	cmd := group("policy", "Conditional Access policies", `  boundgate policy template token-protection --group Pilot --exclude-group 'Break glass' | boundgate policy create -f -
  boundgate policy state 'TP01 - Token protection - Windows native apps' on`)
	cmd.AddCommand(a.policyList(), a.policyShow(), a.policyCreate(), a.policyUpdate(), a.policyState(), a.policyDelete(), a.policyLint(), a.policyWhatIf(), a.policyImpact(), a.policyTemplates(), a.policyCompanions(),
		a.policyExport(), a.policyImport(), a.policyDiff(), a.policyApply())
	return cmd
}

func (a *app) policyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List policies", Example: "  boundgate policy list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			raw, err := list[json.RawMessage](ctx, c, policiesPath)
			if err != nil {
				return err
			}
			t := table{header: []string{"POLICY", "STATE", "TOKEN PROTECTION", "ID"}}
			for _, each := range raw {
				var p policySummary
				if err := json.Unmarshal(each, &p); err != nil {
					return failure("check that the server has this program's version", "the server's policy cannot be read: %v", err)
				}
				t.add(p.DisplayName, stateWord(p.State), yesNo(p.tokenProtection()), p.ID)
			}
			return a.show(raw, t)
		}),
	}
}

func (a *app) policyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show POLICY", Short: "Print a policy as JSON", Example: "  boundgate policy show 'TP01 - Token protection - Windows native apps'", Args: arguments("POLICY"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, policiesPath, "policy", args[0])
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := c.get(ctx, policiesPath+path(id), &raw); err != nil {
				return err
			}
			return writeJSON(a.Out, raw)
		}),
	}
}

// readFile reads the document that -f names; "-" is standard input.
func (a *app) readFile(cmd *cobra.Command, name string) (json.RawMessage, error) {
	if name == "" {
		return nil, Usage(cmd, "-f FILE is missing")
	}
	data, err := a.readInput(name, "policy", maxPolicyFile)
	if err != nil {
		return nil, err
	}
	if err := wellFormed(data); err != nil {
		return nil, failure("mend the document, or print one with \"boundgate policy template\"", "%s is not JSON: %v", name, err)
	}
	return data, nil
}

func wellFormed(data []byte) error {
	var v any
	return json.Unmarshal(data, &v)
}

func (a *app) policyCreate() *cobra.Command {
	var file, reason string
	cmd := &cobra.Command{
		Use: "create -f FILE", Short: "Create a policy from JSON", Args: arguments(),
		Example: "  boundgate policy create -f token-protection.json\n  boundgate policy template token-protection --group Pilot | boundgate policy create -f -",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, _ []string) error {
		body, err := a.readFile(cmd, file)
		if err != nil {
			return err
		}
		if body, err = withReason(body, reason); err != nil {
			return err
		}
		var raw json.RawMessage
		if err := c.graph(ctx, http.MethodPost, policiesPath, body, &raw); err != nil {
			return err
		}
		var p policySummary
		if err := json.Unmarshal(raw, &p); err != nil {
			return failure("check that the server has this program's version", "the server's policy cannot be read: %v", err)
		}
		a.warn(p.Warnings)
		return a.fields(raw, "Policy", p.DisplayName, "State", stateWord(p.State), "Id", p.ID)
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "JSON file, or - for standard input")
	overrideFlag(cmd, &reason)
	return cmd
}

func (a *app) policyUpdate() *cobra.Command {
	var file, reason string
	cmd := &cobra.Command{
		Use: "update POLICY -f FILE", Short: "Change the parts of a policy that a JSON document names", Args: arguments("POLICY"),
		Example: `  echo '{"displayName":"TP01"}' | boundgate policy update 'TP01 - pilot' -f -`,
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		body, err := a.readFile(cmd, file)
		if err != nil {
			return err
		}
		if body, err = withReason(body, reason); err != nil {
			return err
		}
		return a.patchPolicy(ctx, c, args[0], body, "changed")
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "JSON file, or - for standard input")
	overrideFlag(cmd, &reason)
	return cmd
}

// patchPolicy changes a policy, and asks the linter for its warnings, with what history and the log say: Graph's answer to a
// change is empty.
func (a *app) patchPolicy(ctx context.Context, c *client, key string, body any, done string) error {
	id, err := idOf(ctx, c, policiesPath, "policy", key)
	if err != nil {
		return err
	}
	if err := c.graph(ctx, http.MethodPatch, policiesPath+path(id), body, nil); err != nil {
		return err
	}
	var p policySummary
	if err := c.get(ctx, policiesPath+path(id), &p); err != nil {
		return err
	}
	var findings struct{ Value []warning }
	if err := c.get(ctx, path("boundgate", "policies", id, "lint"), &findings); err != nil {
		return err
	}
	a.warn(findings.Value)
	a.say("%s: %s", p.DisplayName, done)
	return nil
}

func (a *app) policyState() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "state POLICY on|off|report-only", Short: "Enforce a policy, switch it off, or only report what it would do", Args: arguments("POLICY", "on|off|report-only"),
		Example:   "  boundgate policy state 'TP01 - Token protection - Windows native apps' report-only",
		ValidArgs: []string{"on", "off", "report-only"},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, s := range stateWords {
			if s.word == strings.ToLower(args[1]) {
				return a.run(func(ctx context.Context, c *client, args []string) error {
					change := map[string]any{"state": s.state}
					if reason != "" {
						change[overrideReason] = reason
					}
					return a.patchPolicy(ctx, c, args[0], change, s.word)
				})(cmd, args)
			}
		}
		return Usage(cmd, "the state is on, off or report-only, not %q", args[1])
	}
	overrideFlag(cmd, &reason)
	return cmd
}

// overrideReason is the member with the reason to set a policy On against the linter's advice.
const overrideReason = "@boundgate.overrideReason"

func overrideFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "override-reason", "", "why the policy is to be on although the linter advises against it; kept with the policy and in the audit log")
}

// withReason puts the reason of an override into a policy document; "" is none.
func withReason(body json.RawMessage, reason string) (json.RawMessage, error) {
	if reason == "" {
		return body, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, failure("mend the document, or print one with \"boundgate policy template\"", "the document is no JSON object")
	}
	text, err := json.Marshal(reason)
	if err != nil {
		return nil, fmt.Errorf("encode reason: %w", err)
	}
	members[overrideReason] = text
	return encode(members)
}

func (a *app) policyDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete POLICY", Short: "Delete a policy", Example: "  boundgate policy delete 'TP01 - pilot'", Args: arguments("POLICY"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, policiesPath, "policy", args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodDelete, policiesPath+path(id), nil, nil); err != nil {
				return err
			}
			a.say("%s: deleted", args[0])
			return nil
		}),
	}
}
