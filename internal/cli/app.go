package cli

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// An application is an entry of the catalogue of clients (S13, S20, S21).
type application struct {
	AppID        string `json:"appId"`
	DisplayName  string `json:"displayName"`
	PublicClient *struct {
		RedirectURIs []string `json:"redirectUris"`
	} `json:"publicClient"`
	Listed         bool     `json:"listed"`
	MinimumVersion string   `json:"minimumVersion"`
	BrokerOption   string   `json:"brokerOption"`
	Unsupported    bool     `json:"unsupported"`
	Why            string   `json:"why"`
	UserAgents     []string `json:"userAgents"`
	BuiltIn        bool     `json:"builtIn"`
}

// support says in a phrase whether the application can use bound sessions.
func (app application) support() string {
	switch {
	case app.Unsupported:
		return "not supported"
	case app.Listed && app.MinimumVersion != "":
		return "from " + app.MinimumVersion
	case app.Listed:
		return "supported"
	}
	return "not listed"
}

func (a *app) appCommands() *cobra.Command {
	cmd := group("app", "The catalogue of client applications", "  boundgate app list\n  boundgate app set 1fec8e78-bce4-4aaf-ab1b-5451cc387264 --minimum-version 1.7.0")
	cmd.AddCommand(a.appList(), a.appShow(), a.appAdd(), a.appSet(), a.appSecretAdd(), a.appSecretRemove(), a.appCertificate(), a.appConsent(), a.appRemove())
	return cmd
}

func (a *app) appList() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List applications with their support for bound sessions", Args: arguments(),
		Example: "  boundgate app list\n  boundgate app list --all",
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			apps, err := list[application](ctx, c, "/applications")
			if err != nil {
				return err
			}
			t := table{header: []string{"APPLICATION", "SUPPORT", "APP ID", "OPTION OR REASON"}}
			shown := []application{}
			for _, each := range apps {
				if all || each.Listed || each.Unsupported || !each.BuiltIn {
					shown = append(shown, each)
					t.add(each.DisplayName, each.support(), each.AppID, each.BrokerOption+each.Why)
				}
			}
			return a.show(shown, t)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list the applications beside the catalogue too")
	return cmd
}

// findApp reads an application by its appId or display name.
func findApp(ctx context.Context, c *client, key string) (application, error) {
	apps, err := list[application](ctx, c, "/applications")
	if err != nil {
		return application{}, err
	}
	for _, each := range apps {
		if strings.EqualFold(each.AppID, key) || strings.EqualFold(each.DisplayName, key) {
			return each, nil
		}
	}
	return application{}, failure("run \"boundgate app list --all\"", "there is no application %q", key)
}

func (a *app) appShow() *cobra.Command {
	return &cobra.Command{
		Use: "show APP", Short: "Show an application", Example: "  boundgate app show 'Microsoft Teams'", Args: arguments("APP"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findApp(ctx, c, args[0])
			if err != nil {
				return err
			}
			redirects := ""
			if found.PublicClient != nil {
				redirects = strings.Join(found.PublicClient.RedirectURIs, ", ")
			}
			return a.fields(found, "Application", found.DisplayName, "App id", found.AppID, "Support", found.support(),
				"Broker option", found.BrokerOption, "Reason", found.Why, "User agents", strings.Join(found.UserAgents, ", "),
				"Redirect URIs", redirects, "Built in", yesNo(found.BuiltIn))
		}),
	}
}

// appFlags are the members of an application that the command line can set.
type appFlags struct {
	name, minimumVersion, brokerOption, why string
	listed, unsupported                     bool
	confidential, disabled, family          bool
	algorithm                               string
	userAgents, redirectURIs, web, spa      []string
}

func (f *appFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "display name")
	flags.StringVar(&f.minimumVersion, "minimum-version", "", "first version that signs in through the broker")
	flags.StringVar(&f.brokerOption, "broker-option", "", "option that must be switched on for the broker")
	flags.BoolVar(&f.listed, "listed", false, "show in the catalogue of supported applications")
	flags.BoolVar(&f.unsupported, "unsupported", false, "cannot use bound sessions; give --why")
	flags.StringVar(&f.why, "why", "", "why it is not supported, in a sentence for users")
	flags.StringSliceVar(&f.userAgents, "user-agent", nil, "product token by which the application states its version (repeatable)")
	flags.StringSliceVar(&f.redirectURIs, "redirect-uri", nil, "redirect URI of a native application (repeatable)")
	flags.StringSliceVar(&f.web, "web-redirect-uri", nil, "redirect URI of a server, which has a secret (repeatable)")
	flags.StringSliceVar(&f.spa, "spa-redirect-uri", nil, "redirect URI of a single-page application (repeatable)")
	flags.BoolVar(&f.confidential, "confidential", false, "the application has a secret or certificate and must show it")
	flags.BoolVar(&f.disabled, "disabled", false, "give the application no tokens")
	flags.BoolVar(&f.family, "family", false, "member of the family whose refresh tokens are shared, where the tenant allows it")
	flags.StringVar(&f.algorithm, "signing-algorithm", "", "of ID tokens: RS256 or ES256")
}

// body returns the members whose flags were given.
func (f *appFlags) body(cmd *cobra.Command) map[string]any {
	body := map[string]any{}
	for flag, member := range map[string]struct {
		name  string
		value any
	}{
		"name": {"displayName", f.name}, "minimum-version": {"minimumVersion", f.minimumVersion},
		"broker-option": {"brokerOption", f.brokerOption}, "listed": {"listed", f.listed},
		"unsupported": {"unsupported", f.unsupported}, "why": {"why", f.why}, "user-agent": {"userAgents", f.userAgents},
		"redirect-uri":     {"publicClient", map[string]any{"redirectUris": f.redirectURIs}},
		"web-redirect-uri": {"web", map[string]any{"redirectUris": f.web}}, "spa-redirect-uri": {"spa", map[string]any{"redirectUris": f.spa}},
		"confidential": {"isFallbackPublicClient", !f.confidential}, "disabled": {"disabled", f.disabled}, "family": {"family", f.family},
		"signing-algorithm": {"signingAlgorithm", f.algorithm},
	} {
		if cmd.Flags().Changed(flag) {
			body[member.name] = member.value
		}
	}
	return body
}

func (a *app) appAdd() *cobra.Command {
	var f appFlags
	var appID string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add an application", Args: arguments("NAME"),
		Example: "  boundgate app add Payroll --redirect-uri http://localhost --listed --minimum-version 3.0",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		body := f.body(cmd)
		body["displayName"] = args[0]
		if appID != "" {
			body["appId"] = appID
		}
		var created application
		if err := c.graph(ctx, http.MethodPost, "/applications", body, &created); err != nil {
			return err
		}
		return a.fields(created, "Application", created.DisplayName, "App id", created.AppID)
	})
	f.register(cmd)
	cmd.Flags().StringVar(&appID, "app-id", "", "the application's id (default: a new one)")
	return cmd
}

func (a *app) appSet() *cobra.Command {
	var f appFlags
	cmd := &cobra.Command{
		Use: "set APP", Short: "Change an application", Args: arguments("APP"),
		Example: "  boundgate app set 'Microsoft Teams' --minimum-version 1.7.0",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		body := f.body(cmd)
		if len(body) == 0 {
			return Usage(cmd, "nothing to set")
		}
		found, err := findApp(ctx, c, args[0])
		if err != nil {
			return err
		}
		if err := c.graph(ctx, http.MethodPatch, path("applications", found.AppID), body, nil); err != nil {
			return err
		}
		a.say("%s: changed", found.DisplayName)
		return nil
	})
	f.register(cmd)
	return cmd
}

func (a *app) appRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove APP", Short: "Remove an application that you added", Example: "  boundgate app remove Payroll", Args: arguments("APP"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findApp(ctx, c, args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodDelete, path("applications", found.AppID), nil, nil); err != nil {
				return err
			}
			a.say("%s: removed", found.DisplayName)
			return nil
		}),
	}
}
