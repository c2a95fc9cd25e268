package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxReply bounds what is read of an answer, in bytes.
const maxReply = 256 << 10

// grantJWTBearer is the grant of a signed request (RFC 7523 section 2.1).
const grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// A wireClient sends requests and bounds the answers. It follows no redirect: passwords, tokens and signed requests go to
// the address that they are meant for or nowhere.
type wireClient struct{ http *http.Client }

func newWireClient(from *http.Client) wireClient {
	c := *from
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return wireClient{&c}
}

// form posts a form and decodes the answer into reply.
func (c wireClient) form(ctx context.Context, address string, fields, headers map[string]string, reply any) error {
	body, err := c.formBody(ctx, address, fields, headers)
	if err != nil {
		return err
	}
	return decodeReply(body, reply)
}

func decodeReply(body []byte, reply any) error {
	if err := json.Unmarshal(body, reply); err != nil {
		return fmt.Errorf("%w: it is not the JSON that was expected", ErrBadAnswer)
	}
	return nil
}

// formBody posts a form and returns the answer as it came: JSON, or a JWE.
func (c wireClient) formBody(ctx context.Context, address string, fields, headers map[string]string) ([]byte, error) {
	values := url.Values{}
	for name, value := range fields {
		if value != "" {
			values.Set(name, value)
		}
	}
	return c.send(ctx, http.MethodPost, address, "application/x-www-form-urlencoded", []byte(values.Encode()), headers)
}

// send sends a request. An answer other than 200 is a *Refusal.
func (c wireClient) send(ctx context.Context, method, address, contentType string, body []byte, headers map[string]string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("address of the server: %w", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Boundgate-Broker/1.0")
	for name, value := range headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing is lost: what matters has been read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case len(text) > maxReply:
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrBadAnswer, maxReply)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, redirected(resp)
	case resp.StatusCode != http.StatusOK:
		return nil, refusalOf(resp, text)
	}
	return text, nil
}

// redirected names where the server wants the request to go, without the part that may carry a secret.
func redirected(resp *http.Response) error {
	to, err := resp.Location()
	if err != nil {
		return fmt.Errorf("%w: status %d", ErrRedirected, resp.StatusCode)
	}
	return fmt.Errorf("%w: to %s", ErrRedirected, printable(to.Scheme+"://"+to.Host))
}

// serverURL checks an address that secrets will be sent to, and returns it without its last slash.
func serverURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("%w: it has no host", ErrServerURL)
	case u.Scheme != "https":
		return "", fmt.Errorf("%w: it begins with %q and not with https", ErrServerURL, u.Scheme)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("%w: it has more than host, port and path", ErrServerURL)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// printable returns what a server wrote without the control characters that a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// transient reports whether the same request may succeed later without anything being changed.
func transient(err error) bool {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Temporary()
	}
	return errors.Is(err, ErrUnreachable)
}
