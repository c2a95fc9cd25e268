package brokercli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"boundgate/internal/broker"
)

// userCommand is a command that does one thing for a user and shows the status afterwards.
func (a *app) userCommand(name, short string, do func(b *broker.Broker, ctx context.Context, user string) error) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: name, Short: short, Args: noArgs,
		Example: "  boundgate-broker " + name + "\n  boundgate-broker " + name + " --user alice@contoso.example",
		RunE: a.run(func(cmd *cobra.Command) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			if err := do(b, cmd.Context(), user); err != nil {
				return err
			}
			return a.status(b)
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "user principal name; may be left out where one user is signed in")
	return cmd
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the device's registration and its users", Args: noArgs,
		Example: "  boundgate-broker status\n  boundgate-broker status --json",
		RunE: a.run(func(*cobra.Command) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			return a.status(b)
		}),
	}
}

func (a *app) leaveCommand() *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use: "leave", Short: "End the registration and delete the device's keys", Args: noArgs,
		Long: "End the registration and delete the device's keys.\n\nWith --local only this side ends, where the server is gone or has forgotten the device already; a server that has not\n" +
			"keeps the device until an administrator deletes it.",
		Example: "  boundgate-broker leave\n  boundgate-broker leave --local",
		RunE: a.run(func(cmd *cobra.Command) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			if local {
				err = b.Forget(cmd.Context())
			} else {
				err = b.Leave(cmd.Context(), a.deviceClient)
			}
			if err != nil {
				return err
			}
			return a.status(b)
		}),
	}
	cmd.Flags().BoolVar(&local, "local", false, "do not tell the server")
	return cmd
}

// status shows what the broker knows. A warning goes to standard error, so that it is seen where the output is piped.
func (a *app) status(b *broker.Broker) error {
	s, err := b.Status()
	if err != nil {
		return err
	}
	if s.Warning != "" {
		fmt.Fprintln(a.Err, "warning:", s.Warning)
	}
	if a.json {
		return a.printJSON(s)
	}
	_, err = fmt.Fprint(a.Out, statusText(s))
	return err
}

func statusText(s broker.Status) string {
	if !s.Registered {
		return "This device is not registered.\n"
	}
	var text strings.Builder
	line := func(name, value string) { fmt.Fprintf(&text, "%-11s %s\n", name, value) }
	line("Device", s.DeviceName+" ("+s.DeviceID+")")
	line("State", s.JoinType)
	line("Tenant", s.TenantID)
	line("Server", s.Server)
	line("Keys", s.KeyProtection)
	for _, u := range s.Accounts {
		line("Signed in", u.Username+", until "+u.ExpiresAt.Format(time.RFC3339))
	}
	if len(s.Accounts) == 0 {
		line("Signed in", "nobody")
	}
	return text.String()
}
