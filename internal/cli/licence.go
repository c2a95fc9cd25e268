package cli

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

type licence struct {
	SKUID            string `json:"skuId"`
	SKUPartNumber    string `json:"skuPartNumber"`
	CapabilityStatus string `json:"capabilityStatus"`
	PrepaidUnits     struct {
		Enabled int `json:"enabled"`
	} `json:"prepaidUnits"`
}

func (a *app) licenceCommands() *cobra.Command {
	cmd := group("licence", "Licences of the tenant", "  boundgate licence list\n  boundgate licence set AAD_PREMIUM --units 500")
	cmd.Aliases = []string{"license"}
	cmd.AddCommand(a.licenceList(), a.licenceSet())
	return cmd
}

func (a *app) licenceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List licences", Example: "  boundgate licence list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			licences, err := list[licence](ctx, c, "/subscribedSkus")
			if err != nil {
				return err
			}
			t := table{header: []string{"LICENCE", "STATUS", "UNITS"}}
			for _, l := range licences {
				t.add(l.SKUPartNumber, l.CapabilityStatus, fmt.Sprint(l.PrepaidUnits.Enabled))
			}
			return a.show(licences, t)
		}),
	}
}

func (a *app) licenceSet() *cobra.Command {
	var units int
	var status string
	cmd := &cobra.Command{
		Use: "set SKU", Short: "Add a licence or change it", Args: arguments("SKU"),
		Example: "  boundgate licence set AAD_PREMIUM --units 500\n  boundgate licence set AAD_PREMIUM --status Suspended",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		body := map[string]any{"skuPartNumber": args[0]}
		if cmd.Flags().Changed("units") {
			body["prepaidUnits"] = map[string]any{"enabled": units}
		}
		if cmd.Flags().Changed("status") {
			body["capabilityStatus"] = status
		}
		var l struct {
			licence
			annotated
		}
		if err := c.graph(ctx, http.MethodPost, "/subscribedSkus", body, &l); err != nil {
			return err
		}
		a.warn(l.Warnings)
		return a.fields(l.licence, "Licence", l.SKUPartNumber, "Status", l.CapabilityStatus, "Units", fmt.Sprint(l.PrepaidUnits.Enabled))
	})
	cmd.Flags().IntVar(&units, "units", 0, "number of prepaid units")
	cmd.Flags().StringVar(&status, "status", "Enabled", "Enabled, Warning, Suspended, Deleted or LockedOut")
	return cmd
}
