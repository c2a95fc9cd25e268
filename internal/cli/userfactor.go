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
	LastUsed    time.Time `json:"lastUsedDateTime,omitzero"`
}

func (m method) passkey() bool { return m.Type == "#microsoft.graph.fido2AuthenticationMethod" }

func (m method) kind() string {
	if m.passkey() {
		return "passkey"
	}
	return "authenticator app"
}

func (m method) collection() string {
	if m.passkey() {
		return "fido2Methods"
	}
	return "softwareOathMethods"
}

func methodsOf(ctx context.Context, c *client, user string) ([]method, error) {
	return list[method](ctx, c, path("users", user, "authentication", "methods"))
}

func findMethod(ctx context.Context, c *client, user, id string) (method, error) {
	methods, err := methodsOf(ctx, c, user)
	if err != nil {
		return method{}, err
	}
	for _, m := range methods {
		if strings.EqualFold(m.ID, id) {
			return m, nil
		}
	}
	return method{}, failure("run \"boundgate user factors "+user+"\"", "%s has no second factor %q", user, id)
}

func (a *app) userFactors() *cobra.Command {
	return &cobra.Command{
		Use: "factors USER", Short: "List a user's second factors", Args: arguments("USER"),
		Example: "  boundgate user factors mika@contoso.example\n  boundgate user factors mika@contoso.example --json",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			methods, err := methodsOf(ctx, c, args[0])
			if err != nil {
				return err
			}
			t := table{header: []string{"NAME", "KIND", "ADDED", "LAST USED", "ID"}}
			for _, m := range methods {
				t.add(m.DisplayName, m.kind(), stamp(m.Created), stamp(m.LastUsed), m.ID)
			}
			return a.show(methods, t)
		}),
	}
}

func (a *app) userFactorRemove() *cobra.Command {
	return &cobra.Command{
		Use: "factor-remove USER ID", Short: "Remove a user's second factor, such as that of a lost phone", Args: arguments("USER", "ID"),
		Long: "Remove a user's second factor, such as that of a lost phone. Sessions go on. A user who has none left sets one up at the\n" +
			"next sign-in that asks for it, by the password alone: reset the password first where somebody else may know it.",
		Example: "  boundgate user factor-remove mika@contoso.example 7d3c1c52-0f2b-4a51-8a59-3f1f8c6e2b10",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			found, err := findMethod(ctx, c, args[0], args[1])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodDelete, path("users", args[0], "authentication", found.collection(), found.ID), nil, nil); err != nil {
				return err
			}
			a.say("%s: %s %q removed", args[0], found.kind(), found.DisplayName)
			return nil
		}),
	}
}
