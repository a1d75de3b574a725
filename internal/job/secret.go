package job

import "fmt"

// redacted is what every way of printing a Secret shows.
const redacted = "[redacted]"

// Secret is a text that is kept in memory only: a registry password. Whatever
// prints or encodes it shows a placeholder, also with %#v, in JSON, and in a
// struct that is printed as a whole. The zero value holds no text.
//
// The text lies behind a pointer, so that even fmt on an unexported field,
// which calls no method, shows an address.
type Secret struct{ text *string }

// NewSecret returns a Secret that holds text; "" gives the zero value.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text. Whoever calls it must neither print nor keep it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether two secrets hold the same text.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// String returns a placeholder, or "" if there is no text.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString returns what String does.
func (s Secret) GoString() string { return s.String() }

// Format writes what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalJSON writes null: a secret is not stored.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// MarshalText writes what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
