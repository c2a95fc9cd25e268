// Package cli is the command line of an administrator: signing in, the directory, devices, policies, logs and queries.
//
// No command opens a store. Each speaks HTTPS to a running server, through the same Microsoft Graph and Log Analytics
// routes as every other client and with an administrator's access token, so that the server's roles decide here too
// (S40). What the server answers is shown as it came: an error with its remedy, a warning beside the result.
//
// Tables are for people and go to standard output with East Asian widths in mind; --json prints the server's objects.
// Prompts, warnings and errors go to standard error.
package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Streams are where the commands read and write.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is what the commands share: the global flags and the world.
type app struct {
	Streams
	version   string
	server    string
	caFile    string
	configDir string
	json      bool
	noColour  bool
	now       func() time.Time
}

// New returns the command tree. The caller may add commands of its own, and runs it with Run.
func New(version string, streams Streams) *cobra.Command {
	a := &app{Streams: streams, version: version, now: time.Now}
	root := group("boundgate", "Token protection for sign-in sessions", `  boundgate login --server https://login.contoso.example admin@contoso.example
  boundgate policy list
  boundgate query 'SigninLogs | take 10'`)
	root.Version = version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return Usage(cmd, "%v", err) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "URL of the server, such as https://login.contoso.example (default: the one signed in to)")
	flags.StringVar(&a.caFile, "ca-file", "", "PEM file with a certificate authority to trust beside the system's")
	flags.StringVar(&a.configDir, "config-dir", "", "directory that keeps the sign-in (default: boundgate in the user's configuration directory)")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	flags.BoolVar(&a.noColour, "no-color", false, "print without colours")
	root.AddCommand(
		a.loginCommand(), a.logoutCommand(), a.whoamiCommand(),
		a.tenantCommands(), a.userCommands(), a.groupCommands(), a.roleCommands(), a.licenceCommands(),
		a.appCommands(), a.resourceCommands(), a.deviceCommands(), a.policyCommands(), a.locationCommands(),
		a.signInCommands(), a.queryCommand(), a.auditCommands(), a.doctorCommand(), a.keysCommands(),
	)
	return root
}

// group returns a command that only holds others: by itself it shows its help, and an unknown name below it is a usage
// error.
func group(use, short, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := fmt.Sprintf("run %q", cmd.CommandPath()+" --help")
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("did you mean %q?", cmd.CommandPath()+" "+near[0])
			}
			return &Error{Message: fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath()), Hint: hint, usage: true}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

// styleFor returns the style for a stream: colours only on a terminal, and not where they are unwanted.
func styleFor(w io.Writer, noColour bool) style {
	f, ok := w.(*os.File)
	return style{colour: ok && !noColour && term.IsTerminal(int(f.Fd()))}
}

// show prints a result: raw as JSON where --json asks for it, and as a table otherwise.
func (a *app) show(raw any, t table) error {
	if a.json {
		return writeJSON(a.Out, raw)
	}
	return t.write(a.Out, styleFor(a.Out, a.noColour))
}

// fields prints one object: raw as JSON where --json asks for it, and as names with values otherwise.
func (a *app) fields(raw any, pairs ...string) error {
	if a.json {
		return writeJSON(a.Out, raw)
	}
	widest := 0
	for i := 0; i < len(pairs); i += 2 {
		widest = max(widest, displayWidth(pairs[i]))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		value := pairs[i+1]
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(a.Out, "%-*s  %s\n", widest, pairs[i], visible(value))
	}
	return nil
}

// say reports what a command has done, to people only.
func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintln(a.Out, visible(fmt.Sprintf(format, args...)))
	}
}

// note prints what is worth knowing beside a result.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.Err, "note:", visible(fmt.Sprintf(format, args...)))
}

// warn prints the warnings that came beside a result; what is merely worth knowing "policy lint" tells.
func (a *app) warn(warnings []warning) {
	for _, w := range warnings {
		if w.Severity == "info" {
			continue
		}
		fmt.Fprintln(a.Err, "warning:", visible(w.Message))
		if w.Remedy != "" {
			fmt.Fprintln(a.Err, "hint:", visible(w.Remedy))
		}
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// threeValued spells a value that may be unknown.
func threeValued(b *bool) string {
	if b == nil {
		return "unknown"
	}
	return yesNo(*b)
}

// stamp spells a time for people.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
