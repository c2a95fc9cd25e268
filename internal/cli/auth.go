package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"boundgate/internal/directory"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// passwordVariable is the environment variable that a script may pass the password in.
const passwordVariable = "BOUNDGATE_PASSWORD"

// maxPasswordInput bounds what is read as a password, in bytes.
const maxPasswordInput = 4096

// tokenResponse is the answer of the token endpoint, RFC 6749 section 5.1.
type tokenResponse struct {
	AccessToken  string      `json:"access_token"`
	RefreshToken string      `json:"refresh_token"`
	ExpiresIn    json.Number `json:"expires_in"`
}

func (a *app) loginCommand() *cobra.Command {
	var tenant string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "login USER",
		Short: "Sign in to a server and keep the sign-in",
		Long: `Sign in to a server with a user principal name and a password, and keep the sign-in for later commands.

The password is asked for, or read from standard input with --password-stdin, or taken from ` + passwordVariable + `.
What is kept (a refresh token and short-lived access tokens) lies in a file that only its owner can read.`,
		Example: `  boundgate login --server https://login.contoso.example admin@contoso.example
  boundgate login --server https://localhost:8443 --ca-file ca.pem --password-stdin admin@contoso.example < password.txt`,
		Args: arguments("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.login(cmd, strings.ToLower(args[0]), tenant, fromStdin)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "tenant id or domain (default: the domain of USER)")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (a *app) login(cmd *cobra.Command, user, tenant string, fromStdin bool) error {
	dir, err := a.directory()
	if err != nil {
		return err
	}
	s := session{Server: a.server, CAFile: a.caFile, Tenant: tenant, User: user}
	if earlier, err := loadSession(dir); err == nil && (s.Server == "" || sameServer(s.Server, earlier.Server)) {
		s.Server = earlier.Server
		if s.CAFile == "" {
			s.CAFile = earlier.CAFile
		}
	}
	if s.Server == "" {
		return Usage(cmd, "--server is missing")
	}
	if s.CAFile != "" {
		if s.CAFile, err = filepath.Abs(s.CAFile); err != nil {
			return fmt.Errorf("find --ca-file: %w", err)
		}
	}
	if s.Tenant == "" {
		_, domain, ok := directory.SplitUPN(user)
		if !ok {
			return Usage(cmd, "%q is not a user principal name like admin@contoso.example", user)
		}
		s.Tenant = domain
	}
	c, err := a.newClient(dir, s)
	if err != nil {
		return err
	}
	password, err := a.ownPassword(user, fromStdin)
	if err != nil {
		return err
	}
	if err := c.signIn(cmd.Context(), password); err != nil {
		return err
	}
	a.say("signed in to %s as %s", c.base.Host, user)
	return nil
}

// signIn redeems the password, learns which workspace holds the tenant's logs, and keeps the session.
func (c *client) signIn(ctx context.Context, password string) error {
	unlock, err := lock(c.dir)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"password"}, "username": {c.session.User}, "password": {password},
		"scope": {scopeOf(directory.ManagementAudienceGraph)}}
	err = c.redeem(ctx, directory.ManagementAudienceGraph, form)
	unlock()
	if err != nil {
		return err
	}
	var orgs struct{ Value []organization }
	if err := c.get(ctx, "/organization", &orgs); err != nil {
		return err
	}
	if len(orgs.Value) == 1 {
		c.session.Workspace = orgs.Value[0].Workspace
	}
	return c.session.save(c.dir)
}

func scopeOf(audience string) string { return audience + "/.default offline_access openid" }

// redeem posts a grant to the token endpoint and keeps what it gives. The caller holds the lock.
func (c *client) redeem(ctx context.Context, audience string, form url.Values) error {
	form.Set("client_id", string(directory.CommandLine))
	target := c.base.JoinPath(url.PathEscape(c.session.Tenant), "oauth2", "v2.0", "token")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("make token request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "boundgate/"+c.version)
	res, err := c.do(req)
	if err != nil {
		return err
	}
	var t tokenResponse
	if err := decodeAnswer(res, &t); err != nil {
		return err
	}
	seconds, err := t.ExpiresIn.Int64()
	if t.AccessToken == "" || err != nil {
		return failure("check that --server names a Boundgate server", "the server's answer holds no access token")
	}
	if c.session.Tokens == nil {
		c.session.Tokens = map[string]accessToken{}
	}
	c.session.Tokens[audience] = accessToken{t.AccessToken, c.now().Add(time.Duration(seconds) * time.Second)}
	if t.RefreshToken != "" {
		c.session.RefreshToken = t.RefreshToken
	}
	return c.session.save(c.dir)
}

// token returns an access token for the audience: the kept one while it is good, a new one otherwise. With renew, the
// kept one is known to be refused.
func (c *client) token(ctx context.Context, audience string, renew bool) (string, error) {
	refused := ""
	if renew {
		refused = c.session.Tokens[audience].Token
	}
	if t, ok := c.good(audience, refused); ok {
		return t, nil
	}
	unlock, err := lock(c.dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	// Another command may have renewed the sign-in while this one waited.
	if current, err := loadSession(c.dir); err == nil && current.Server == c.session.Server && current.User == c.session.User {
		current.CAFile = c.session.CAFile
		c.session = current
	}
	if t, ok := c.good(audience, refused); ok {
		return t, nil
	}
	if c.session.RefreshToken == "" {
		return "", errNotSignedIn
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.session.RefreshToken}, "scope": {scopeOf(audience)}}
	if err := c.redeem(ctx, audience, form); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Hint == "" {
			e.Hint = "sign in again with \"boundgate login\""
		}
		return "", err
	}
	return c.session.Tokens[audience].Token, nil
}

// good returns the kept token where it is neither refused nor about to expire.
func (c *client) good(audience, refused string) (string, bool) {
	const margin = time.Minute
	t := c.session.Tokens[audience]
	return t.Token, t.Token != "" && t.Token != refused && c.now().Add(margin).Before(t.Expires)
}

// ownPassword returns the password of whoever signs in: from standard input where asked for, from the environment, or from
// the terminal.
func (a *app) ownPassword(user string, fromStdin bool) (string, error) {
	if p := os.Getenv(passwordVariable); p != "" && !fromStdin {
		return p, nil
	}
	return a.password("Password for "+user+": ", fromStdin)
}

// password returns a password that is to be set: from standard input where asked for, or from the terminal. The
// environment holds the administrator's own, which must not become somebody else's.
func (a *app) password(prompt string, fromStdin bool) (string, error) {
	if fromStdin {
		return a.readLine()
	}
	f, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", failure("use --password-stdin", "there is no terminal to ask for the password")
	}
	fmt.Fprint(a.Err, prompt)
	p, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.Err)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(p), nil
}

func (a *app) readLine() (string, error) {
	line, err := bufio.NewReader(io.LimitReader(a.In, maxPasswordInput)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", failure("write the password and a line break to standard input", "standard input holds no password")
	}
	return line, nil
}

func (a *app) logoutCommand() *cobra.Command {
	var everywhere bool
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Forget the sign-in that is kept on this computer",
		Example: `  boundgate logout
  boundgate logout --everywhere`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logout(cmd.Context(), everywhere) },
	}
	cmd.Flags().BoolVar(&everywhere, "everywhere", false, "end all of your sessions on the server too")
	return cmd
}

func (a *app) logout(ctx context.Context, everywhere bool) error {
	if everywhere {
		c, err := a.connect()
		if err != nil {
			return err
		}
		if err := c.graph(ctx, http.MethodPost, "/me/revokeSignInSessions", nil, nil); err != nil {
			return err
		}
	}
	dir, err := a.directory()
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, sessionFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the sign-in: %w", err)
	}
	a.say("signed out")
	return nil
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who is signed in, and with which roles", Example: "  boundgate whoami",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			var me user
			if err := c.get(cmd.Context(), "/me", &me); err != nil {
				return err
			}
			roles, err := list[object](cmd.Context(), c, "/me/memberOf")
			if err != nil {
				return err
			}
			var held []string
			for _, r := range roles {
				if r.Type == "#microsoft.graph.directoryRole" {
					held = append(held, r.DisplayName)
				}
			}
			return a.fields(map[string]any{"server": c.session.Server, "user": me, "roles": held},
				"Server", c.session.Server, "User", me.UPN, "Name", me.DisplayName, "Object id", me.ID, "Roles", strings.Join(held, ", "))
		},
	}
}
