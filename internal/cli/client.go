package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"boundgate/internal/directory"

	"github.com/google/uuid"
)

// Bounds of what a server may answer.
const (
	maxAnswer = 64 << 20
	maxPages  = 1000
)

// A client speaks to one server as one administrator.
type client struct {
	base    *url.URL
	http    *http.Client
	dir     string // keeps the session
	session session
	version string
	now     func() time.Time
}

// connect returns a client for the session that an earlier login left.
func (a *app) connect() (*client, error) {
	dir, err := a.directory()
	if err != nil {
		return nil, err
	}
	s, err := loadSession(dir)
	if err != nil {
		return nil, err
	}
	if a.server != "" && !sameServer(a.server, s.Server) {
		return nil, failure(fmt.Sprintf("run \"boundgate login --server %s\", or leave --server out", a.server),
			"you are signed in to %s, not to %s", s.Server, a.server)
	}
	if a.caFile != "" {
		s.CAFile = a.caFile
	}
	return a.newClient(dir, s)
}

func (a *app) newClient(dir string, s session) (*client, error) {
	base, err := serverURL(s.Server)
	if err != nil {
		return nil, err
	}
	transport, err := transportFor(s.CAFile)
	if err != nil {
		return nil, err
	}
	return &client{base: base, dir: dir, session: s, version: a.version, now: a.now, http: &http.Client{
		Transport: transport,
		Timeout:   11 * time.Minute, // a query may run ten
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func serverURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, failure("write it like https://login.contoso.example", "%q is not the https URL of a server", s)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

func sameServer(a, b string) bool {
	ua, errA := serverURL(a)
	ub, errB := serverURL(b)
	return errA == nil && errB == nil && strings.EqualFold(ua.Host, ub.Host) && ua.Path == ub.Path
}

func transportFor(caFile string) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, failure("name the file that holds the server's certificate authority", "cannot read --ca-file: %v", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, failure("name a PEM file", "%s holds no certificate", caFile)
		}
		config.RootCAs = pool
	}
	return &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 15 * time.Second}, nil
}

// get reads one Graph object into out.
func (c *client) get(ctx context.Context, path string, out any) error {
	return c.graph(ctx, http.MethodGet, path, nil, out)
}

// graph calls a Microsoft Graph route below /beta. in is sent as JSON unless nil; the answer is read into out unless nil.
func (c *client) graph(ctx context.Context, method, path string, in, out any) error {
	target, err := c.base.Parse(c.base.Path + "/beta" + path)
	if err != nil {
		return fmt.Errorf("address %s: %w", path, err)
	}
	return c.call(ctx, directory.ManagementAudienceGraph, method, target, in, out)
}

// call sends one request with a token for the audience. A token that the server no longer takes is renewed once.
func (c *client) call(ctx context.Context, audience, method string, target *url.URL, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = encode(in); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		token, err := c.token(ctx, audience, attempt > 1)
		if err != nil {
			return err
		}
		res, err := c.send(ctx, method, target, token, body)
		if err != nil {
			return err
		}
		if res.StatusCode == http.StatusUnauthorized && attempt == 1 {
			drain(res)
			continue
		}
		return decodeAnswer(res, out)
	}
}

func encode(in any) ([]byte, error) {
	if raw, ok := in.(json.RawMessage); ok {
		return raw, nil
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return body, nil
}

func (c *client) send(ctx context.Context, method string, target *url.URL, token string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("client-request-id", uuid.NewString())
	req.Header.Set("User-Agent", "boundgate/"+c.version)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.do(req)
}

func (c *client) do(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err == nil {
		return res, nil
	}
	// The URL error repeats method and address; the cause is what helps.
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	hint := "check that the server is running and that --server names it"
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		hint = "name the server's certificate authority with --ca-file"
	}
	return nil, failure(hint, "cannot reach %s: %v", c.base.Host, err)
}

func drain(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	closeQuietly(res.Body)
}

// decodeAnswer reads a success into out, or a failure into an Error.
func decodeAnswer(res *http.Response, out any) error {
	defer closeQuietly(res.Body)
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return failure("try again", "the server's answer broke off: %v", err)
	}
	if len(body) > maxAnswer {
		return failure("ask for less, with filters or a shorter time", "the server's answer is larger than %d MiB", maxAnswer>>20)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return answerError(res, body)
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return failure("check that --server names a Boundgate server of this version", "the server's answer is not the JSON that was expected: %v", err)
	}
	return nil
}

// A serverError is the error envelope of Microsoft Graph, of Log Analytics and of the token endpoint, in one.
type serverError struct {
	Error json.RawMessage `json:"error"`
	// OAuth 2.0
	Description string `json:"error_description"`
	Remedy      string `json:"remedy"`
}

type envelope struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Remedy  string `json:"@boundgate.remedy"`
	Details []struct {
		Message string `json:"message"`
		Target  string `json:"target"`
		Remedy  string `json:"@boundgate.remedy"`
	} `json:"details"`
	InnerError struct {
		RequestID string `json:"request-id"`
	} `json:"innerError"`
	LogsInner logsInner `json:"innererror"`
}

// logsInner has the compiler's errors, where a query does not compile.
type logsInner struct {
	Message string `json:"message"`
	Details []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Line    int    `json:"line"` // from 1
		Pos     int    `json:"pos"`  // from 0
	} `json:"details"`
}

// text says what is wrong with a query and where, an error a line.
func (l logsInner) text() string {
	if len(l.Details) == 0 {
		return l.Message
	}
	lines := make([]string, len(l.Details))
	for n, d := range l.Details {
		lines[n] = fmt.Sprintf("line %d, column %d: %s (%s)", d.Line, d.Pos+1, d.Message, d.Code)
	}
	return strings.Join(lines, "\n")
}

// answerError turns a refusal into the words that the server gave, with its remedy as the hint.
func answerError(res *http.Response, body []byte) error {
	var e serverError
	if json.Unmarshal(body, &e) != nil || len(e.Error) == 0 {
		return failure("check that --server names a Boundgate server", "the server answered %s", res.Status)
	}
	var env envelope
	if json.Unmarshal(e.Error, &env) != nil {
		return failure(e.Remedy, "%s", firstLine(e.Description))
	}
	message, hint := env.Message, env.Remedy
	if len(env.Details) > 1 {
		for _, d := range env.Details {
			message += "\n  " + strings.TrimSpace(d.Target+" "+d.Message)
		}
	}
	for _, d := range env.Details {
		if hint == "" {
			hint = d.Remedy
		}
	}
	if inner := env.LogsInner.text(); inner != "" {
		message = inner
	}
	if hint == "" {
		hint = defaultHint(res, env.InnerError.RequestID)
	}
	return &Error{Message: message, Hint: hint, status: res.StatusCode}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	line, _, _ = strings.Cut(line, " Trace ID:")
	return strings.TrimSpace(line)
}

func defaultHint(res *http.Response, requestID string) string {
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return "sign in again with \"boundgate login\""
	case res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") != "":
		return "wait " + res.Header.Get("Retry-After") + " seconds and try again"
	case res.StatusCode >= 500 && requestID != "":
		return "look for request " + requestID + " in the server's log"
	}
	return ""
}

// list reads all pages of a Graph collection.
func list[T any](ctx context.Context, c *client, path string) ([]T, error) {
	all, _, err := listUpTo[T](ctx, c, path, 0)
	return all, err
}

// listUpTo reads pages of a Graph collection until it has limit elements (0: all). more tells that there are further ones.
func listUpTo[T any](ctx context.Context, c *client, path string, limit int) (all []T, more bool, err error) {
	target, err := c.base.Parse(c.base.Path + "/beta" + path)
	if err != nil {
		return nil, false, fmt.Errorf("address %s: %w", path, err)
	}
	for range maxPages {
		var page struct {
			Value []T    `json:"value"`
			Next  string `json:"@odata.nextLink"`
		}
		if err := c.call(ctx, directory.ManagementAudienceGraph, http.MethodGet, target, nil, &page); err != nil {
			return nil, false, err
		}
		all = append(all, page.Value...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], len(all) > limit || page.Next != "", nil
		}
		if page.Next == "" {
			return all, false, nil
		}
		if target, err = c.next(page.Next); err != nil {
			return nil, false, err
		}
	}
	return all, true, nil
}

// next checks the link to the next page: the token goes to this server and to no other.
func (c *client) next(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, failure("", "the server's link to the next page is not a URL")
	}
	local := *c.base
	local.Path, local.RawPath, local.RawQuery = u.Path, u.RawPath, u.RawQuery
	return &local, nil
}
