package cli

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

type roleAssignment struct {
	ID          string `json:"id"`
	PrincipalID string `json:"principalId"`
	RoleID      string `json:"roleDefinitionId"`
}

func (a *app) roleCommands() *cobra.Command {
	cmd := group("role", "Directory roles and who holds them", "  boundgate role list\n  boundgate role assign 'Security Reader' mika@contoso.example")
	cmd.AddCommand(a.roleList(), a.roleAssign(), a.roleUnassign())
	return cmd
}

func (a *app) roleList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List directory roles with their holders", Example: "  boundgate role list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			roles, err := list[object](ctx, c, "/directoryRoles")
			if err != nil {
				return err
			}
			assignments, err := list[roleAssignment](ctx, c, "/roleManagement/directory/roleAssignments")
			if err != nil {
				return err
			}
			users, err := list[user](ctx, c, "/users")
			if err != nil {
				return err
			}
			names := map[string]string{}
			for _, u := range users {
				names[u.ID] = u.UPN
			}
			t := table{header: []string{"ROLE", "HOLDER", "ROLE ID"}}
			for _, r := range roles {
				held := false
				for _, as := range assignments {
					if as.RoleID == r.ID {
						t.add(r.DisplayName, names[as.PrincipalID], r.ID)
						held = true
					}
				}
				if !held {
					t.add(r.DisplayName, "-", r.ID)
				}
			}
			return a.show(map[string]any{"roles": roles, "assignments": assignments}, t)
		}),
	}
}

func (a *app) roleAssign() *cobra.Command {
	return &cobra.Command{
		Use: "assign ROLE USER", Short: "Give a user a directory role", Example: "  boundgate role assign 'Conditional Access Administrator' mika@contoso.example",
		Args: arguments("ROLE", "USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			role, user, err := roleAndUser(ctx, c, args)
			if err != nil {
				return err
			}
			body := map[string]any{"principalId": user, "roleDefinitionId": role, "directoryScopeId": "/"}
			if err := c.graph(ctx, http.MethodPost, "/roleManagement/directory/roleAssignments", body, nil); err != nil {
				return err
			}
			a.say("%s: holds %s", args[1], args[0])
			return nil
		}),
	}
}

func (a *app) roleUnassign() *cobra.Command {
	return &cobra.Command{
		Use: "unassign ROLE USER", Short: "Take a directory role from a user", Example: "  boundgate role unassign 'Security Reader' mika@contoso.example",
		Args: arguments("ROLE", "USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			role, user, err := roleAndUser(ctx, c, args)
			if err != nil {
				return err
			}
			filter := "principalId eq " + quoted(user) + " and roleDefinitionId eq " + quoted(role)
			found, err := list[roleAssignment](ctx, c, filtered("/roleManagement/directory/roleAssignments", filter))
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return failure("run \"boundgate role list\"", "%s does not hold %s", args[1], args[0])
			}
			if err := c.graph(ctx, http.MethodDelete, path("roleManagement", "directory", "roleAssignments", found[0].ID), nil, nil); err != nil {
				return err
			}
			a.say("%s: no longer holds %s", args[1], args[0])
			return nil
		}),
	}
}

func roleAndUser(ctx context.Context, c *client, args []string) (role, user string, err error) {
	roles, err := list[object](ctx, c, "/directoryRoles")
	if err != nil {
		return "", "", err
	}
	for _, r := range roles {
		if strings.EqualFold(r.DisplayName, args[0]) || strings.EqualFold(r.ID, args[0]) {
			role = r.ID
		}
	}
	if role == "" {
		return "", "", failure("run \"boundgate role list\"", "there is no role named %q", args[0])
	}
	user, err = userID(ctx, c, args[1])
	return role, user, err
}
