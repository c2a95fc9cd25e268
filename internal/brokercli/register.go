package brokercli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"boundgate/internal/broker"
)

var errNoServer = usageError{errors.New("no server: give --server or set BOUNDGATE_SERVER")}

func (a *app) registerCommand(name, short string, workplace bool) *cobra.Command {
	r := broker.Registration{Workplace: workplace}
	cmd := &cobra.Command{
		Use: name + " --server URL --user NAME", Short: short, Args: noArgs,
		Long: short + ".\n\nThe device makes its keys, the user signs in with a password, and the organisation certifies the device.\n" +
			"The user is signed in on the device afterwards.",
		Example: "  boundgate-broker " + name + " --server https://localhost:8443 --ca-file boundgate-data/ca.pem --user alice@contoso.example\n" +
			"  boundgate-broker " + name + " --server https://localhost:8443 --user alice@contoso.example --password-stdin <password.txt",
		RunE: a.run(func(cmd *cobra.Command) error {
			if r.Server == "" {
				return errNoServer
			}
			b, err := a.openRegistered(false)
			if err != nil {
				return err
			}
			if r.Password, err = a.password(cmd); err != nil {
				return err
			}
			if err := b.Register(cmd.Context(), r); err != nil {
				return err
			}
			if err := b.SignIn(cmd.Context(), r.Username, r.Password); err != nil {
				return fmt.Errorf("the device is registered, but the sign-in failed: %w", err)
			}
			return a.status(b)
		}),
	}
	a.serverFlag(cmd, &r.Server, "URL of the service")
	cmd.Flags().StringVar(&r.Username, "user", "", "user principal name")
	systemFlags(cmd, &r.DeviceName, &r.OS)
	passwordFlag(cmd)
	require(cmd, "user")
	return cmd
}

func (a *app) hybridJoinCommand() *cobra.Command {
	var r broker.HybridRegistration
	cmd := &cobra.Command{
		Use: "hybrid-join --server URL --domain DOMAIN --device-id ID --sid SID", Args: noArgs,
		Short: "Join a computer that an administrator has synchronised from an on-premises domain",
		Long: "Join a computer that an administrator has synchronised from an on-premises domain.\n\n" +
			"It takes two steps. `hybrid-join prepare` makes the computer's key and prints its certificate; an administrator creates the\n" +
			"device with that certificate and the computer's SID. Then `hybrid-join` proves that this is the computer. No user signs in:\n" +
			"that is for `sign-in` afterwards.",
		Example: "  boundgate-broker hybrid-join prepare --device-id d9dc3483-8809-4802-a8fc-ac70d8591810 >computer.pem\n" +
			"  boundgate-broker hybrid-join --server https://localhost:8443 --domain contoso.example \\\n" +
			"      --device-id d9dc3483-8809-4802-a8fc-ac70d8591810 --sid S-1-5-21-1004336348-1177238915-682003330-2107",
		RunE: a.run(func(cmd *cobra.Command) error {
			if r.Server == "" {
				return errNoServer
			}
			b, err := a.open()
			if err != nil {
				return err
			}
			if err := b.HybridJoin(cmd.Context(), r); err != nil {
				return err
			}
			return a.status(b)
		}),
	}
	a.serverFlag(cmd, &r.Server, "URL of the service")
	flags := cmd.Flags()
	flags.StringVar(&r.Domain, "domain", "", "verified domain of the organisation")
	flags.StringVar(&r.DeviceID, "device-id", "", "id of the synchronised device: the computer account's objectGUID")
	flags.StringVar(&r.SID, "sid", "", "SID of the computer account")
	systemFlags(cmd, &r.DeviceName, &r.OS)
	require(cmd, "domain", "device-id", "sid")
	cmd.AddCommand(a.prepareCommand())
	return cmd
}

func (a *app) prepareCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use: "prepare --device-id ID", Short: "Print the certificate that an administrator puts into the synchronised device", Args: noArgs,
		Example: "  boundgate-broker hybrid-join prepare --device-id d9dc3483-8809-4802-a8fc-ac70d8591810 >computer.pem",
		RunE: a.run(func(*cobra.Command) error {
			b, err := a.openRegistered(false)
			if err != nil {
				return err
			}
			certificate, err := b.SyncedCertificate(id)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]string{"deviceId": id, "userCertificate": certificate})
			}
			_, err = fmt.Fprint(a.Out, certificate)
			return err
		}),
	}
	cmd.Flags().StringVar(&id, "device-id", "", "id of the synchronised device: the computer account's objectGUID")
	require(cmd, "device-id")
	return cmd
}
