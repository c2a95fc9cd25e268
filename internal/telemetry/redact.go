package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Redacted stands in the log where a secret would have stood.
const Redacted = "[redacted]"

// Redact returns a handler that hides secrets from next: the values of attributes that are named like secrets, and what
// looks like a token, a bearer header or a secret form parameter in any message, text or error. It is a second line of
// defence. The first is not to log secrets.
func Redact(next slog.Handler) slog.Handler { return redactor{next: next} }

type redactor struct {
	next   slog.Handler
	hidden bool // inside a group that is named like a secret
}

// Enabled asks the handler behind.
func (r redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return r.next.Enabled(ctx, level)
}

// Handle passes on a record without its secrets.
func (r redactor) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, Scrub(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(r.attr(a))
		return true
	})
	return r.next.Handle(ctx, clean)
}

// WithAttrs redacts the attributes once.
func (r redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return redactor{next: r.next.WithAttrs(r.attrs(attrs)), hidden: r.hidden}
}

// WithGroup hides what follows when the group is named like a secret.
func (r redactor) WithGroup(name string) slog.Handler {
	return redactor{next: r.next.WithGroup(name), hidden: r.hidden || namesSecret(name)}
}

func (r redactor) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.attr(a)
	}
	return clean
}

func (r redactor) attr(a slog.Attr) slog.Attr {
	if r.hidden || namesSecret(a.Key) {
		return slog.String(a.Key, Redacted)
	}
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindString:
		value = slog.StringValue(Scrub(value.String()))
	case slog.KindGroup:
		value = slog.GroupValue(r.attrs(value.Group())...)
	case slog.KindAny:
		value = slog.StringValue(Scrub(fmt.Sprintf("%+v", value.Any()))) // a handler might look deeper than we can
	default: // numbers, times and truths hold no secret
	}
	return slog.Attr{Key: a.Key, Value: value}
}

// secretWords are the last words of names whose values are secrets: "refresh_token", "session_key", "proofNonce".
var secretWords = []string{
	"password", "passwords", "passwd", "passphrase", "secret", "secrets", "credential", "credentials",
	"token", "tokens", "assertion", "cookie", "cookies", "authorization", "nonce", "prt", "jwt", "jwe", "jws", "jwk", "verifier", "ticket",
}

// publicNames end in a word that is secret elsewhere.
var publicNames = []string{"status code", "error code", "result code", "exit code"}

// secretKeys are the kinds of key that are secret. Others, such as the key of a map, are not.
var secretKeys = []string{"session", "private", "transport", "device", "derived", "master", "signing", "symmetric", "shared", "api"}

// namesSecret reports whether a value with this name is a secret.
func namesSecret(name string) bool {
	words := wordsOf(name)
	if len(words) == 0 {
		return false
	}
	last, before := words[len(words)-1], ""
	if len(words) > 1 {
		before = words[len(words)-2]
	}
	switch {
	case slices.Contains(secretWords, last), strings.HasPrefix(words[0], "password"):
		return true
	case last == "code":
		return !slices.Contains(publicNames, before+" code")
	case last == "key" || last == "keys":
		return slices.Contains(secretKeys, before)
	default:
		return false
	}
}

// wordsOf splits a name at punctuation and at capitals: "Set-Cookie", "refresh_token", "accessToken".
func wordsOf(name string) []string {
	var spaced strings.Builder
	previous := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(previous) {
			spaced.WriteRune(' ')
		}
		previous = r
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			r = ' '
		}
		spaced.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(spaced.String())
}

// What secrets look like in running text.
var (
	// A JWS or JWE in compact form: a header that begins `{"`, and at least one more part.
	compactJOSE = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)+`)
	// The credentials of an Authorization header.
	authorization = regexp.MustCompile(`(?i)\b(bearer|basic|pop|dpop)\s+[A-Za-z0-9._~+/-]{8,}=*`)
	// A parameter of a form, a query or a cookie.
	parameter = regexp.MustCompile(`(?i)\b(` + secretParameters + `)=[^&\s"';,)]+`)
	// A member of a JSON object.
	member = regexp.MustCompile(`(?i)"(` + secretParameters + `)"(\s*:\s*)"(?:[^"\\]|\\.)*"?`)
)

// secretParameters are the parameters of our protocols whose values are secrets.
const secretParameters = `password|passwd|passphrase|client_secret|code|device_code|user_code|code_verifier|assertion|client_assertion|` +
	`access_token|refresh_token|id_token|id_token_hint|request_nonce|nonce|request|tokens|x-ms-refreshtokencredential\w*|estsauth\w*`

// Scrub replaces what looks like a secret in text.
func Scrub(text string) string {
	text = compactJOSE.ReplaceAllString(text, Redacted)
	text = authorization.ReplaceAllString(text, "$1 "+Redacted)
	text = parameter.ReplaceAllString(text, "$1="+Redacted)
	return member.ReplaceAllString(text, `"$1"$2"`+Redacted+`"`)
}
