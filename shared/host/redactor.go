package host

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	redaction = "[REDACTED]"

	// minRedacted is the length from which on a value is looked for in log lines, in bytes. Shorter ones would hit
	// words that mean nothing.
	minRedacted = 8
	// maxRedacted bounds how many values are looked for; the oldest are forgotten first.
	maxRedacted = 4096
)

// redactor hides, in what a provider logs, the secret values that the host has had from it or has given to it. It is a best
// effort: it knows a value only once it has been handed out, and only in the forms that it looks for, as it is and escaped in
// JSON.
type redactor struct {
	mu       sync.Mutex
	known    map[string]bool
	order    []string // the oldest first; those that are never forgotten aren't in it
	always   []string
	replacer *strings.Replacer // nil after a new value
}

// learn adds the secret values of a credential.
func (r *redactor) learn(c *credential.Credential) {
	if password, ok := c.Password.Get(); ok {
		r.add(password.Reveal())
	}
	for _, value := range c.Extra {
		r.add(value.Reveal())
	}
}

// keep adds a value that is never forgotten: a secret among the provider's settings.
func (r *redactor) keep(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isNew(value) {
		r.always = append(r.always, value)
	}
}

// isNew says whether a value has to be looked for from now on; the caller holds the lock.
func (r *redactor) isNew(value string) bool {
	if len(value) < minRedacted || r.known[value] {
		return false
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	r.known[value] = true
	r.replacer = nil
	return true
}

func (r *redactor) add(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isNew(value) {
		return
	}
	if len(r.order) == maxRedacted {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	r.order = append(r.order, value)
}

// redact returns text with every known value replaced.
func (r *redactor) redact(text string) string {
	r.mu.Lock()
	if r.replacer == nil {
		r.replacer = newReplacer(slices.Concat(r.always, r.order))
	}
	replacer := r.replacer
	r.mu.Unlock()
	return replacer.Replace(text)
}

// newReplacer looks for all forms of the values, longest first: where one value begins with another, hiding the shorter
// one would show the rest of the longer.
func newReplacer(values []string) *strings.Replacer {
	var forms []string
	for _, value := range values {
		forms = append(forms, value, inJSON(value, true), inJSON(value, false))
		// A key of several lines is printed as several lines.
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= minRedacted {
				forms = append(forms, line)
			}
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, redaction)
	}
	return strings.NewReplacer(pairs...)
}

// inJSON is a value as it stands between the quotes of a JSON string.
func inJSON(value string, escapeHTML bool) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(escapeHTML)
	if err := encoder.Encode(value); err != nil {
		return value
	}
	quoted := strings.TrimSuffix(text.String(), "\n")
	return quoted[1 : len(quoted)-1]
}
