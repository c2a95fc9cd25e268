package oauth

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"boundgate/internal/aadsts"
)

// Limits on a form body.
const (
	maxBody       = 64 << 10
	maxParameters = 64
)

// A form is a decoded request body. Every parameter is there at most once (RFC 6749 section 3.2).
type form map[string]string

// readForm decodes the body of a token request. Real clients send it with a wrong Content-Type or none, and without
// percent-encoding where it would be due, so the body is read as a form whatever it calls itself.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, aadsts.RequestTooLarge.Saying("The request body is larger than %d bytes.", maxBody)
	}
	if err != nil {
		return nil, aadsts.MalformedRequest.Saying("The request body could not be read.").Because(err)
	}
	return parseForm(string(body))
}

func parseForm(body string) (form, error) {
	f := form{}
	for rest := strings.TrimSpace(body); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = decode(name)
		if _, twice := f[name]; twice {
			return nil, aadsts.MalformedRequest.Saying("The parameter %s is there twice.", printable(name))
		}
		if len(f) == maxParameters {
			return nil, aadsts.MalformedRequest.Saying("The request has more than %d parameters.", maxParameters)
		}
		f[name] = decode(value)
	}
	return f, nil
}

// decode undoes percent-encoding. Text that is not encoded as it should be is taken as it stands.
func decode(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	return s
}

// need returns a parameter that must be there.
func (f form) need(name string) (string, error) {
	if f[name] == "" {
		return "", aadsts.MissingParameter.Saying("The request body must contain the parameter %s.", name)
	}
	return f[name], nil
}

// printable returns a name from outside in a form that can be shown: a parameter's name, not its value.
func printable(name string) string {
	const most = 40
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	if len(clean) > most {
		clean = clean[:most] + "…"
	}
	return clean
}
