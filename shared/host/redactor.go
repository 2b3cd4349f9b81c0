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
//
// It isn't a strings.Replacer, since that has to be made anew for each value: with thousands of them, that took longer than
// the provider waits between two lines.
type redactor struct {
	mu    sync.RWMutex
	known map[string]bool
	order []string // the oldest first; those that are never forgotten aren't in it
	// forms are those of all known values, by how they begin, and the longest first: where one begins with another, hiding the
	// shorter one would show the rest of the longer. uses is how many values have a form.
	forms map[beginning][]string
	uses  map[string]int
}

// beginning is that of a form. No form is shorter.
type beginning [minRedacted]byte

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
	r.lookFor(value)
}

func (r *redactor) add(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lookFor(value) {
		return
	}
	if len(r.order) == maxRedacted {
		r.forget(r.order[0])
		r.order = r.order[1:]
	}
	r.order = append(r.order, value)
}

// lookFor looks for a value from now on, and says whether that is new; the caller holds the lock.
func (r *redactor) lookFor(value string) bool {
	if len(value) < minRedacted || r.known[value] {
		return false
	}
	if r.known == nil {
		r.known, r.forms, r.uses = map[string]bool{}, map[beginning][]string{}, map[string]int{}
	}
	r.known[value] = true
	for _, form := range formsOf(value) {
		if r.uses[form]++; r.uses[form] == 1 {
			at := beginning([]byte(form))
			same := r.forms[at]
			place, _ := slices.BinarySearchFunc(same, form, longestFirst)
			r.forms[at] = slices.Insert(same, place, form)
		}
	}
	return true
}

// forget no longer looks for a value; the caller holds the lock.
func (r *redactor) forget(value string) {
	delete(r.known, value)
	for _, form := range formsOf(value) {
		if r.uses[form]--; r.uses[form] > 0 {
			continue
		}
		delete(r.uses, form)
		at := beginning([]byte(form))
		same := slices.DeleteFunc(r.forms[at], func(other string) bool { return other == form })
		if r.forms[at] = same; len(same) == 0 {
			delete(r.forms, at)
		}
	}
}

// redact returns text with every known value replaced.
func (r *redactor) redact(text string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var redacted strings.Builder
	shown := 0 // what comes before is in redacted
	for i := 0; i+minRedacted <= len(text); {
		form := r.at(text[i:])
		if form == "" {
			i++
			continue
		}
		redacted.WriteString(text[shown:i])
		redacted.WriteString(redaction)
		i += len(form)
		shown = i
	}
	if shown == 0 {
		return text
	}
	redacted.WriteString(text[shown:])
	return redacted.String()
}

// at returns the longest form that text begins with, an empty one if it begins with none.
func (r *redactor) at(text string) string {
	for _, form := range r.forms[beginning([]byte(text[:minRedacted]))] {
		if strings.HasPrefix(text, form) {
			return form
		}
	}
	return ""
}

func longestFirst(a, b string) int {
	return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
}

// formsOf are the ways in which a value may stand in a line.
func formsOf(value string) []string {
	forms := []string{value, inJSON(value, true), inJSON(value, false)}
	// A key of several lines is printed as several lines.
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minRedacted {
			forms = append(forms, line)
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
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
