package cli

import (
	"context"
	"encoding/json"
	"net/http"

	"boundgate/internal/policytemplate"

	"github.com/spf13/cobra"
)

const (
	templatesPath  = "/identity/conditionalAccess/templates"
	companionsPath = "/boundgate/policyCompanions"
)

// A template is what the list shows of a policy template.
type template struct {
	ID            string `json:"id"`
	Key           string `json:"@boundgate.key"`
	Name          string `json:"name"`
	Companion     bool   `json:"@boundgate.companion"`
	NeedsIncluded bool   `json:"@boundgate.needsIncluded"`
}

// An assignment is whom the policy of a template is for: the flags, and what the server takes.
type assignment struct {
	Name          string   `json:"displayName,omitempty"`
	IncludeUsers  []string `json:"includeUsers,omitempty"`
	IncludeGroups []string `json:"includeGroups,omitempty"`
	ExcludeUsers  []string `json:"excludeUsers,omitempty"`
	ExcludeGroups []string `json:"excludeGroups,omitempty"`
}

func (s *assignment) includeFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.IncludeGroups, "group", nil, "group to include, by name or id (repeatable)")
	cmd.Flags().StringArrayVar(&s.IncludeUsers, "user", nil, "user to include, by name or id (repeatable)")
	cmd.Flags().StringVar(&s.Name, "name", "", "display name (default: the template's)")
}

func (s *assignment) excludeFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.ExcludeGroups, "exclude-group", nil, "group to exclude: the break-glass accounts (repeatable)")
	cmd.Flags().StringArrayVar(&s.ExcludeUsers, "exclude-user", nil, "user to exclude (repeatable)")
}

// resolved returns s with ids in the place of names.
func (s assignment) resolved(ctx context.Context, c *client) (assignment, error) {
	var err error
	out := assignment{Name: s.Name}
	for _, list := range []struct {
		names []string
		ids   *[]string
		id    func(context.Context, *client, string) (string, error)
	}{
		{s.IncludeUsers, &out.IncludeUsers, userID}, {s.ExcludeUsers, &out.ExcludeUsers, userID},
		{s.IncludeGroups, &out.IncludeGroups, groupID}, {s.ExcludeGroups, &out.ExcludeGroups, groupID},
	} {
		for _, name := range list.names {
			var id string
			if id, err = list.id(ctx, c, name); err != nil {
				return out, err
			}
			*list.ids = append(*list.ids, id)
		}
	}
	return out, nil
}

func groupID(ctx context.Context, c *client, key string) (string, error) {
	return idOf(ctx, c, "/groups", "group", key)
}

func (a *app) policyTemplates() *cobra.Command {
	cmd := group("template", "Policies to start from", `  boundgate policy template list
  boundgate policy template create block-device-code --exclude-group 'Break glass'`)
	cmd.AddCommand(a.templateList(), a.templateShow(), a.templateCreate(), a.templateTokenProtection())
	return cmd
}

func (a *app) templateList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List templates", Example: "  boundgate policy template list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			raw, err := list[json.RawMessage](ctx, c, templatesPath)
			if err != nil {
				return err
			}
			t := table{header: []string{"TEMPLATE", "POLICY", "FOR", "COMPANION", "ID"}}
			for _, each := range raw {
				var tmpl template
				if err := json.Unmarshal(each, &tmpl); err != nil {
					return failure("check that the server has this program's version", "the server's template cannot be read: %v", err)
				}
				people := "everybody or --group"
				if tmpl.NeedsIncluded {
					people = "--group"
				}
				t.add(tmpl.Key, tmpl.Name, people, yesNo(tmpl.Companion), tmpl.ID)
			}
			return a.show(raw, t)
		}),
	}
}

func (a *app) templateShow() *cobra.Command {
	return &cobra.Command{
		Use: "show TEMPLATE", Short: "Print a template as JSON", Example: "  boundgate policy template show block-device-code", Args: arguments("TEMPLATE"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			var raw json.RawMessage
			if err := c.get(ctx, templatesPath+path(args[0]), &raw); err != nil {
				return noTemplate(err, args[0])
			}
			return writeJSON(a.Out, raw)
		}),
	}
}

func noTemplate(err error, key string) error {
	if isStatus(err, http.StatusNotFound) {
		return failure("run \"boundgate policy template list\"", "there is no template %q", key)
	}
	return err
}

func (a *app) templateCreate() *cobra.Command {
	var people assignment
	cmd := &cobra.Command{
		Use: "create TEMPLATE", Short: "Create the policy of a template, report-only", Args: arguments("TEMPLATE"),
		Example: "  boundgate policy template create token-protection --group Pilot --exclude-group 'Break glass'",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			body, err := people.resolved(ctx, c)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := c.graph(ctx, http.MethodPost, "/boundgate/policyTemplates"+path(args[0])+"/create", body, &raw); err != nil {
				return noTemplate(err, args[0])
			}
			var p policySummary
			if err := json.Unmarshal(raw, &p); err != nil {
				return failure("check that the server has this program's version", "the server's policy cannot be read: %v", err)
			}
			a.warn(p.Warnings)
			return a.fields(raw, "Policy", p.DisplayName, "State", stateWord(p.State), "Id", p.ID)
		}),
	}
	people.includeFlags(cmd)
	people.excludeFlags(cmd)
	return cmd
}

func (a *app) templateTokenProtection() *cobra.Command {
	var people assignment
	var windowsApp bool
	cmd := &cobra.Command{
		Use: "token-protection", Short: "Print the token protection policy, report-only, for a pilot group", Args: arguments(),
		Example: "  boundgate policy template token-protection --group Pilot --exclude-group 'Break glass' > tp01.json",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, _ []string) error {
		if len(people.IncludeGroups)+len(people.IncludeUsers) == 0 {
			return Usage(cmd, "--group is missing")
		}
		whom, err := people.resolved(ctx, c)
		if err != nil {
			return err
		}
		key := "token-protection"
		if windowsApp {
			key = "token-protection-windows-app"
		}
		tmpl, _ := policytemplate.Find(key)
		p, err := tmpl.Policy(policytemplate.Assignment{DisplayName: whom.Name, IncludeUsers: whom.IncludeUsers, IncludeGroups: whom.IncludeGroups,
			ExcludeUsers: whom.ExcludeUsers, ExcludeGroups: whom.ExcludeGroups})
		if err != nil {
			return err
		}
		return writeJSON(a.Out, p)
	})
	people.includeFlags(cmd)
	people.excludeFlags(cmd)
	cmd.Flags().BoolVar(&windowsApp, "windows-app", false, "also protect Azure Virtual Desktop, Windows 365 and Windows Cloud Login")
	return cmd
}

// A companion is what there is of one policy that belongs beside token protection (S48).
type companion struct {
	Key      string          `json:"key"`
	Name     string          `json:"name"`
	Missing  bool            `json:"missing"`
	Created  bool            `json:"created"`
	Policies []policySummary `json:"policies"`
	annotated
}

func (a *app) policyCompanions() *cobra.Command {
	var people assignment
	var dryRun bool
	cmd := &cobra.Command{
		Use: "companions", Short: "Create the companion policies of token protection that are missing, report-only", Args: arguments(),
		Long: "Token protection for Windows says nothing of a request that claims another platform. Two companion policies do; those that are\n" +
			"missing are created, report-only, for everybody but those who are excluded. What is there stays as it is.",
		Example: "  boundgate policy companions --dry-run\n  boundgate policy companions --exclude-group 'Break glass'",
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			var raw []json.RawMessage
			var err error
			if dryRun {
				raw, err = list[json.RawMessage](ctx, c, companionsPath)
			} else {
				raw, err = createCompanions(ctx, c, people)
			}
			if err != nil {
				return err
			}
			return a.showCompanions(raw)
		}),
	}
	people.excludeFlags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say which exist")
	return cmd
}

func createCompanions(ctx context.Context, c *client, people assignment) ([]json.RawMessage, error) {
	body, err := people.resolved(ctx, c)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Value []json.RawMessage `json:"value"`
	}
	err = c.graph(ctx, http.MethodPost, companionsPath+"/createMissing", body, &answer)
	return answer.Value, err
}

func (a *app) showCompanions(raw []json.RawMessage) error {
	t := table{header: []string{"COMPANION", "STATUS", "POLICY", "STATE"}}
	for _, each := range raw {
		var c companion
		if err := json.Unmarshal(each, &c); err != nil {
			return failure("check that the server has this program's version", "the server's answer cannot be read: %v", err)
		}
		status := "there"
		if c.Created {
			status = "created"
		}
		a.warn(c.Warnings)
		for _, p := range c.Policies {
			t.add(c.Key, status, p.DisplayName, stateWord(p.State))
		}
		if c.Missing {
			t.add(c.Key, "missing", c.Name, "-")
		}
	}
	return a.show(raw, t)
}
