package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// Limits of what a provider sends, in bytes unless they are numbers of entries. The contract's comments name them. What is for
// people is truncated when it is received; what programs decide by is refused.
const (
	MaxUsername   = 1 << 10
	MaxSecret     = 64 << 10 // a password, or one value of extra
	MaxExtra      = 1000     // entries
	MaxExtraKey   = 256
	MaxCredential = 256 << 10 // everything of one credential
	MaxPageToken  = 4 << 10
	MaxPage       = 10_000 // credentials, where the provider decides how many
	MaxName       = 64     // a name for programs: a provider's, a capability, a check's, a reason

	maxMessage     = 1 << 10 // a message, a description, a step of help
	maxDetails     = 4 << 10 // all details of an error, as this side sends them
	maxHelp        = 20      // steps
	maxMetadata    = 32      // entries
	maxMetadataKey = 64
	maxMetadataVal = 512
	maxViolations  = 100
	maxChecks      = 100
	maxRequestID   = 256
)

// CredentialProblem returns what the contract forbids about an answer to a request; empty if nothing is wrong. It quotes no
// value.
func CredentialProblem(request credential.Request, c *credential.Credential) string {
	if c == nil {
		return "there is none"
	}
	password, hasPassword := c.Password.Get()
	secret := password.Reveal()
	// A username is shown and logged, and a terminal obeys control characters. In a password a device takes them for keys:
	// Ctrl-C, Ctrl-U, the end of the line.
	switch {
	case c.ID != request.ID:
		return "it has another id"
	case c.Username == "":
		return "the username is empty"
	case len(c.Username) > MaxUsername:
		return fmt.Sprintf("the username has more than %d bytes", MaxUsername)
	case !hasPassword && c.Extra[credential.PrivateKeyField].IsEmpty():
		return "neither a password nor a private_key"
	case strings.ContainsFunc(c.Username, unicode.IsControl):
		return "the username holds control characters (NUL, CR, LF or others)"
	case strings.ContainsFunc(secret, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }):
		return "the password holds control characters (NUL, CR, LF or others)"
	case len(c.VersionID) > credential.MaxIDLength:
		return fmt.Sprintf("the version has more than %d bytes", credential.MaxIDLength)
	case len(c.Extra) > MaxExtra:
		return fmt.Sprintf("extra has more than %d entries", MaxExtra)
	}
	size := len(c.Username) + len(secret)
	texts := []string{c.Username, secret, c.VersionID}
	for key, value := range c.Extra {
		revealed := value.Reveal()
		if len(key) > MaxExtraKey || len(revealed) > MaxSecret {
			return fmt.Sprintf("an entry of extra has more than %d bytes, or its name more than %d", MaxSecret, MaxExtraKey)
		}
		size += len(key) + len(revealed)
		texts = append(texts, key, revealed)
	}
	switch {
	case len(secret) > MaxSecret:
		return fmt.Sprintf("the password has more than %d bytes", MaxSecret)
	case size > MaxCredential:
		return fmt.Sprintf("all its fields together have more than %d bytes", MaxCredential)
	case slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) }):
		return "it isn't valid UTF-8"
	}
	return ""
}

// PageProblem returns what the contract forbids about a page of a listing of which size entries were asked for; 0 is any
// number. Empty if nothing is wrong.
func PageProblem(page credential.Page, size int) string {
	if size <= 0 {
		size = MaxPage
	}
	if len(page.Credentials) > size {
		return fmt.Sprintf("%d credentials where at most %d were asked for", len(page.Credentials), size)
	}
	if len(page.NextToken) > MaxPageToken {
		return fmt.Sprintf("its next token has more than %d bytes", MaxPageToken)
	}
	return ""
}

// bounded truncates what an error has for people, and drops what is too much of it. It returns e.
func bounded(e *credential.Error) *credential.Error {
	e.Message = text.Truncate(e.Message, maxMessage)
	e.Help = boundedList(e.Help, maxHelp)
	e.Metadata = boundedMap(e.Metadata)
	e.Violations = e.Violations[:min(len(e.Violations), maxViolations)]
	for i, v := range e.Violations {
		e.Violations[i] = credential.Violation{Setting: text.Truncate(v.Setting, 2*MaxName), Problem: text.Truncate(v.Problem, maxMetadataVal)}
	}
	return e
}

func boundedList(list []string, most int) []string {
	if len(list) == 0 {
		return nil
	}
	short := make([]string, min(len(list), most))
	for i := range short {
		short[i] = text.Truncate(list[i], maxMessage)
	}
	return short
}

func boundedMap(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, min(len(in), maxMetadata))
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if len(out) == maxMetadata {
			break
		}
		out[text.Truncate(key, maxMetadataKey)] = text.Truncate(in[key], maxMetadataVal)
	}
	return out
}
