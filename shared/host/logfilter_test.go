package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func same(text string) string { return text }

// decode reads a cleaned line as go-plugin does, with the type assertions that crash it.
func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil || fields == nil {
		return nil
	}
	for _, key := range []string{"@message", "@level", "@timestamp"} {
		if value, ok := fields[key]; ok {
			if _, ok := value.(string); !ok {
				t.Fatalf("%s of %q would crash go-plugin", key, line)
			}
		}
	}
	if when, ok := fields["@timestamp"].(string); ok {
		if _, err := time.Parse(hclogTimeLayout, when); err != nil {
			t.Fatalf("go-plugin would not parse the time of %q", line)
		}
	}
	return fields
}

func TestCleanLine(t *testing.T) {
	now := time.Now().Format(hclogTimeLayout)
	for _, c := range []struct {
		name, line           string
		level, message, rest string // level is empty for plain text
	}{
		{"hclog's own", `{"@level":"warn","@message":"m","@timestamp":"` + now + `","a":"b","n":7}`, "warn", "m", `"a":"b","n":7`},
		{"a number as message", `{"@message":1}`, "debug", "1", ""},
		{"an object as level", `{"@level":{},"@message":"m"}`, "debug", "m", ""},
		{"an unknown level", `{"@level":"loud","@message":"m"}`, "debug", "m", ""},
		{"a bad time", `{"@level":"info","@message":"m","@timestamp":"noon"}`, "info", "m", ""},
		{"a list as value", `{"@level":"info","@message":"m","l":[1,"x"]}`, "info", "m", `"l":"[1,\"x\"]"`},
		{"no message", `{"a":"b"}`, "debug", "", `"a":"b"`},
		{"plain text", "[WARN] something", "", "[WARN] something", ""},
		{"a panic", "panic: no", "", "panic: no", ""},
		{"null", "null", "", "null", ""},
		{"not UTF-8", "a\xff\x00b", "", "a\uFFFD\\x00b", ""},
		{"half an object", `{"@message":1`, "debug", `{"@message":1`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cleaned, _ := cleanLine([]byte(c.line), same)
			fields := decode(t, cleaned)
			if c.level == "" {
				if fields != nil || string(cleaned) != c.message {
					t.Errorf("became %q, want the text %q", cleaned, c.message)
				}
				return
			}
			if fields["@level"] != c.level || fields["@message"] != c.message || !strings.Contains(string(cleaned), c.rest) {
				t.Errorf("became %s, want level %s, message %q and %s", cleaned, c.level, c.message, c.rest)
			}
		})
	}
}

func TestLongLinesAreBounded(t *testing.T) {
	long := strings.Repeat("y", 70<<10)
	for name, line := range map[string]string{
		"plain":           long,
		"message":         `{"@level":"info","@message":"` + long + `"}`,
		"field":           `{"@level":"info","@message":"m","f":"` + long + `"}`,
		"escaped":         `{"@level":"info","@message":"` + strings.Repeat(`\u0001`, 9000) + `","f":"` + strings.Repeat(`\u0001`, 9000) + `"}`,
		"a lot of fields": `{"@level":"info","@message":"m"` + strings.Repeat(`,"k":"v"`, 100) + manyFields(500) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			cleaned, plain := cleanLine([]byte(line), same)
			decode(t, cleaned)
			if len(cleaned) > maxOut+len("...") {
				t.Errorf("%d bytes are passed on", len(cleaned))
			}
			_ = plain
		})
	}
}

func manyFields(n int) string {
	var text strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&text, `,"k%d":"%s"`, i, strings.Repeat("v", 200))
	}
	return text.String()
}

// A reader that stops reading must not stop the provider, and what is dropped is counted.
func TestFloodIsDroppedAndCounted(t *testing.T) {
	filter := newLogFilter(same)
	var input bytes.Buffer
	const lines = 5000
	for i := range lines {
		_, _ = fmt.Fprintf(&input, `{"@level":"info","@message":"line %d"}`+"\n", i)
	}
	read := make(chan []string)
	go func() {
		var got []string
		scanner := bufio.NewScanner(filter.out)
		for scanner.Scan() {
			got = append(got, scanner.Text())
		}
		read <- got
	}()
	filter.copy(&input)
	got := <-read
	if len(got) == 0 || len(got) > 2*linesPerSecond+2 {
		t.Errorf("%d lines are passed on within two seconds", len(got))
	}
	if !strings.Contains(got[len(got)-1], "dropped") && !strings.Contains(strings.Join(got, ""), "dropped") {
		t.Error("that lines were dropped is not reported")
	}
	if tail := filter.tail(); len(tail) != tailLines {
		t.Errorf("the tail has %d lines", len(tail))
	}
}

func TestNobodyReads(t *testing.T) {
	filter := newLogFilter(same)
	provider, host := io.Pipe()
	done := make(chan struct{})
	go func() { filter.copy(provider); close(done) }()
	for range 3 * queuedLines {
		if _, err := host.Write([]byte("a line\n")); err != nil {
			t.Fatal(err)
		}
	}
	_ = host.Close()
	go func() { _, _ = io.Copy(io.Discard, filter.out) }()
	<-done
}

func TestRedactor(t *testing.T) {
	var r redactor
	r.learn(&credential.Credential{
		Password: credential.Password(`pa"ss<word>\1`),
		Extra: map[string]credential.Redacted{
			"short":       credential.NewRedacted("seven77"),
			"longer":      credential.NewRedacted("prefix-and-more"),
			"private_key": credential.NewRedacted("-----BEGIN KEY-----\nfirst line of it\nsecond line of it\n"),
		},
	})
	r.add("prefix-and")
	for _, c := range []struct{ name, in, want string }{
		{"as it is", `x pa"ss<word>\1 y`, "x [REDACTED] y"},
		{"in JSON", `{"a":"pa\"ss<word>\\1"}`, `{"a":"[REDACTED]"}`},
		{"in JSON for HTML", `{"a":"pa\"ss\u003cword\u003e\\1"}`, `{"a":"[REDACTED]"}`},
		{"twice", `pa"ss<word>\1pa"ss<word>\1`, "[REDACTED][REDACTED]"},
		{"the longer one first", "prefix-and-more", "[REDACTED]"},
		{"the shorter one", "prefix-and-less", "[REDACTED]-less"},
		{"too short to look for", "seven77", "seven77"},
		{"one line of a key", "second line of it", "[REDACTED]"},
		{"nothing", "nothing to hide", "nothing to hide"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.redact(c.in); got != c.want {
				t.Errorf("%q became %q, want %q", c.in, got, c.want)
			}
		})
	}
}

// Whatever a line goes through on its way to the log, that doesn't hide a secret from the redactor.
func TestSecretsInLines(t *testing.T) {
	const (
		spaced = "correct\u00a0horse\u200bbattery" // characters that a log doesn't show
		digits = "20240117"
		long   = "12345678901234567890" // more digits than a number keeps
		word   = "a-word-of-some-length"
	)
	var r redactor
	for _, value := range []string{spaced, digits, long, word} {
		r.add(value)
	}
	for name, line := range map[string]string{
		"characters that aren't shown, in a text":    "the password is " + spaced,
		"characters that aren't shown, in an object": `{"@level":"info","@message":"m","password":"` + spaced + `"}`,
		"digits as a number":                         `{"@level":"info","@message":"m","pin":` + digits + `}`,
		"many digits as a number":                    `{"@level":"info","@message":"m","pin":` + long + `}`,
		"many digits in a list":                      `{"@level":"info","@message":"m","pins":[` + long + `]}`,
		"the end of a long name is cut":              `{"@level":"info","@message":"m","` + strings.Repeat("n", 128-len(word)/2) + word + `":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			cleaned, plain := cleanLine([]byte(line), r.redact)
			decode(t, cleaned)
			for _, text := range []string{string(cleaned), plain} {
				for _, part := range []string{"horse", digits, long[:16], word[:8]} {
					if strings.Contains(text, part) {
						t.Errorf("%q is in %q", part, text)
					}
				}
			}
			if !strings.Contains(string(cleaned), redaction) && !strings.Contains(name, "cut") {
				t.Errorf("nothing is hidden in %q", cleaned)
			}
		})
	}
}

// A number stays a number, unless it is too large for one.
func TestNumbersInLines(t *testing.T) {
	cleaned, plain := cleanLine([]byte(`{"@level":"info","@message":"m","a":7,"b":1234567.5,"c":1e999}`), same)
	if fields := decode(t, cleaned); fields["a"] != 7.0 || fields["b"] != 1234567.5 || fields["c"] != "1e999" {
		t.Errorf("became %s", cleaned)
	}
	if plain != "m a=7 b=1234567.5 c=1e999" {
		t.Errorf("became %q", plain)
	}
}

func TestRedactorForgetsTheOldest(t *testing.T) {
	var r redactor
	for i := range maxRedacted + 1 {
		r.add(fmt.Sprintf("secret number %d.", i))
	}
	if got := r.redact("secret number 0."); got != "secret number 0." {
		t.Errorf("the oldest is still known: %q", got)
	}
	if got := r.redact("secret number 1."); got != redaction {
		t.Errorf("the second is forgotten: %q", got)
	}
}

func FuzzCleanLine(f *testing.F) {
	for _, seed := range []string{
		`{"@message":1}`, `{"@level":"info","@message":"m","@timestamp":"2026-01-02T15:04:05.000000Z"}`, `{"@timestamp":1}`, `{"@level":[]}`,
		"null", "[]", "panic: x", "\x00", `{"a":{"b":["secret-value"]}}`, `{"secret-value":1}`, `"secret-value"`, strings.Repeat("{", 100), `{"@message":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	var r redactor
	r.add("secret-value")
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.ContainsAny(line, "\r\n") {
			return // the reader ends lines there
		}
		cleaned, plain := cleanLine(line, r.redact)
		decode(t, cleaned)
		if len(cleaned) > maxOut+len("...") || bytes.ContainsAny(cleaned, "\n") {
			t.Errorf("%q became %q", line, cleaned)
		}
		for _, text := range []string{string(cleaned), plain} {
			if strings.Contains(text, "secret-value") {
				t.Errorf("the secret is in %q", text)
			}
		}
	})
}

func TestSecretSettingsAreNeverForgotten(t *testing.T) {
	var r redactor
	r.keep("the vault's own token")
	for i := range maxRedacted + 1 {
		r.add(fmt.Sprintf("a password, number %d", i))
	}
	if got := r.redact("the vault's own token, a password, number 0, a password, number 4096"); got != redaction+", a password, number 0, "+redaction {
		t.Error(got)
	}
}
