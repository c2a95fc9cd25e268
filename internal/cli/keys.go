package cli

import (
	"context"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// A signingKey is one that the deployment publishes.
type signingKey struct {
	KID       string     `json:"kid"`
	Algorithm string     `json:"alg"`
	Signing   bool       `json:"signing"`
	SignsFrom *time.Time `json:"signsFrom"`
}

func (k signingKey) state(now time.Time) string {
	switch {
	case k.Signing:
		return "signs"
	case k.SignsFrom != nil && k.SignsFrom.After(now):
		return "signs from " + k.SignsFrom.Format(time.RFC3339)
	}
	return "accepted"
}

func (a *app) keysCommands() *cobra.Command {
	cmd := group("keys", "The deployment's signing keys (operator only)", "  boundgate keys list\n  boundgate keys replace --revoke")
	cmd.AddCommand(a.keysList(), a.keysReplace())
	return cmd
}

func (a *app) showKeys(keys []signingKey) error {
	t := table{header: []string{"KEY", "ALGORITHM", "STATE"}}
	for _, k := range keys {
		t.add(k.KID, k.Algorithm, k.state(time.Now()))
	}
	return a.show(keys, t)
}

func (a *app) keysList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the published signing keys", Example: "  boundgate keys list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			keys, err := list[signingKey](ctx, c, "/boundgate/signingKeys")
			if err != nil {
				return err
			}
			return a.showKeys(keys)
		}),
	}
}

func (a *app) keysReplace() *cobra.Command {
	var revoke bool
	cmd := &cobra.Command{
		Use: "replace", Short: "Sign with new keys from now on; they rotate by themselves otherwise", Args: arguments(),
		Long:    "Sign with new keys from now on. Keys rotate by themselves every 90 days; this is for the day on which one may be known to\nsomebody else. With --revoke everything that the earlier keys have signed ends at once, in every tenant: people notice\nnothing but a new access token, and a resource that keeps the old set of keys refuses the new ones until it reads it again.",
		Example: "  boundgate keys replace\n  boundgate keys replace --revoke",
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			var out struct {
				Value []signingKey `json:"value"`
			}
			if err := c.graph(ctx, http.MethodPost, "/boundgate/signingKeys/replace", map[string]any{"revoke": revoke}, &out); err != nil {
				return err
			}
			return a.showKeys(out.Value)
		}),
	}
	cmd.Flags().BoolVar(&revoke, "revoke", false, "end every access token that the earlier keys have signed")
	return cmd
}
