package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"boundgate/internal/config"
	"boundgate/internal/demo"
	"boundgate/internal/server"
	"boundgate/internal/setup"
)

// licensed is how many people of the story's organisations have a licence.
const licensed = 25

func (p *program) demoCommand() *cobra.Command {
	var keep string
	cmd := &cobra.Command{
		Use: "demo", Short: "Play the story of a rollout and a theft, on a server of its own", Args: cobra.NoArgs,
		Long: "demo starts a server on a free port with its state in a temporary directory, and plays a story against it over\n" +
			"HTTPS with real brokers: devices join, a policy is tried in report-only mode and switched on, and a thief fails.\n" +
			"It exits with 1 if any step differs from what the story expects.",
		Example: "  boundgate demo\n  boundgate demo --json\n  boundgate demo --keep ./demo-data",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			asJSON, err := cmd.Flags().GetBool("json")
			if err != nil {
				return err
			}
			plain, err := cmd.Flags().GetBool("no-color")
			if err != nil {
				return err
			}
			dir := keep
			if dir == "" {
				if dir, err = os.MkdirTemp("", "boundgate-demo-"); err != nil {
					return fmt.Errorf("make a temporary directory: %w", err)
				}
				defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			}
			out := &demo.Reporter{Out: p.Out, Color: !asJSON && !plain && isTerminal(p.Out), JSON: asJSON}
			return p.playDemo(cmd.Context(), dir, out)
		},
	}
	cmd.Flags().StringVar(&keep, "keep", "", "keep the server's and the devices' files in this directory")
	return cmd
}

func (p *program) playDemo(ctx context.Context, dir string, out *demo.Reporter) error {
	quiet := func(c *config.Config) {
		c.DataDir, c.Listen, c.DeviceRegistration.Listen = filepath.Join(dir, "server"), "127.0.0.1:0", "127.0.0.1:0"
		c.MasterKey.File = filepath.Join(dir, "master.key")
		c.PublicURL, c.DeviceRegistration.URL, c.Database.Path, c.Logs.Path = "", "", "", ""
		c.Log.Level = "error"
	}
	s, admin, err := p.firstStart(ctx, quiet)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving) }()
	w, err := worldOf(s, filepath.Join(dir, "devices"))
	if err == nil {
		err = tell(ctx, w, admin, out)
	}
	stop()
	return errors.Join(err, <-ended)
}

func tell(ctx context.Context, w demo.World, admin setup.Administrator, out *demo.Reporter) error {
	cast, err := demo.Setup(ctx, w, admin.UPN, admin.Password)
	if err != nil {
		return err
	}
	return demo.Tell(ctx, w, cast, out)
}

// firstStart makes the first organisation and opens the server anew.
func (p *program) firstStart(ctx context.Context, change func(*config.Config)) (*server.Server, setup.Administrator, error) {
	s, err := p.open(ctx, "", change)
	if err != nil {
		return nil, setup.Administrator{}, err
	}
	admin, err := s.First(ctx, setup.Organisation{DisplayName: "Contoso", Domain: demo.HomeDomain, Licensed: licensed})
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, setup.Administrator{}, err
	}
	s, err = p.open(ctx, "", change)
	return s, admin, err
}

// worldOf returns how the story reaches a server.
func worldOf(s *server.Server, devices string) (demo.World, error) {
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		return demo.World{}, fmt.Errorf("read the development certificate authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return demo.World{}, errors.New("the development certificate authority's file holds no certificate")
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 8,
	}}
	return demo.World{URL: s.URL(), HTTP: client, Dir: devices}, nil
}

func (p *program) runCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Set up two example organisations in ./boundgate-data and keep serving", Args: cobra.NoArgs,
		Long: "run is for trying Boundgate out: on the first start it makes two organisations with people, groups and a report-only\n" +
			"policy, prints the administrator's password once, and serves on https://localhost:8443. Later starts serve what is there.",
		Example: "  boundgate run",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s, err := p.open(cmd.Context(), "", quieter)
			if err != nil {
				return err
			}
			empty, err := s.Empty(cmd.Context())
			if err != nil {
				return errors.Join(err, s.Close())
			}
			if empty {
				if err := s.Close(); err != nil {
					return err
				}
				return p.firstRun(cmd.Context())
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			p.announce(s)
			return s.Serve(cmd.Context())
		},
	}
}

// quieter leaves out the line for each request: whoever tries the program out reads what it prints.
func quieter(c *config.Config) {
	if c.Log.Level == "info" {
		c.Log.Level = "warn"
	}
}

// firstRun sets the example organisations up through the running server, as any administrator would, and keeps serving.
func (p *program) firstRun(ctx context.Context) (err error) {
	s, admin, err := p.firstStart(ctx, quieter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving) }()
	w, err := worldOf(s, "")
	if err != nil {
		return err
	}
	cast, err := demo.Setup(ctx, w, admin.UPN, admin.Password)
	if err != nil {
		return err
	}
	p.announce(s)
	p.welcome(s, cast)
	return <-ended
}

// welcome prints the credentials, once, and where to look next.
func (p *program) welcome(s *server.Server, cast *demo.Cast) {
	alice := cast.Contoso.People["alice"]
	fmt.Fprintln(p.Out, "\nTwo organisations are set up, with a report-only token protection policy for a pilot group.")
	fmt.Fprintln(p.Out, "These passwords are shown this once:")
	for _, o := range []demo.Organisation{cast.Contoso, cast.Fabrikam} {
		name, password := o.AdminCredentials()
		fmt.Fprintf(p.Out, "  %-28s %s   (Global Administrator)\n", name, password)
	}
	fmt.Fprintf(p.Out, "  %-28s %s   (in the pilot)\n", alice.Name(), alice.Password())
	name, _ := cast.Contoso.AdminCredentials()
	ca := s.CAFile()
	fmt.Fprintf(p.Out, `
Next:
  bin/boundgate login --server %[1]s --ca-file %[2]s %[3]s
  bin/boundgate policy list
  bin/boundgate-broker join --server %[1]s --ca-file %[2]s --user %[4]s --os Windows --os-version 10.0.22631
  bin/boundgate-broker token --ca-file %[2]s --resource https://outlook.office365.com
  bin/boundgate query 'AADNonInteractiveUserSignInLogs | project TimeGenerated, UserPrincipalName, ResultType'
`, s.URL(), ca, name, alice.Name())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
