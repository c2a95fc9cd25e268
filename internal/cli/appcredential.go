package cli

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A secret is one of an application's, and once its text.
type secret struct {
	KeyID       string    `json:"keyId"`
	DisplayName string    `json:"displayName"`
	Hint        string    `json:"hint"`
	End         time.Time `json:"endDateTime"`
	Text        string    `json:"secretText,omitempty"`
}

func (a *app) appSecretAdd() *cobra.Command {
	var name string
	var days int
	cmd := &cobra.Command{
		Use: "secret-add APP", Short: "Give an application a new secret; its text is shown once", Args: arguments("APP"),
		Example: "  boundgate app secret-add Payroll --days 90\n  boundgate app secret-add Payroll --json",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findApp(ctx, c, args[0])
			if err != nil {
				return err
			}
			credential := map[string]any{"displayName": name, "endDateTime": time.Now().UTC().AddDate(0, 0, days).Format(time.RFC3339)}
			var made secret
			if err := c.graph(ctx, http.MethodPost, path("applications", found.AppID, "addPassword"), map[string]any{"passwordCredential": credential}, &made); err != nil {
				return err
			}
			return a.fields(made, "Application", found.DisplayName, "App id", found.AppID, "Secret", made.Text, "Key id", made.KeyID, "Expires", made.End.Format(time.RFC3339))
		}),
	}
	const halfAYear = 180
	cmd.Flags().StringVar(&name, "name", "", "display name of the secret")
	cmd.Flags().IntVar(&days, "days", halfAYear, "days that the secret lives, 730 at most")
	return cmd
}

func (a *app) appSecretRemove() *cobra.Command {
	return &cobra.Command{
		Use: "secret-remove APP KEY-ID", Short: "Take a secret from an application", Args: arguments("APP", "KEY-ID"),
		Example: "  boundgate app secret-remove Payroll 7d3c1c52-0f2b-4a51-8a59-3f1f8c6e2b10",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findApp(ctx, c, args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodPost, path("applications", found.AppID, "removePassword"), map[string]any{"keyId": args[1]}, nil); err != nil {
				return err
			}
			a.say("%s: secret removed", found.DisplayName)
			return nil
		}),
	}
}

func (a *app) appCertificate() *cobra.Command {
	return &cobra.Command{
		Use: "certificate APP FILE...", Short: "Set the certificates whose keys sign an application's assertions", Args: cobra.MinimumNArgs(2),
		Example: "  boundgate app certificate Payroll payroll.pem\n  boundgate app certificate Payroll old.pem new.pem",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findApp(ctx, c, args[0])
			if err != nil {
				return err
			}
			keys := []map[string]any{}
			for _, name := range args[1:] {
				pem, err := os.ReadFile(name)
				if err != nil {
					return failure("name a readable PEM file", "cannot read %s: %v", name, err)
				}
				keys = append(keys, map[string]any{"key": string(pem), "displayName": name})
			}
			if err := c.graph(ctx, http.MethodPatch, path("applications", found.AppID), map[string]any{"keyCredentials": keys}, nil); err != nil {
				return err
			}
			a.say("%s: %d certificates", found.DisplayName, len(keys))
			return nil
		}),
	}
}

func (a *app) appConsent() *cobra.Command {
	return &cobra.Command{
		Use: "consent APP RESOURCE SCOPE...", Short: "Agree for everybody to what an application asks for", Args: cobra.MinimumNArgs(3),
		Example: "  boundgate app consent Payroll 'Microsoft Graph' openid offline_access User.Read",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findApp(ctx, c, args[0])
			if err != nil {
				return err
			}
			resources, err := list[resource](ctx, c, "/servicePrincipals")
			if err != nil {
				return err
			}
			for _, r := range resources {
				if !strings.EqualFold(r.AppID, args[1]) && !strings.EqualFold(r.DisplayName, args[1]) {
					continue
				}
				body := map[string]any{"clientId": found.AppID, "resourceId": r.AppID, "consentType": "AllPrincipals", "scope": strings.Join(args[2:], " ")}
				if err := c.graph(ctx, http.MethodPost, "/oauth2PermissionGrants", body, nil); err != nil {
					return err
				}
				a.say("%s: granted at %s", found.DisplayName, r.DisplayName)
				return nil
			}
			return failure("run \"boundgate resource list\"", "there is no resource %q", args[1])
		}),
	}
}
