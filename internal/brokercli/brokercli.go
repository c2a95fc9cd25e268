// Package brokercli is the command line of boundgate-broker: thin commands over package broker.
//
// Passwords come from the environment, standard input or a prompt, never from an argument, which other users of the
// machine can read. Results go to standard output, as text or, with --json, as JSON; what went wrong and what to do about it
// goes to standard error.
package brokercli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"boundgate/internal/broker"
)

// Streams are where the command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app holds what the flags that all commands share say.
type app struct {
	Streams
	env    func(string) (string, bool)
	dir    string
	caFile string
	json   bool
	ran    bool // the command line was understood, and its command began
}

// Run runs one command and returns the exit code: 0, 1 where the server refused or something failed, 2 where the command
// line is wrong. env looks up environment variables.
func Run(ctx context.Context, args []string, streams Streams, env func(string) (string, bool)) int {
	a := &app{Streams: streams, env: env}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !a.ran {
		err = usageError{err}
	}
	return a.report(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "boundgate-broker", Short: "Hold a device's keys and sign its users in",
		Long: "boundgate-broker registers this device with a Boundgate server, signs users in, and gets tokens in requests that\n" +
			"only this device can sign. Keys are files of mode 0600 in the broker's directory: whoever copies them copies the device.\n\n" +
			"Passwords come from --password-stdin, from BOUNDGATE_PASSWORD or from a prompt.\n" +
			"Exit codes: 0 done, 1 refused or failed, 2 the command line is wrong.",
		Example: "  boundgate-broker join --server https://localhost:8443 --ca-file boundgate-data/ca.pem --user alice@contoso.example\n" +
			"  boundgate-broker token --resource https://outlook.office365.com\n" +
			"  boundgate-broker status",
		SilenceErrors: true, SilenceUsage: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "dir", a.defaultDir(), "directory of the broker's state and keys (BOUNDGATE_BROKER_DIR)")
	flags.StringVar(&a.caFile, "ca-file", a.getenv("BOUNDGATE_CA_FILE"), "PEM file of the certificate authority that the server's certificate comes from (BOUNDGATE_CA_FILE)")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(
		a.registerCommand("join", "Join this device to an organisation (the organisation's device)", false),
		a.registerCommand("register", "Register this device with an organisation (a person's own device)", true),
		a.hybridJoinCommand(), a.signInCommand(), a.signOutCommand(), a.renewCommand(), a.tokenCommand(), a.statusCommand(), a.leaveCommand(),
	)
	return root
}

// run makes a command's function note that the command line was understood.
func (a *app) run(do func(cmd *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		a.ran = true
		return do(cmd)
	}
}

func (a *app) getenv(name string) string {
	value, _ := a.env(name)
	return value
}

func (a *app) defaultDir() string {
	if dir := a.getenv("BOUNDGATE_BROKER_DIR"); dir != "" {
		return dir
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "boundgate-broker"
	}
	return filepath.Join(config, "boundgate-broker")
}

// serverFlag adds the flag that names the service.
func (a *app) serverFlag(cmd *cobra.Command, server *string, usage string) {
	cmd.Flags().StringVar(server, "server", a.getenv("BOUNDGATE_SERVER"), usage+" (BOUNDGATE_SERVER)")
}

// systemFlags add the flags by which a device says what it is.
func systemFlags(cmd *cobra.Command, name *string, system *broker.OS) {
	host, err := os.Hostname()
	if err != nil {
		host = "device"
	}
	*system = hostOS()
	flags := cmd.Flags()
	flags.StringVar(name, "name", host, "display name of the device")
	flags.StringVar(&system.Type, "os", system.Type, "operating system, as the device states it")
	flags.StringVar(&system.Version, "os-version", system.Version, "version of the operating system, as the device states it")
}

func require(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // the flag is defined a few lines above
		}
	}
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// printJSON writes a result for programs.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
