package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"boundgate/internal/cli"
	"boundgate/internal/config"
	"boundgate/internal/server"
	"boundgate/internal/setup"
	"boundgate/internal/telemetry"
)

func (p *program) serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the service", Args: cobra.NoArgs,
		Long: "serve runs the service until it is interrupted. Without a configuration file everything has a default: state in\n" +
			"./boundgate-data, HTTPS on https://localhost:8443 under a development certificate authority.",
		Example: "  boundgate serve\n  boundgate serve --config boundgate.toml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.open(cmd.Context(), file, nil)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			empty, err := s.Empty(cmd.Context())
			if err != nil {
				return err
			}
			if empty {
				fmt.Fprintln(p.Err, "There is no organisation yet: stop the server and run `boundgate setup --domain DOMAIN`.")
			}
			p.announce(s)
			return s.Serve(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (default: none)")
	return cmd
}

func (p *program) setupCommand() *cobra.Command {
	var file string
	var o setup.Organisation
	cmd := &cobra.Command{
		Use: "setup --domain DOMAIN", Short: "Make the first organisation, on an empty store", Args: cobra.NoArgs,
		Long: "setup makes the operator's own organisation with its first Global Administrator and prints the password, once.\n" +
			"It is for the first start only: it refuses when there is an organisation. The server must not be running.",
		Example: "  boundgate setup --domain contoso.example --name Contoso --p1-licences 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.open(cmd.Context(), file, nil)
			if err != nil {
				return err
			}
			admin, err := s.First(cmd.Context(), o)
			if errors.Is(err, setup.ErrDone) {
				err = &cli.Error{Message: "the first organisation exists already", Hint: "add others to the running server with `boundgate tenant create`"}
			}
			if err := errors.Join(err, s.Close()); err != nil {
				return err
			}
			fmt.Fprintf(p.Out, "Tenant          %s\nAdministrator   %s\nPassword        %s\n", admin.Tenant, admin.UPN, admin.Password)
			fmt.Fprintln(p.Err, "The password is shown this once.")
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (default: none)")
	cmd.Flags().StringVar(&o.Domain, "domain", "", "the organisation's domain, such as contoso.example")
	cmd.Flags().StringVar(&o.DisplayName, "name", "", "display name of the organisation (default: its domain)")
	cmd.Flags().IntVar(&o.Licensed, "p1-licences", 0, "how many P1 licences the organisation has; Conditional Access needs them")
	if err := cmd.MarkFlagRequired("domain"); err != nil {
		panic(err) // the flag is defined three lines above
	}
	cmd.PreRun = func(*cobra.Command, []string) {
		if o.DisplayName == "" {
			o.DisplayName = o.Domain
		}
	}
	return cmd
}

func (p *program) restoredCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "restored", Short: "Say that the state store was restored from a backup", Args: cobra.NoArgs,
		Long: "restored voids every nonce and code that was given out before: what was used since the backup was made is not known to\n" +
			"have been used. Run it once after restoring a backup, before the server starts again.",
		Example: "  boundgate restored --config boundgate.toml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.open(cmd.Context(), file, nil)
			if err != nil {
				return err
			}
			if err := errors.Join(s.Restored(cmd.Context()), s.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.Out, "Older nonces and codes are void.")
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (default: none)")
	return cmd
}

// open loads the configuration and opens a server; change, if not nil, has the last word on the configuration.
func (p *program) open(ctx context.Context, file string, change func(*config.Config)) (*server.Server, error) {
	cfg, err := config.Load(file, p.environ)
	if err != nil {
		return nil, explained(err)
	}
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(ctx, cfg, telemetry.NewLogger(p.Err, cfg.Log))
	if err != nil {
		return nil, explained(err)
	}
	return s, nil
}

// explained turns a problem that an operator can cure into an error with a hint.
func explained(err error) error {
	var problem *config.Problem
	var all config.Problems
	if errors.As(err, &problem) && !errors.As(err, &all) {
		return &cli.Error{Message: problem.Error(), Hint: problem.Hint()}
	}
	return err
}

// announce says where the server is and which certificate authority to trust.
func (p *program) announce(s *server.Server) {
	fmt.Fprintf(p.Err, "Serving         %s\n", s.URL())
	if ca := s.CAFile(); ca != "" {
		fmt.Fprintf(p.Err, "Trust           %s (development certificate authority)\n", ca)
	}
}
