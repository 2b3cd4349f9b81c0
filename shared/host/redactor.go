package host

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/armon/go-radix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	redaction = "[REDACTED]"

	// minRedacted is the length from which on a value is looked for in log lines, in bytes. Shorter ones would hit
	// words that mean nothing.
	minRedacted = 8
	// maxRedacted bounds how many values are looked for; the oldest are forgotten first.
	maxRedacted = 4096
	// maxForm is the longest piece that is looked for, in bytes: longer values are looked for in pieces, so that the cost of a
	// line has a bound.
	maxForm = 256
)

// redactor hides, in what a provider logs, the secret values that the host has had from it or has given to it. It is a best
// effort: it knows a value only once it has been handed out, and only in the forms that it looks for, as it is and escaped in
// JSON.
//
// A caller only notes the values. Those who clean log lines bring the tree up to date, and pay for it: no caller waits while a
// line is searched. A line costs at most maxForm comparisons a byte, however many values there are and however alike they are.
type redactor struct {
	mu    sync.Mutex
	known map[string]bool // by value: whether it is never forgotten
	order []string        // of those that may be forgotten, the oldest first
	// changes are still to be made in the tree. With too many of them it is made anew from known.
	changes []change
	rebuild bool

	searching sync.Mutex
	tree      *radix.Tree    // of forms
	uses      map[string]int // how many values have a form
}

// change is a value that is looked for from now on, or no longer.
type change struct {
	value  string
	forget bool
}

// learn notes the secret values of a credential.
func (r *redactor) learn(c *credential.Credential) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if password, ok := c.Password.Get(); ok {
		r.note(password.Reveal(), false)
	}
	for _, value := range c.Extra {
		r.note(value.Reveal(), false)
	}
}

// keep notes a value that is never forgotten: a secret among the provider's settings.
func (r *redactor) keep(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(value, true)
}

// note notes one value; the caller holds r.mu.
func (r *redactor) note(value string, forGood bool) {
	if _, ok := r.known[value]; ok || len(value) < minRedacted {
		return
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	r.known[value] = forGood
	r.change(change{value: value})
	if forGood {
		return
	}
	if len(r.order) == maxRedacted {
		r.change(change{value: r.order[0], forget: true})
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	r.order = append(r.order, value)
}

func (r *redactor) change(c change) {
	if len(r.changes) == 2*maxRedacted { // nothing was logged for long
		r.changes, r.rebuild = nil, true
	}
	if !r.rebuild {
		r.changes = append(r.changes, c)
	}
}

// update makes the noted changes in the tree; the caller holds r.searching.
func (r *redactor) update() {
	r.mu.Lock()
	changes, rebuild := r.changes, r.rebuild
	r.changes, r.rebuild = nil, false
	if rebuild {
		for value := range r.known {
			changes = append(changes, change{value: value})
		}
	}
	r.mu.Unlock()
	if r.tree == nil || rebuild {
		r.tree, r.uses = radix.New(), map[string]int{}
	}
	for _, change := range changes {
		for _, form := range formsOf(change.value) {
			switch {
			case !change.forget:
				if r.uses[form]++; r.uses[form] == 1 {
					r.tree.Insert(form, nil)
				}
			case r.uses[form] > 1:
				r.uses[form]--
			case r.uses[form] == 1:
				delete(r.uses, form)
				r.tree.Delete(form)
			}
		}
	}
}

// redact returns text with every known value replaced, the longest one where several start.
func (r *redactor) redact(text string) string {
	r.searching.Lock()
	defer r.searching.Unlock()
	r.update()
	var redacted strings.Builder
	shown := 0 // what comes before is in redacted
	for i := 0; i+minRedacted <= len(text); {
		form, _, found := r.tree.LongestPrefix(text[i:min(len(text), i+maxForm+minRedacted)])
		if !found {
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

// formsOf are the ways in which a value may stand in a line, in pieces of at most about maxForm bytes.
func formsOf(value string) []string {
	var forms []string
	for _, whole := range []string{value, inJSON(value, true), inJSON(value, false)} {
		forms = append(forms, pieces(whole)...)
	}
	// A key of several lines is printed as several lines.
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minRedacted {
			forms = append(forms, pieces(line)...)
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// pieces cuts a form so that no piece is too short to be looked for.
func pieces(form string) []string {
	var all []string
	for len(form) >= maxForm+minRedacted {
		all = append(all, form[:maxForm])
		form = form[maxForm:]
	}
	return append(all, form)
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
