package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

type tenant struct {
	ID          string          `json:"id"`
	DisplayName string          `json:"displayName"`
	Domains     []domain        `json:"domains"`
	Settings    json.RawMessage `json:"settings"`
}

func (t tenant) domainNames() string {
	names := make([]string, len(t.Domains))
	for i, d := range t.Domains {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}

func (a *app) tenantCommands() *cobra.Command {
	cmd := group("tenant", "Tenants of the deployment and settings of your own", "  boundgate tenant show\n  boundgate tenant set --deny-password-grant=true")
	cmd.AddCommand(a.tenantList(), a.tenantCreate(), a.tenantShow(), a.tenantSet(), a.tenantDomain("add-domain", http.MethodPost), a.tenantDomain("remove-domain", http.MethodDelete))
	return cmd
}

func (a *app) tenantList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List tenants: all of them for the operator, your own otherwise", Example: "  boundgate tenant list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			tenants, err := list[tenant](ctx, c, "/boundgate/tenants")
			if err != nil {
				return err
			}
			t := table{header: []string{"TENANT", "DOMAINS", "ID"}}
			for _, each := range tenants {
				t.add(each.DisplayName, each.domainNames(), each.ID)
			}
			return a.show(tenants, t)
		}),
	}
}

func (a *app) tenantCreate() *cobra.Command {
	var name, administrator string
	var fromStdin, generate bool
	cmd := &cobra.Command{
		Use: "create DOMAIN", Short: "Create a tenant with its first Global Administrator", Args: arguments("DOMAIN"),
		Example: "  boundgate tenant create fabrikam.example --name Fabrikam --generate",
		PreRunE: oneSource(&generate, &fromStdin),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			if administrator == "" {
				administrator = "admin@" + args[0]
			}
			admin := map[string]any{"userPrincipalName": administrator, "displayName": "Administrator"}
			if !generate {
				password, err := a.password("Password for "+administrator+": ", fromStdin)
				if err != nil {
					return err
				}
				admin["passwordProfile"] = map[string]any{"password": password}
			}
			var created struct {
				tenant
				Administrator user `json:"administrator"`
			}
			body := map[string]any{"displayName": name, "domain": args[0], "administrator": admin}
			if err := c.graph(ctx, http.MethodPost, "/boundgate/tenants", body, &created); err != nil {
				return err
			}
			pairs := []string{"Tenant", created.DisplayName, "Id", created.ID, "Domains", created.domainNames(), "Administrator", created.Administrator.UPN}
			if p := created.Administrator.PasswordProfile; p != nil && p.Password != "" {
				pairs = append(pairs, "Password", p.Password)
			}
			return a.fields(created, pairs...)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "display name of the organisation")
	cmd.Flags().StringVar(&administrator, "administrator", "", "user principal name of the first administrator (default: admin@DOMAIN)")
	cmd.Flags().BoolVar(&generate, "generate", false, "let the server make the password")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

// ownTenant returns the tenant of whoever is signed in.
func ownTenant(ctx context.Context, c *client) (organization, error) {
	orgs, err := list[organization](ctx, c, "/organization")
	if err != nil {
		return organization{}, err
	}
	if len(orgs) != 1 {
		return organization{}, failure("check that --server names a Boundgate server", "the server did not say which tenant you are in")
	}
	return orgs[0], nil
}

func (a *app) tenantShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show your tenant with its settings", Example: "  boundgate tenant show", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			own, err := ownTenant(ctx, c)
			if err != nil {
				return err
			}
			var t tenant
			if err := c.get(ctx, path("boundgate", "tenants", own.ID), &t); err != nil {
				return err
			}
			return a.fields(t, "Tenant", t.DisplayName, "Id", t.ID, "Workspace", own.Workspace, "Domains", t.domainNames(), "Settings", string(t.Settings))
		}),
	}
}

func (a *app) tenantSet() *cobra.Command {
	var name string
	var kdf1, deviceCode, stale, denyPassword, denyConsent, family bool
	var quota int
	cmd := &cobra.Command{
		Use: "set", Short: "Change settings of your tenant", Args: arguments(),
		Example: "  boundgate tenant set --allow-kdf1=false\n  boundgate tenant set --devices-per-user 20",
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "display name")
	f.BoolVar(&kdf1, "allow-kdf1", false, "accept sessions with key derivation version 1")
	f.BoolVar(&deviceCode, "allow-device-code-sessions", false, "let device code sessions register devices and become a PRT")
	f.BoolVar(&stale, "allow-stale-registration", false, "record registrations without a fresh sign-in (code 1003) instead of refusing them")
	f.BoolVar(&denyPassword, "deny-password-grant", false, "switch the password grant off (these commands sign in with it)")
	f.BoolVar(&denyConsent, "deny-user-consent", false, "leave it to administrators to agree to what applications ask for")
	f.BoolVar(&family, "family-refresh-tokens", false, "let the applications of a family redeem one another's refresh tokens")
	f.IntVar(&quota, "devices-per-user", 0, "registration quota per user; 0 for the default")
	cmd.RunE = a.run(func(ctx context.Context, c *client, _ []string) error {
		settings := map[string]any{}
		for flag, member := range map[string]struct {
			name  string
			value any
		}{
			"allow-kdf1": {"allowKdf1", kdf1}, "allow-device-code-sessions": {"allowDeviceCodeSessions", deviceCode},
			"allow-stale-registration": {"allowStaleRegistration", stale}, "deny-password-grant": {"denyPasswordGrant", denyPassword},
			"deny-user-consent": {"denyUserConsent", denyConsent}, "family-refresh-tokens": {"familyRefreshTokens", family},
			"devices-per-user": {"devicesPerUser", quota},
		} {
			if f.Changed(flag) {
				settings[member.name] = member.value
			}
		}
		body := map[string]any{}
		if len(settings) > 0 {
			body["settings"] = settings
		}
		if f.Changed("name") {
			body["displayName"] = name
		}
		if len(body) == 0 {
			return Usage(cmd, "nothing to set")
		}
		own, err := ownTenant(ctx, c)
		if err != nil {
			return err
		}
		if err := c.graph(ctx, http.MethodPatch, path("boundgate", "tenants", own.ID), body, nil); err != nil {
			return err
		}
		a.say("settings changed")
		return nil
	})
	return cmd
}

func (a *app) tenantDomain(use, method string) *cobra.Command {
	short := "Give a tenant a further domain (operator only)"
	if method == http.MethodDelete {
		short = "Take a domain from a tenant (operator only)"
	}
	return &cobra.Command{
		Use: use + " TENANT-ID DOMAIN", Short: short, Args: arguments("TENANT-ID", "DOMAIN"),
		Example: "  boundgate tenant " + use + " 9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55 fabrikam.example",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			target, body := path("boundgate", "tenants", args[0], "domains"), any(map[string]any{"id": args[1]})
			if method == http.MethodDelete {
				target, body = path("boundgate", "tenants", args[0], "domains", args[1]), nil
			}
			if err := c.graph(ctx, method, target, body, nil); err != nil {
				return err
			}
			a.say("%s: done", args[1])
			return nil
		}),
	}
}
