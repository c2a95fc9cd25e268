package prt

import (
	"fmt"
	"log/slog"
)

// redacted gives the type that embeds it printed forms in which nothing of its content appears (P11): L says what stands
// in its place.
type redacted[L label] struct{}

// A label is what is printed in place of a secret.
type label interface{ label() string }

func (redacted[L]) text() string {
	var l L
	return l.label()
}

// String redacts the value.
func (r redacted[L]) String() string { return r.text() }

// GoString redacts the value.
func (r redacted[L]) GoString() string { return r.text() }

// Format redacts the value under every verb.
func (r redacted[L]) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, r.text()) }

// LogValue redacts the value.
func (r redacted[L]) LogValue() slog.Value { return slog.StringValue(r.text()) }

// MarshalText redacts the value.
func (r redacted[L]) MarshalText() ([]byte, error) { return []byte(r.text()), nil }

// MarshalJSON redacts the value.
func (r redacted[L]) MarshalJSON() ([]byte, error) { return []byte(`"` + r.text() + `"`), nil }

type secretLabel struct{}

func (secretLabel) label() string { return "secret:redacted" }

// A Secret is a text that must not be printed: a password, a token, an assertion. It prints as "secret:redacted", except
// from a field that package fmt cannot see into: do not put it into an unexported field of a struct that is printed.
type Secret string

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

func (Secret) redacted() redacted[secretLabel] { return redacted[secretLabel]{} }

// String redacts the text.
func (s Secret) String() string { return s.redacted().String() }

// GoString redacts the text.
func (s Secret) GoString() string { return s.redacted().GoString() }

// Format redacts the text under every verb.
func (s Secret) Format(f fmt.State, verb rune) { s.redacted().Format(f, verb) }

// LogValue redacts the text.
func (s Secret) LogValue() slog.Value { return s.redacted().LogValue() }

// MarshalText redacts the text.
func (s Secret) MarshalText() ([]byte, error) { return s.redacted().MarshalText() }

// MarshalJSON redacts the text.
func (s Secret) MarshalJSON() ([]byte, error) { return s.redacted().MarshalJSON() }
