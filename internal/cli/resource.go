package cli

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// A resource is what tokens are asked for: a service principal.
type resource struct {
	ID          string   `json:"id"`
	AppID       string   `json:"appId"`
	DisplayName string   `json:"displayName"`
	Names       []string `json:"servicePrincipalNames"`
	Supported   bool     `json:"supported"`
	BuiltIn     bool     `json:"builtIn"`
}

func (a *app) resourceCommands() *cobra.Command {
	cmd := group("resource", "Resources that tokens are asked for", "  boundgate resource list\n  boundgate resource add Payroll --identifier api://payroll")
	cmd.AddCommand(a.resourceList(), a.resourceAdd(), a.resourceRemove())
	return cmd
}

func (a *app) resourceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List resources", Example: "  boundgate resource list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			resources, err := list[resource](ctx, c, "/servicePrincipals")
			if err != nil {
				return err
			}
			t := table{header: []string{"RESOURCE", "TOKEN PROTECTION", "IDENTIFIERS", "APP ID"}}
			for _, r := range resources {
				support := "not meant"
				if r.Supported || !r.BuiltIn {
					support = "supported"
				}
				t.add(r.DisplayName, support, strings.Join(r.Names, " "), r.AppID)
			}
			return a.show(resources, t)
		}),
	}
}

func (a *app) resourceAdd() *cobra.Command {
	var appID string
	var identifiers []string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Register a resource of your own", Args: arguments("NAME"),
		Example: "  boundgate resource add Payroll --identifier api://payroll --identifier https://payroll.contoso.example",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			body := map[string]any{"displayName": args[0], "servicePrincipalNames": identifiers}
			if identifiers == nil {
				delete(body, "servicePrincipalNames")
			}
			if appID != "" {
				body["appId"] = appID
			}
			var created resource
			if err := c.graph(ctx, http.MethodPost, "/servicePrincipals", body, &created); err != nil {
				return err
			}
			return a.fields(created, "Resource", created.DisplayName, "App id", created.AppID, "Identifiers", strings.Join(created.Names, " "))
		}),
	}
	cmd.Flags().StringVar(&appID, "app-id", "", "the resource's id (default: a new one)")
	cmd.Flags().StringSliceVar(&identifiers, "identifier", nil, "URI by which clients ask for the resource (repeatable)")
	return cmd
}

func (a *app) resourceRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove RESOURCE", Short: "Remove a resource of your own", Example: "  boundgate resource remove Payroll", Args: arguments("RESOURCE"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			resources, err := list[resource](ctx, c, "/servicePrincipals")
			if err != nil {
				return err
			}
			for _, r := range resources {
				if strings.EqualFold(r.AppID, args[0]) || strings.EqualFold(r.DisplayName, args[0]) {
					if err := c.graph(ctx, http.MethodDelete, path("servicePrincipals", r.ID), nil, nil); err != nil {
						return err
					}
					a.say("%s: removed", r.DisplayName)
					return nil
				}
			}
			return failure("run \"boundgate resource list\"", "there is no resource %q", args[0])
		}),
	}
}
