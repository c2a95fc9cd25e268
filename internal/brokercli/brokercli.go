// Package brokercli is the command line of boundgate-broker: thin commands over package broker.
package brokercli

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"boundgate/internal/broker"
	"boundgate/internal/tpm"
)

// Streams are where the command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exit codes.
const (
	exitFailed = 1 // refused by the server, or failed
	exitUsage  = 2 // the command line is wrong
)

// app holds what the flags that all commands share say.
type app struct {
	Streams
	env    func(string) (string, bool)
	dir    string
	caFile string
	json   bool
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// Run runs one command and returns the exit code.
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
	fmt.Fprintln(streams.Err, "error:", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintln(streams.Err, "hint:", hint)
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func hintFor(err error) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return "name the server's certificate authority with --ca-file; a development server prints its path when it starts"
	case errors.Is(err, broker.ErrNotRegistered):
		return "register the device with `boundgate-broker join` or `boundgate-broker register`"
	case errors.Is(err, broker.ErrRegistered):
		return "leave first: `boundgate-broker leave`, or use another --dir"
	case errors.Is(err, broker.ErrNotSignedIn):
		return "sign the user in with `boundgate-broker sign-in`"
	}
	return ""
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "boundgate-broker", Short: "Hold a device's keys and sign its users in",
		Long: "boundgate-broker registers this device with a Boundgate server, signs users in, and gets tokens in requests that\n" +
			"only this device can sign. Keys are files of mode 0600 in the broker's directory: whoever copies them copies the device.",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVar(&a.dir, "dir", a.defaultDir(), "directory of the broker's state and keys")
	root.PersistentFlags().StringVar(&a.caFile, "ca-file", a.getenv("BOUNDGATE_CA_FILE"), "PEM file of the certificate authority that the server's certificate comes from")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(a.registerCommand("join", "Join this device to an organisation (the organisation's device)", false),
		a.registerCommand("register", "Register this device with an organisation (a person's own device)", true),
		a.signInCommand(), a.renewCommand(), a.tokenCommand(), a.statusCommand(), a.leaveCommand())
	return root
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

func (a *app) registerCommand(name, short string, workplace bool) *cobra.Command {
	r := broker.Registration{Workplace: workplace, OS: hostOS()}
	host, err := os.Hostname()
	if err != nil {
		host = "device"
	}
	cmd := &cobra.Command{
		Use: name + " --server URL --user NAME", Short: short, Args: noArgs,
		Example: "  boundgate-broker " + name + " --server https://localhost:8443 --ca-file boundgate-data/ca.pem --user alice@contoso.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open()
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
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Server, "server", a.getenv("BOUNDGATE_SERVER"), "URL of the service")
	flags.StringVar(&r.Username, "user", "", "user principal name")
	flags.StringVar(&r.DeviceName, "name", host, "display name of the device")
	flags.StringVar(&r.OS.Type, "os", r.OS.Type, "operating system, as the device states it")
	flags.StringVar(&r.OS.Version, "os-version", r.OS.Version, "version of the operating system, as the device states it")
	passwordFlag(cmd)
	require(cmd, "user")
	return cmd
}

func (a *app) signInCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "sign-in --user NAME", Short: "Sign a user in: get a Primary Refresh Token bound to this device", Args: noArgs,
		Example: "  boundgate-broker sign-in --user alice@contoso.example",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open()
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
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "user principal name")
	passwordFlag(cmd)
	require(cmd, "user")
	return cmd
}

func (a *app) renewCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "renew", Short: "Renew the Primary Refresh Token", Args: noArgs,
		Example: "  boundgate-broker renew",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			if err := b.Renew(cmd.Context(), user); err != nil {
				return err
			}
			return a.status(b)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "user principal name; may be left out where one user is signed in")
	return cmd
}

func (a *app) tokenCommand() *cobra.Command {
	var r broker.TokenRequest
	var unbound bool
	var server string
	cmd := &cobra.Command{
		Use: "token --resource URI", Short: "Get an access token for an application", Args: noArgs,
		Example: "  boundgate-broker token --resource https://outlook.office365.com\n" +
			"  boundgate-broker token --resource https://outlook.office365.com --client 1fec8e78-bce4-4aaf-ab1b-5451cc387264 --app-version 1.7.00.100 --json\n" +
			"  boundgate-broker token --resource https://outlook.office365.com --user alice@contoso.example --unbound --server https://localhost:8443",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			tokens, err := a.token(cmd, b, r, unbound, server)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(tokens)
			}
			_, err = fmt.Fprintln(a.Out, tokens.AccessToken)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Resource, "resource", "", "identifier of the resource")
	flags.StringVar(&r.Client, "client", "d3590ed6-52b3-4102-aeff-aad2292ab01c", "client id of the application")
	flags.StringVar(&r.Username, "user", "", "user principal name; may be left out where one user is signed in")
	flags.StringVar(&r.Tenant, "tenant", "", "tenant of the resource, where it is not the user's own")
	flags.StringVar(&r.AppVersion, "app-version", "", "version that the application states")
	flags.BoolVar(&unbound, "unbound", false, "ask without the device, with a password, as an application that knows no broker does")
	flags.StringVar(&server, "server", a.getenv("BOUNDGATE_SERVER"), "URL of the service, with --unbound")
	passwordFlag(cmd)
	require(cmd, "resource")
	return cmd
}

func (a *app) token(cmd *cobra.Command, b *broker.Broker, r broker.TokenRequest, unbound bool, server string) (broker.Tokens, error) {
	if !unbound {
		return b.Token(cmd.Context(), r)
	}
	if r.Username == "" || server == "" {
		return broker.Tokens{}, usageError{errors.New("--unbound needs --user and --server")}
	}
	secret, err := a.password(cmd)
	if err != nil {
		return broker.Tokens{}, err
	}
	return b.Unbound(cmd.Context(), server, r.Username, secret, r.Client, r.Resource)
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the device's registration and its users", Args: noArgs,
		Example: "  boundgate-broker status --json",
		RunE: func(*cobra.Command, []string) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			return a.status(b)
		},
	}
}

func (a *app) leaveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "leave", Short: "End the registration and delete the device's keys", Args: noArgs,
		Example: "  boundgate-broker leave",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := a.open()
			if err != nil {
				return err
			}
			if err := b.Leave(cmd.Context(), a.deviceClient); err != nil {
				return err
			}
			return a.status(b)
		},
	}
}

func (a *app) open() (*broker.Broker, error) {
	client, err := a.httpClient(nil)
	if err != nil {
		return nil, err
	}
	return broker.Open(broker.Options{Dir: a.dir, HTTP: client, Keys: tpm.NewSoftwareStore(filepath.Join(a.dir, "keys"))})
}

// deviceClient returns a client that shows the device's certificate.
func (a *app) deviceClient(certificate []byte, key tpm.Key) (*http.Client, error) {
	return a.httpClient(&tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: crypto.Signer(key)})
}

func (a *app) httpClient(certificate *tls.Certificate) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	if a.caFile != "" {
		pem, err := os.ReadFile(a.caFile)
		if err != nil {
			return nil, fmt.Errorf("read --ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usageError{fmt.Errorf("--ca-file %s has no certificate in PEM", a.caFile)}
		}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment}}, nil
}

// password comes from the environment, from standard input, or from a prompt; never from an argument, which others can read.
func (a *app) password(cmd *cobra.Command) (string, error) {
	if secret, ok := a.env("BOUNDGATE_PASSWORD"); ok {
		return secret, nil
	}
	if fromStdin, err := cmd.Flags().GetBool("password-stdin"); err == nil && fromStdin {
		text, err := io.ReadAll(io.LimitReader(a.In, 1024))
		return strings.TrimRight(string(text), "\r\n"), err
	}
	f, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", usageError{errors.New("no password: set BOUNDGATE_PASSWORD or use --password-stdin")}
	}
	fmt.Fprint(a.Err, "Password: ")
	secret, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.Err)
	return string(secret), err
}

func passwordFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("password-stdin", false, "read the password from standard input")
}

func require(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err) // the flag is defined a few lines above
	}
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

func (a *app) status(b *broker.Broker) error {
	s, err := b.Status()
	if err != nil {
		return err
	}
	if a.json {
		return a.print(s)
	}
	if !s.Registered {
		_, err := fmt.Fprintln(a.Out, "This device is not registered.")
		return err
	}
	fmt.Fprintf(a.Out, "Device      %s (%s)\nState       %s\nTenant      %s\nServer      %s\nKeys        %s\n",
		s.DeviceName, s.DeviceID, s.JoinType, s.TenantID, s.Server, s.KeyProtection)
	for _, u := range s.Accounts {
		fmt.Fprintf(a.Out, "Signed in   %s, until %s\n", u.Username, u.ExpiresAt.Format(time.RFC3339))
	}
	if s.Warning != "" {
		fmt.Fprintln(a.Err, "warning:", s.Warning)
	}
	return nil
}

func (a *app) print(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// hostOS is what this program can say of the system that it runs on.
func hostOS() broker.OS {
	names := map[string]string{"windows": "Windows", "darwin": "MacOS", "linux": "Linux"}
	name := names[runtime.GOOS]
	if name == "" {
		name = runtime.GOOS
	}
	return broker.OS{Type: name, Version: hostVersion()}
}
