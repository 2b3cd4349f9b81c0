package host

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The redactor does what a strings.Replacer does that is made anew for each line, also with values that begin alike, hold each
// other or need escaping, and after values have been forgotten.
func TestRedactorIsAReplacer(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(longest int) string {
		var text strings.Builder
		for range random.IntN(longest) {
			text.WriteString([]string{"a", "b", "\"", "<", "\n", "é"}[random.IntN(6)])
		}
		return text.String()
	}
	replaced := 0
	for range 300 {
		var r redactor
		var values []string
		learn := func() {
			value := word(30)
			if len(value) < minRedacted || slices.Contains(values, value) {
				return
			}
			r.add(value)
			values = append(values, value)
		}
		for range 20 {
			learn()
		}
		for range random.IntN(10) {
			r.mu.Lock()
			r.forget(r.order[0])
			r.order = r.order[1:]
			r.mu.Unlock()
			values = values[1:]
		}
		learn()
		var forms, pairs []string
		for _, value := range values {
			forms = append(forms, formsOf(value)...)
		}
		slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
		for _, form := range forms {
			pairs = append(pairs, form, redaction)
		}
		line := word(20)
		for range 10 {
			line += word(8) + forms[random.IntN(len(forms))] + word(8)
		}
		want := strings.NewReplacer(pairs...).Replace(line)
		if got := r.redact(line); got != want {
			t.Fatalf("%q of %q\nis %q\nnot %q", line, values, got, want)
		}
		replaced += strings.Count(want, redaction)
	}
	if replaced < 1000 {
		t.Errorf("only %d values were replaced: that proves little", replaced)
	}
}

// What was forgotten for want of room leaves nothing behind.
func TestRedactorIsBounded(t *testing.T) {
	var r redactor
	r.keep("a setting that stays")
	for i := range 3 * maxRedacted {
		r.add(fmt.Sprintf("password-%d<\n", i))
	}
	if len(r.known) != maxRedacted+1 || len(r.uses) > 4*maxRedacted+4 || len(r.order) != maxRedacted {
		t.Errorf("%d values in %d forms are looked for", len(r.known), len(r.uses))
	}
	forms := 0
	for _, same := range r.forms {
		forms += len(same)
	}
	if forms != len(r.uses) {
		t.Errorf("%d forms, of which %d are used", forms, len(r.uses))
	}
	const line = "password-0< a setting that stays password-12287<"
	if got := r.redact(line); got != "password-0< "+redaction+" "+redaction {
		t.Errorf("%q", got)
	}
}

// BenchmarkRedactor redacts a line after each new value, with as many values as are looked for at most.
func BenchmarkRedactor(b *testing.B) {
	var r redactor
	value := func(i int) string { return fmt.Sprintf("password-%d", i) }
	for i := range maxRedacted {
		r.add(value(i))
	}
	line := strings.Repeat("a line of a provider's log, as long as most are. ", 4)
	for i := maxRedacted; b.Loop(); i++ {
		r.add(value(i))
		r.redact(line)
	}
}
