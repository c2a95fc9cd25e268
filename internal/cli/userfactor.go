package cli

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A method is a second factor of a user.
type method struct {
	Type        string    `json:"@odata.type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"displayName"`
	Created     time.Time `json:"createdDateTime"`
}

func (m method) kind() string {
	if strings.Contains(m.Type, "fido2") {
		return "passkey"
	}
	return "authenticator app"
}

func (a *app) userFactors() *cobra.Command {
	return &cobra.Command{
		Use: "factors USER", Short: "List a user's second factors", Example: "  boundgate user factors mika@contoso.example", Args: arguments("USER"),
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			methods, err := list[method](ctx, c, path("users", args[0], "authentication", "methods"))
			if err != nil {
				return err
			}
			t := table{header: []string{"NAME", "KIND", "ADDED", "ID"}}
			for _, m := range methods {
				t.add(m.DisplayName, m.kind(), m.Created.Format(time.RFC3339), m.ID)
			}
			return a.show(methods, t)
		}),
	}
}

func (a *app) userFactorRemove() *cobra.Command {
	return &cobra.Command{
		Use: "factor-remove USER ID", Short: "Remove a user's second factor, such as that of a lost phone", Args: arguments("USER", "ID"),
		Example: "  boundgate user factor-remove mika@contoso.example 7d3c1c52-0f2b-4a51-8a59-3f1f8c6e2b10",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			if err := c.graph(ctx, http.MethodDelete, path("users", args[0], "authentication", "softwareOathMethods", args[1]), nil, nil); err != nil {
				return err
			}
			a.say("%s: second factor removed", args[0])
			return nil
		}),
	}
}
