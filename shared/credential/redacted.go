package credential

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redaction is what every way of printing a [Redacted] yields.
const redaction = "[REDACTED]"

// Redacted is a string that must not be seen: a password, a private key, a token. By value and by pointer, under every verb
// of fmt, in encoding/json, slog, hclog and text/template it reads "[REDACTED]"; [Redacted.Reveal] returns the string itself.
//
// The zero value is the empty string. Two values are compared with [Redacted.Equal]; == compares identities, not strings.
// A Redacted is immutable and may be used concurrently.
type Redacted struct {
	// A pointer, because fmt can't call the methods of a value in an unexported field of another package's struct: it prints
	// what it finds there, which for a pointer is an address.
	value *string
}

// NewRedacted hides a string.
func NewRedacted(value string) Redacted {
	if value == "" {
		return Redacted{}
	}
	return Redacted{value: &value}
}

// Reveal returns the string. Every call to it is a place where a secret may leak.
func (r Redacted) Reveal() string {
	if r.value == nil {
		return ""
	}
	return *r.value
}

// IsEmpty reports whether the string is empty.
func (r Redacted) IsEmpty() bool { return r.value == nil }

// Equal reports whether both strings are the same, in a time that depends on nothing but their lengths.
func (r Redacted) Equal(other Redacted) bool {
	return subtle.ConstantTimeCompare([]byte(r.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements [fmt.Formatter], and so covers every verb and flag.
func (r Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redaction) }

// String implements [fmt.Stringer].
func (r Redacted) String() string { return redaction }

// GoString implements [fmt.GoStringer].
func (r Redacted) GoString() string { return redaction }

// LogValue implements [slog.LogValuer].
func (r Redacted) LogValue() slog.Value { return slog.StringValue(redaction) }

// MarshalText implements [encoding.TextMarshaler].
func (r Redacted) MarshalText() ([]byte, error) { return []byte(redaction), nil }

// MarshalJSON implements [json.Marshaler].
func (r Redacted) MarshalJSON() ([]byte, error) { return json.Marshal(redaction) }

// UnmarshalJSON reads a JSON string, so that a settings struct may have fields of this type. null leaves it unchanged.
func (r *Redacted) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var value string
	if err := json.Unmarshal(data, &value); err != nil {
		// The decoder's own message may quote the value.
		return fmt.Errorf("must be a JSON string")
	}
	*r = NewRedacted(value)
	return nil
}

// Optional is a [Redacted] that may be absent, which is not the same as empty. The zero value is absent.
type Optional struct {
	value Redacted
	set   bool
}

// Password is a present password, which may be empty.
func Password(value string) Optional { return Some(NewRedacted(value)) }

// Some is a present value that is hidden already, such as a setting.
func Some(value Redacted) Optional { return Optional{value: value, set: true} }

// Get returns the value and whether it is present.
func (o Optional) Get() (Redacted, bool) { return o.value, o.set }

// Equal reports whether both are absent, or both present and equal.
func (o Optional) Equal(other Optional) bool { return o.set == other.set && o.value.Equal(other.value) }

// Format implements [fmt.Formatter]: "[REDACTED]", or "<absent>".
func (o Optional) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// String implements [fmt.Stringer].
func (o Optional) String() string {
	if !o.set {
		return "<absent>"
	}
	return redaction
}

// GoString implements [fmt.GoStringer].
func (o Optional) GoString() string { return o.String() }

// LogValue implements [slog.LogValuer].
func (o Optional) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (o Optional) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalJSON implements [json.Marshaler]: "[REDACTED]", or null when absent.
func (o Optional) MarshalJSON() ([]byte, error) {
	if !o.set {
		return []byte("null"), nil
	}
	return json.Marshal(redaction)
}
