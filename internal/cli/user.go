package cli

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) userCommands() *cobra.Command {
	cmd := group("user", "Users of the tenant", "  boundgate user list\n  boundgate user disable mika@contoso.example")
	cmd.AddCommand(a.userList(), a.userShow(), a.userCreate(), a.userSwitch("enable", "Let a user sign in again", true),
		a.userSwitch("disable", "Keep a user from signing in; running sessions end at once", false),
		a.userDelete(), a.userPassword(), a.userRevoke(), a.userFactors(), a.userFactorRemove())
	return cmd
}

func (a *app) userList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users", Example: "  boundgate user list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			users, err := list[user](ctx, c, "/users")
			if err != nil {
				return err
			}
			t := table{header: []string{"USER", "NAME", "ENABLED", "TYPE", "EMERGENCY", "ID"}}
			for _, u := range users {
				t.add(u.UPN, u.DisplayName, yesNo(u.Enabled), u.Type, yesNo(u.EmergencyAccess), u.ID)
			}
			return a.show(users, t)
		}),
	}
}

func (a *app) userShow() *cobra.Command {
	return &cobra.Command{
		Use: "show USER", Short: "Show a user with groups and roles", Example: "  boundgate user show mika@contoso.example", Args: arguments("USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			var u user
			if err := c.get(ctx, path("users", args[0]), &u); err != nil {
				return err
			}
			memberOf, err := list[object](ctx, c, path("users", args[0], "transitiveMemberOf"))
			if err != nil {
				return err
			}
			var groups, roles []string
			for _, o := range memberOf {
				if o.Type == "#microsoft.graph.directoryRole" {
					roles = append(roles, o.DisplayName)
				} else {
					groups = append(groups, o.DisplayName)
				}
			}
			return a.fields(map[string]any{"user": u, "groups": groups, "roles": roles},
				"User", u.UPN, "Name", u.DisplayName, "Object id", u.ID, "Enabled", yesNo(u.Enabled), "Type", u.Type,
				"Home tenant", u.HomeTenant, "Emergency access", yesNo(u.EmergencyAccess), "Created", stamp(u.Created),
				"Groups", strings.Join(groups, ", "), "Roles", strings.Join(roles, ", "))
		}),
	}
}

func (a *app) userCreate() *cobra.Command {
	var name, homeTenant, homeUser string
	var emergency, fromStdin, generate bool
	cmd := &cobra.Command{
		Use:   "create USER",
		Short: "Create a user",
		Long: `Create a user. The password is asked for, or read from standard input with --password-stdin; with --generate the
server makes one and this command prints it, once.`,
		Example: `  boundgate user create mika@contoso.example --name "Mika Laine" --generate
  boundgate user create ken_fabrikam@contoso.example --name "Ken" --home-tenant ID --home-user ID`,
		Args:    arguments("USER"),
		PreRunE: oneSource(&generate, &fromStdin),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			body := map[string]any{"userPrincipalName": args[0], "displayName": name, "accountEnabled": true}
			if emergency {
				body["emergencyAccess"] = true
			}
			switch {
			case homeTenant != "" || homeUser != "":
				body["userType"], body["homeTenantId"], body["homeUserId"] = "Guest", homeTenant, homeUser
			case !generate:
				password, err := a.password("Password for "+args[0]+": ", fromStdin)
				if err != nil {
					return err
				}
				body["passwordProfile"] = map[string]any{"password": password}
			}
			var created user
			if err := c.graph(ctx, http.MethodPost, "/users", body, &created); err != nil {
				return err
			}
			pairs := []string{"User", created.UPN, "Object id", created.ID}
			if created.PasswordProfile != nil && created.PasswordProfile.Password != "" {
				pairs = append(pairs, "Password", created.PasswordProfile.Password)
			}
			return a.fields(created, pairs...)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "display name")
	cmd.Flags().StringVar(&homeTenant, "home-tenant", "", "for a guest: id of the home tenant")
	cmd.Flags().StringVar(&homeUser, "home-user", "", "for a guest: object id of the account at home")
	cmd.Flags().BoolVar(&emergency, "emergency-access", false, "mark as a break-glass account")
	cmd.Flags().BoolVar(&generate, "generate", false, "let the server make the password")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

// oneSource makes a check that a password is either made by the server or read, not both.
func oneSource(generate, fromStdin *bool) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if *generate && *fromStdin {
			return Usage(cmd, "--generate and --password-stdin exclude each other")
		}
		return nil
	}
}

func (a *app) userSwitch(use, short string, enabled bool) *cobra.Command {
	return &cobra.Command{
		Use: use + " USER", Short: short, Example: "  boundgate user " + use + " mika@contoso.example", Args: arguments("USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			if err := c.graph(ctx, http.MethodPatch, path("users", args[0]), map[string]any{"accountEnabled": enabled}, nil); err != nil {
				return err
			}
			a.say("%s: %sd", args[0], use)
			return nil
		}),
	}
}

func (a *app) userDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete USER", Short: "Delete a user", Example: "  boundgate user delete mika@contoso.example", Args: arguments("USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			if err := c.graph(ctx, http.MethodDelete, path("users", args[0]), nil, nil); err != nil {
				return err
			}
			a.say("%s: deleted", args[0])
			return nil
		}),
	}
}

func (a *app) userPassword() *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use: "password USER", Short: "Set a user's password; running sessions end at once",
		Example: "  boundgate user password mika@contoso.example\n  boundgate user password --password-stdin mika@contoso.example < password.txt",
		Args:    arguments("USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			password, err := a.password("New password for "+args[0]+": ", fromStdin)
			if err != nil {
				return err
			}
			body := map[string]any{"passwordProfile": map[string]any{"password": password}}
			if err := c.graph(ctx, http.MethodPatch, path("users", args[0]), body, nil); err != nil {
				return err
			}
			a.say("%s: password set", args[0])
			return nil
		}),
	}
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (a *app) userRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke-sessions USER", Short: "End all sessions of a user", Example: "  boundgate user revoke-sessions mika@contoso.example",
		Args: arguments("USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			if err := c.graph(ctx, http.MethodPost, path("users", args[0], "revokeSignInSessions"), nil, nil); err != nil {
				return err
			}
			a.say("%s: sessions ended", args[0])
			return nil
		}),
	}
}
