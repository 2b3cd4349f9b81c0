package host

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// The redactor does what a strings.Replacer does that is made anew for each line, also with values that start alike, hold each
// other or need escaping, and after values have been forgotten.
func TestRedactorIsAReplacer(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	word := func(longest int) string {
		var text strings.Builder
		for range random.IntN(longest) {
			text.WriteString([]string{"a", "b", "\"", "<", "\n", "é"}[random.IntN(6)])
		}
		return text.String()
	}
	replaced := 0
	for range 100 {
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
			r.forgetOldest()
			if random.IntN(2) == 0 {
				_ = r.redact("")
			}
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
	if replaced < 300 {
		t.Errorf("only %d values were replaced: that proves little", replaced)
	}
}

// add notes one value.
func (r *redactor) add(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(value, false)
}

// forgetOldest does what a value too many does.
func (r *redactor) forgetOldest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change(change{value: r.order[0], forget: true})
	delete(r.known, r.order[0])
	r.order = r.order[1:]
}

// What was forgotten for want of room leaves nothing behind, whether lines are logged in between or not.
func TestRedactorIsBounded(t *testing.T) {
	t.Parallel()
	for logged, values := range map[int]int{1: maxRedacted + 500, 1000: 2 * maxRedacted, 1 << 30: 2 * maxRedacted} {
		var r redactor
		r.keep("a setting that stays")
		for i := range values {
			r.add(fmt.Sprintf("password-%d<\n", i))
			if i%logged == 0 {
				_ = r.redact("a line")
			}
			if len(r.changes) > 2*maxRedacted {
				t.Fatalf("%d changes are noted", len(r.changes))
			}
		}
		line := fmt.Sprintf("password-0< a setting that stays password-%d<", values-1)
		if got := r.redact(line); got != "password-0< "+redaction+" "+redaction {
			t.Errorf("%q", got)
		}
		if len(r.known) != maxRedacted+1 || len(r.uses) > 4*maxRedacted+4 || len(r.order) != maxRedacted || r.tree.Len() != len(r.uses) {
			t.Errorf("%d values in %d forms are looked for, %d of them in the tree", len(r.known), len(r.uses), r.tree.Len())
		}
	}
}

// A long value is hidden as a whole, wherever it stands, and escaped too.
func TestLongValuesAreRedacted(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var value strings.Builder
		for range minRedacted + random.IntN(5*maxForm) {
			value.WriteByte("abcdef\"<0123456789+/="[random.IntN(21)])
		}
		var r redactor
		r.add(value.String())
		for _, form := range []string{value.String(), inJSON(value.String(), true), inJSON(value.String(), false)} {
			if left := strings.ReplaceAll(r.redact("x"+form+"y"), redaction, ""); left != "xy" {
				t.Fatalf("left of %q: %q", form, left)
			}
		}
	}
}

// The worst lines for the worst values: a hostile provider hands out secrets that are alike and logs lines that are nearly them.
// No caller waits for a line's search, whose time has a bound that doesn't grow with the secrets.
func TestLinesThatStartLikeManySecrets(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]func(i int) string{
		"one start":            func(i int) string { return strings.Repeat("a", 300) + fmt.Sprint(i) },
		"many lengths":         func(i int) string { return strings.Repeat("a", minRedacted+i) + "b" },
		"one start and an end": func(i int) string { return strings.Repeat("a", 250) + strings.Repeat("b", i) + "c" },
	} {
		t.Run(name, func(t *testing.T) {
			var r redactor
			for i := range maxRedacted {
				r.add(secret(i))
			}
			line := strings.Repeat("a", maxLine)
			done := make(chan struct{})
			go func() {
				defer close(done)
				start := time.Now()
				_ = r.redact(line)
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("a line took %v", took)
				}
			}()
			for searching := true; searching; {
				select {
				case <-done:
					searching = false
				default:
				}
				start := time.Now()
				r.learn(&credential.Credential{Password: credential.Password("a password " + fmt.Sprint(start.UnixNano()))})
				if took := time.Since(start); took > time.Second {
					t.Fatalf("a caller waited %v", took)
				}
			}
		})
	}
}

// A caller waits for no search of a line, however long that takes.
func TestLearningWaitsForNoSearch(t *testing.T) {
	var r redactor
	r.searching.Lock() // as a search does
	learned := make(chan struct{})
	go func() {
		defer close(learned)
		r.learn(&credential.Credential{Password: credential.Password("a password")})
		r.keep("another password")
	}()
	select {
	case <-learned:
	case <-time.After(10 * time.Second):
		t.Error("a caller waits for the search")
	}
	r.searching.Unlock()
	<-learned
	if got := r.redact("a password, another password"); got != redaction+", "+redaction {
		t.Errorf("redacted: %q", got)
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
