package cli

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) groupCommands() *cobra.Command {
	cmd := group("group", "Groups of the tenant", "  boundgate group create Pilot\n  boundgate group add Pilot mika@contoso.example")
	cmd.AddCommand(a.groupList(), a.groupCreate(), a.groupDelete(), a.groupMembers(), a.groupAdd(), a.groupRemove())
	return cmd
}

func (a *app) groupList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List groups", Example: "  boundgate group list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			groups, err := list[object](ctx, c, "/groups")
			if err != nil {
				return err
			}
			t := table{header: []string{"GROUP", "ID"}}
			for _, g := range groups {
				t.add(g.DisplayName, g.ID)
			}
			return a.show(groups, t)
		}),
	}
}

func (a *app) groupCreate() *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Create a group", Example: "  boundgate group create Pilot", Args: arguments("NAME"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			var g object
			if err := c.graph(ctx, http.MethodPost, "/groups", map[string]any{"displayName": args[0]}, &g); err != nil {
				return err
			}
			return a.fields(g, "Group", g.DisplayName, "Object id", g.ID)
		}),
	}
}

func (a *app) groupDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete GROUP", Short: "Delete a group", Example: "  boundgate group delete Pilot", Args: arguments("GROUP"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, "/groups", "group", args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodDelete, path("groups", id), nil, nil); err != nil {
				return err
			}
			a.say("%s: deleted", args[0])
			return nil
		}),
	}
}

func (a *app) groupMembers() *cobra.Command {
	return &cobra.Command{
		Use: "members GROUP", Short: "List the direct members of a group", Example: "  boundgate group members Pilot", Args: arguments("GROUP"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, "/groups", "group", args[0])
			if err != nil {
				return err
			}
			members, err := list[object](ctx, c, path("groups", id, "members"))
			if err != nil {
				return err
			}
			t := table{header: []string{"MEMBER", "KIND", "NAME", "ID"}}
			for _, m := range members {
				t.add(m.UPN, strings.TrimPrefix(m.Type, "#microsoft.graph."), m.DisplayName, m.ID)
			}
			return a.show(members, t)
		}),
	}
}

// memberID returns the object id of a user (by id or user principal name) or a group (by id or display name).
func memberID(ctx context.Context, c *client, key string) (string, error) {
	if strings.Contains(key, "@") {
		return userID(ctx, c, key)
	}
	return idOf(ctx, c, "/groups", "group", key)
}

func (a *app) groupAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add GROUP MEMBER...", Short: "Add users or groups to a group", Example: "  boundgate group add Pilot mika@contoso.example 'Privileged roles'",
		Args: arguments("GROUP", "MEMBER..."),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, "/groups", "group", args[0])
			if err != nil {
				return err
			}
			for _, key := range args[1:] {
				member, err := memberID(ctx, c, key)
				if err != nil {
					return err
				}
				ref := map[string]any{"@odata.id": c.base.JoinPath("v1.0", "directoryObjects", member).String()}
				if err := c.graph(ctx, http.MethodPost, path("groups", id, "members")+"/$ref", ref, nil); err != nil {
					return err
				}
				a.say("%s: added to %s", key, args[0])
			}
			return nil
		}),
	}
}

func (a *app) groupRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove GROUP MEMBER...", Short: "Remove users or groups from a group", Example: "  boundgate group remove Pilot mika@contoso.example",
		Args: arguments("GROUP", "MEMBER..."),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, "/groups", "group", args[0])
			if err != nil {
				return err
			}
			for _, key := range args[1:] {
				member, err := memberID(ctx, c, key)
				if err != nil {
					return err
				}
				if err := c.graph(ctx, http.MethodDelete, path("groups", id, "members", member)+"/$ref", nil, nil); err != nil {
					return err
				}
				a.say("%s: removed from %s", key, args[0])
			}
			return nil
		}),
	}
}
