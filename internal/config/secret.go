package config

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// A Secret is text that no printing shows. It hides behind a pointer so that even a struct that holds one in an
// unexported field prints an address. The zero value is the absent secret.
type Secret struct{ text *string }

// NewSecret returns text as a secret; "" is the absent one.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is absent.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares in constant time.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String shows that there is a secret, never which.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "secret:redacted"
}

// Format answers every verb of package fmt with String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.String()) }

// MarshalText prints String, so that JSON and TOML do too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue prints String in a log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText takes the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
