package brokercli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"boundgate/internal/broker"
)

// defaultClient is Microsoft Office, whose requests most organisations see most of.
const defaultClient = "d3590ed6-52b3-4102-aeff-aad2292ab01c"

func (a *app) signInCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "sign-in --user NAME", Short: "Sign a user in: get a Primary Refresh Token bound to this device", Args: noArgs,
		Example: "  boundgate-broker sign-in --user alice@contoso.example",
		RunE: a.run(func(cmd *cobra.Command) error {
			b, err := a.openRegistered(true)
			if err != nil {
				return err
			}
			secret, err := a.password(cmd)
			if err != nil {
				return err
			}
			if err := b.SignIn(cmd.Context(), user, secret); err != nil {
				return err
			}
			return a.status(b)
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "user principal name")
	passwordFlag(cmd)
	require(cmd, "user")
	return cmd
}

func (a *app) signOutCommand() *cobra.Command {
	return a.userCommand("sign-out", "Forget a user: delete the user's tokens from this device", (*broker.Broker).SignOut)
}

func (a *app) renewCommand() *cobra.Command {
	return a.userCommand("renew", "Renew the Primary Refresh Token, which `token` does by itself every four hours", (*broker.Broker).Renew)
}

func (a *app) tokenCommand() *cobra.Command {
	var r broker.TokenRequest
	var unbound bool
	var server string
	cmd := &cobra.Command{
		Use: "token --resource URI", Short: "Get an access token for an application", Args: noArgs,
		Long: "Get an access token for an application.\n\nThe request is signed with a key that only this device can derive. With --unbound it is made without the device, as an\n" +
			"application makes it that knows no broker: to see what a policy does to it.",
		Example: "  boundgate-broker token --resource https://outlook.office365.com\n" +
			"  boundgate-broker token --resource https://outlook.office365.com --client 1fec8e78-bce4-4aaf-ab1b-5451cc387264 --app-version 1.7.00.100 --json\n" +
			"  boundgate-broker token --resource https://outlook.office365.com --user alice@contoso.example --unbound --server https://localhost:8443",
		RunE: a.run(func(cmd *cobra.Command) error {
			get := a.token
			if unbound {
				get = func(cmd *cobra.Command, r broker.TokenRequest) (broker.Tokens, error) {
					return a.unboundToken(cmd, r, server)
				}
			}
			tokens, err := get(cmd, r)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(tokens)
			}
			_, err = fmt.Fprintln(a.Out, tokens.AccessToken)
			return err
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Resource, "resource", "", "identifier of the resource")
	flags.StringVar(&r.Client, "client", defaultClient, "client id of the application")
	flags.StringVar(&r.Username, "user", "", "user principal name; may be left out where one user is signed in")
	flags.StringVar(&r.Tenant, "tenant", "", "tenant of the resource, where it is not the user's own")
	flags.StringVar(&r.AppVersion, "app-version", "", "version that the application states")
	flags.BoolVar(&unbound, "unbound", false, "ask without the device, with a password, as an application that knows no broker does")
	a.serverFlag(cmd, &server, "URL of the service, with --unbound")
	passwordFlag(cmd)
	require(cmd, "resource")
	return cmd
}

func (a *app) token(cmd *cobra.Command, r broker.TokenRequest) (broker.Tokens, error) {
	b, err := a.open()
	if err != nil {
		return broker.Tokens{}, err
	}
	return b.Token(cmd.Context(), r)
}

// unboundToken needs neither a device nor a directory.
func (a *app) unboundToken(cmd *cobra.Command, r broker.TokenRequest, server string) (broker.Tokens, error) {
	if r.Username == "" {
		return broker.Tokens{}, usageError{errors.New("--unbound needs --user")}
	}
	if server == "" {
		return broker.Tokens{}, errNoServer
	}
	client, err := a.httpClient(nil)
	if err != nil {
		return broker.Tokens{}, err
	}
	b, err := broker.Open(broker.Options{HTTP: client})
	if err != nil {
		return broker.Tokens{}, err
	}
	secret, err := a.password(cmd)
	if err != nil {
		return broker.Tokens{}, err
	}
	return b.Unbound(cmd.Context(), server, r.Username, secret, r.Client, r.Resource)
}
