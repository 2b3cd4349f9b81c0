package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"text/template"

	"github.com/hashicorp/go-hclog"
)

// canary is the secret of these tests. No part of it of four bytes may be seen, in no spelling.
const canary = "kAn4rY~wQ7#zP"

const envPanic = "TEST_PANIC"

func TestMain(m *testing.M) {
	if which := os.Getenv(envPanic); which != "" {
		panicWith(which)
	}
	os.Exit(m.Run())
}

// leak returns the part of the canary that text shows.
func leak(text string) string {
	lower := strings.ToLower(text)
	for i := range len(canary) - 3 {
		part := canary[i : i+4]
		spellings := map[string]string{
			"plain":   strings.ToLower(part),
			"hex":     hex.EncodeToString([]byte(part)),
			"spaced":  fmt.Sprintf("% x", part),
			"decimal": strings.Trim(fmt.Sprint([]byte(part)), "[]"), //nolint:staticcheck // the bytes' numbers are wanted
			"go":      strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(part)), "[]byte{"), "}"),
			"0x":      fmt.Sprintf("% #x", part),
		}
		for spelling, s := range spellings {
			if strings.Contains(lower, s) {
				return spelling + " " + part
			}
		}
	}
	for shift := range 3 { // base64 depends on where in a group of three bytes the string starts
		encoded := base64.RawStdEncoding.EncodeToString([]byte(canary[shift : shift+9]))
		if strings.Contains(text, encoded) {
			return "base64 " + encoded
		}
	}
	return ""
}

func mustNotLeak(t *testing.T, how, text string) {
	t.Helper()
	if found := leak(text); found != "" {
		t.Errorf("%s shows the secret (%s): %s", how, found, text)
	}
}

func TestLeakFindsEverySpelling(t *testing.T) {
	for _, text := range []string{
		canary, strings.ToUpper(canary), canary[2:7], fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary),
		fmt.Sprintf("%d", []byte(canary)), fmt.Sprintf("%#v", []byte(canary)), fmt.Sprintf("%q", "a"+canary),
		base64.StdEncoding.EncodeToString([]byte("x" + canary)), base64.StdEncoding.EncodeToString([]byte("xy" + canary)),
	} {
		if leak(text) == "" {
			t.Errorf("the test doesn't recognise %q", text)
		}
	}
	if found := leak("[REDACTED] &{0xc000012345} map[password:[REDACTED]]"); found != "" {
		t.Errorf("the test sees %s where there is nothing", found)
	}
}

type holder struct {
	Public   Redacted
	hidden   Redacted
	Maybe    Optional
	maybe    Optional
	Pointer  *Redacted
	pointer  *Redacted
	Any      any
	any      any
	Map      map[string]Redacted
	hiddenBy map[string]Redacted
	Slice    []Redacted
	slice    []*Redacted
	Array    [1]Optional
	Nested   *holder
	nested   *Credential
}

func newHolder() holder {
	r := NewRedacted(canary)
	return holder{
		Public: r, hidden: r, Maybe: Some(r), maybe: Some(r), Pointer: &r, pointer: &r, Any: r, any: &r,
		Map: map[string]Redacted{"password": r}, hiddenBy: map[string]Redacted{"password": r},
		Slice: []Redacted{r}, slice: []*Redacted{&r}, Array: [1]Optional{Some(r)},
	}
}

func newCredential() Credential {
	r := NewRedacted(canary)
	return Credential{ID: "lab", Username: "admin", Password: Some(r), Extra: map[string]Redacted{PrivateKeyField: r}}
}

// values are all the forms in which a secret travels.
func values() map[string]any {
	r, o, c, h := NewRedacted(canary), Password(canary), newCredential(), newHolder()
	inner := newHolder()
	h.Nested, h.nested = &inner, &c
	return map[string]any{
		"redacted":            r,
		"redacted pointer":    &r,
		"optional":            o,
		"optional pointer":    &o,
		"credential":          c,
		"credential pointer":  &c,
		"struct":              h,
		"struct pointer":      &h,
		"slice":               []Redacted{r},
		"slice of pointers":   []*Redacted{&r},
		"slice of optionals":  []Optional{o},
		"slice of any":        []any{r, &r, o, &o},
		"array":               [2]Redacted{r, r},
		"map":                 map[string]Redacted{"password": r},
		"map of pointers":     map[string]*Redacted{"password": &r},
		"map of any":          map[string]any{"password": r, "credential": &c},
		"map key":             map[Redacted]string{r: "password"},
		"result":              Result{Credential: &c},
		"channel of nothing":  struct{ c chan Redacted }{},
		"pointer to a struct": &struct{ r *Redacted }{&r},
		"reader":              struct{ io.Reader }{strings.NewReader("")},
	}
}

func TestFmtNeverShowsASecret(t *testing.T) {
	verbs := "vTtbcdoOqxXUeEfFgGspw!zk"
	formats := []string{"x", "%*d", "%[5]v"} // not constants: checks refuse them as formats
	tooMany, starWidth, badIndex := formats[0], formats[1], formats[2]
	flags := []string{"", "+", "#", "-", " ", "0", "+#", "# ", "+-0# ", "#+08.3", "3", "-40", ".2", "10.5", "08", "[1]", "+.1"}
	for name, value := range values() {
		for _, verb := range verbs {
			for _, flag := range flags {
				format := "%" + flag + string(verb)
				mustNotLeak(t, format+" of "+name, fmt.Sprintf(format, value))
				if verb == 'w' {
					mustNotLeak(t, "Errorf "+format+" of "+name, fmt.Errorf(format, value).Error())
				}
			}
		}
		for how, text := range map[string]string{
			"Sprint": fmt.Sprint(value, "and", value), "Sprintln": fmt.Sprintln(value), "too many": fmt.Sprintf(tooMany, value),
			"width from a secret": fmt.Sprintf(starWidth, value, 1), "bad index": fmt.Sprintf(badIndex, value),
			"Append": string(fmt.Append(nil, value)),
		} {
			mustNotLeak(t, how+" of "+name, text)
		}
	}
}

func TestPrintedForm(t *testing.T) {
	r, full, empty, absent := NewRedacted(canary), Password(canary), Password(""), Optional{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%40s", "%.2s"} {
		for name, test := range map[string]struct {
			value any
			want  string
		}{
			"redacted": {r, redaction}, "redacted pointer": {&r, redaction}, "empty": {Redacted{}, redaction},
			"optional": {full, redaction}, "optional pointer": {&full, redaction}, "present and empty": {empty, redaction},
			"absent": {absent, "<absent>"}, "absent pointer": {&absent, "<absent>"},
		} {
			if got := fmt.Sprintf(verb, test.value); got != test.want {
				t.Errorf("%s of %s is %q, not %q", verb, name, got, test.want)
			}
		}
	}
	c := newCredential()
	if got := fmt.Sprintf("%+v", c); !strings.Contains(got, "Password:[REDACTED]") || !strings.Contains(got, "private_key:[REDACTED]") || !strings.Contains(got, "ID:lab") {
		t.Errorf("a credential prints as %s", got)
	}
	if r.String() != redaction || r.GoString() != redaction || full.String() != redaction || full.GoString() != redaction {
		t.Error("String or GoString")
	}
}

func TestEncodingsNeverShowASecret(t *testing.T) {
	for name, value := range values() {
		for how, encode := range map[string]func(any) ([]byte, error){
			"json":        json.Marshal,
			"json indent": func(v any) ([]byte, error) { return json.MarshalIndent(v, "", " ") },
			"json in map": func(v any) ([]byte, error) { return json.Marshal(map[string]any{"x": v, "y": []any{v}}) },
			"json stream": func(v any) ([]byte, error) {
				var b bytes.Buffer
				encoder := json.NewEncoder(&b)
				encoder.SetEscapeHTML(false)
				err := encoder.Encode(v)
				return b.Bytes(), err
			},
			"xml": xml.Marshal,
			"gob": func(v any) ([]byte, error) {
				var b bytes.Buffer
				err := gob.NewEncoder(&b).Encode(v)
				return b.Bytes(), err
			},
		} {
			encoded, err := encode(value)
			mustNotLeak(t, how+" of "+name, string(encoded))
			if err != nil { // not every encoding takes every form; its complaint is printed as well
				mustNotLeak(t, how+" of "+name+", its error", err.Error())
			}
		}
	}
}

func TestJSONForm(t *testing.T) {
	r, c := NewRedacted(canary), newCredential()
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"value":     {r, `"[REDACTED]"`},
		"pointer":   {&r, `"[REDACTED]"`},
		"map value": {map[string]Redacted{"a": r}, `{"a":"[REDACTED]"}`},
		"map key":   {map[Redacted]int{r: 1}, `{"[REDACTED]":1}`},
		"omitempty": {struct {
			A Redacted `json:"a,omitempty"`
		}{r}, `{"a":"[REDACTED]"}`},
		"omitzero": {struct {
			A Redacted `json:"a,omitzero"`
			B Redacted `json:"b,omitzero"`
		}{A: r}, `{"a":"[REDACTED]"}`},
		"optional": {[]Optional{Some(r), {}}, `["[REDACTED]",null]`},
		"password": {c.Password, `"[REDACTED]"`},
		"extra":    {c.Extra, `{"private_key":"[REDACTED]"}`},
		"nil":      {(*Redacted)(nil), `null`},
	} {
		got, err := json.Marshal(test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
	}
}

func TestUnmarshalJSON(t *testing.T) {
	var s struct{ A, B, C Redacted }
	if err := json.Unmarshal([]byte(`{"A":"kAn4rY~wQ7#zP","B":"","C":null}`), &s); err != nil {
		t.Fatal(err)
	}
	if s.A.Reveal() != canary || !s.B.IsEmpty() || !s.C.IsEmpty() {
		t.Errorf("read %q %q %q", s.A.Reveal(), s.B.Reveal(), s.C.Reveal())
	}
	for _, bad := range []string{`["kAn4rY~wQ7#zP"]`, `{"kAn4rY~wQ7#zP":1}`, `12345678`, `true`} {
		r := NewRedacted("before")
		err := json.Unmarshal([]byte(bad), &r)
		if err == nil {
			t.Errorf("%s was taken", bad)
			continue
		}
		mustNotLeak(t, "the decoder's error", err.Error())
		if strings.Contains(err.Error(), "12345678") || r.Reveal() != "before" {
			t.Errorf("%s: %v, value %q", bad, err, r.Reveal())
		}
	}
}

func TestLogsNeverShowASecret(t *testing.T) {
	loggers := map[string]func(io.Writer) func(string, ...any){
		"slog text": func(w io.Writer) func(string, ...any) { return slog.New(slog.NewTextHandler(w, nil)).Error },
		"slog json": func(w io.Writer) func(string, ...any) { return slog.New(slog.NewJSONHandler(w, nil)).Error },
		"slog with": func(w io.Writer) func(string, ...any) {
			return func(msg string, args ...any) {
				slog.New(slog.NewTextHandler(w, nil)).With(args...).WithGroup("g").Error(msg, args...)
			}
		},
		"slog group": func(w io.Writer) func(string, ...any) {
			return func(msg string, args ...any) {
				slog.New(slog.NewJSONHandler(w, nil)).Error(msg, slog.Group("g", args...))
			}
		},
		"hclog text": func(w io.Writer) func(string, ...any) { return hclog.New(&hclog.LoggerOptions{Output: w}).Error },
		"hclog json": func(w io.Writer) func(string, ...any) {
			return hclog.New(&hclog.LoggerOptions{Output: w, JSONFormat: true}).Error
		},
		"hclog with": func(w io.Writer) func(string, ...any) {
			return func(msg string, args ...any) {
				hclog.New(&hclog.LoggerOptions{Output: w}).With(args...).Error(msg, args...)
			}
		},
		"log": func(w io.Writer) func(string, ...any) {
			return func(msg string, args ...any) { log.New(w, "", 0).Println(append([]any{msg}, args...)...) }
		},
	}
	for how, logger := range loggers {
		for name, value := range values() {
			var b bytes.Buffer
			logger(&b)("message", "value", value, "format", hclog.Fmt("%v %#v", value, value))
			mustNotLeak(t, how+" of "+name, b.String())
			if !strings.Contains(b.String(), "message") {
				t.Errorf("%s of %s logged nothing: %s", how, name, b.String())
			}
		}
		var b bytes.Buffer
		logger(&b)("message", "value", NewRedacted(canary), "pointer", &holder{}, "optional", Password(canary))
		if !strings.Contains(b.String(), redaction) {
			t.Errorf("%s doesn't say %s: %s", how, redaction, b.String())
		}
	}
}

func TestTemplatesNeverShowASecret(t *testing.T) {
	texts := []string{
		`{{.}}`, `{{printf "%s %v %q %x %#v" . . . . .}}`, `{{print .}}`, `{{html .}}`, `{{js .}}`, `{{urlquery .}}`, `{{len .}}`, `{{index . 0}}`,
		`{{.Password}}`, `{{.Extra.private_key}}`, `{{index .Extra "private_key"}}`, `{{range $k, $v := .Extra}}{{$k}}={{$v}}{{end}}`,
		`{{.Public}} {{.Pointer}} {{.Any}}`, `{{.Nested.Public}}`, `{{.text}}`, `{{.value}}`, `{{eq . "kAn"}}`, `{{with .Password}}{{.}}{{end}}`,
	}
	pages := []string{
		`<p title="{{.}}">{{.}}</p>`, `<script>var x = {{.}};</script>`, `<a href="/{{.}}">x</a>`, `<style>a{b:{{.}}}</style>`,
		`<script>var x = {{.Password}}, y = "{{.Password}}";</script>`,
	}
	for name, value := range values() {
		for _, text := range append(texts, pages...) {
			var b bytes.Buffer
			err := template.Must(template.New("x").Parse(text)).Execute(&b, value)
			mustNotLeak(t, "text "+text+" of "+name, fmt.Sprint(b.String(), err))
			if strings.Contains(text, "{{html") || strings.Contains(text, "{{js") || strings.Contains(text, "{{urlquery") {
				continue // html/template refuses these
			}
			b.Reset()
			err = htmltemplate.Must(htmltemplate.New("x").Parse(text)).Execute(&b, value)
			mustNotLeak(t, "html "+text+" of "+name, fmt.Sprint(b.String(), err))
		}
	}
	var b bytes.Buffer
	c := newCredential()
	if err := template.Must(template.New("x").Parse(`{{.Username}} {{.Password}} {{.Extra.private_key}}`)).Execute(&b, &c); err != nil || b.String() != "admin [REDACTED] [REDACTED]" {
		t.Errorf("%s, %v", b.String(), err)
	}
}

func TestErrorsNeverShowASecret(t *testing.T) {
	for name, value := range values() {
		err := Errorf(Internal, "reading %v (%+v): %w", value, value, errors.New("cause")).WithHelp("try %v", value)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			mustNotLeak(t, verb+" of an error about "+name, fmt.Sprintf(verb, err))
			mustNotLeak(t, verb+" of a wrapped error about "+name, fmt.Sprintf(verb, fmt.Errorf("outer: %w", errors.Join(err, err))))
		}
		mustNotLeak(t, "help", strings.Join(err.Help, ""))
	}
}

func panicWith(which string) {
	if which == "error" {
		panic(Errorf(Internal, "about %v", newCredential()))
	}
	panic(values()[which])
}

func TestPanicsNeverShowASecret(t *testing.T) {
	for _, which := range []string{"redacted", "redacted pointer", "optional", "optional pointer", "credential", "credential pointer", "struct", "map", "error"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), envPanic+"="+which, "GORACE=atexit_sleep_ms=0", "GOTRACEBACK=all")
			out, err := child.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "panic: ") {
				t.Fatalf("%v, no panic in: %s", err, out)
			}
			mustNotLeak(t, "a panic", string(out))
		})
	}
}

func TestEqual(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "ab", false}, {"", "a", false}, {"ab", "a", false}, {"a\x00", "a", false}, {"é", "é", true}, {"é", "e\u0301", false},
	} {
		if got := NewRedacted(test.a).Equal(NewRedacted(test.b)); got != test.want {
			t.Errorf("%q and %q: %v", test.a, test.b, got)
		}
		if got := Password(test.a).Equal(Password(test.b)); got != test.want {
			t.Errorf("present %q and %q: %v", test.a, test.b, got)
		}
	}
	if (Optional{}).Equal(Password("")) || Password("").Equal(Optional{}) || !(Optional{}).Equal(Optional{}) {
		t.Error("absent is not empty")
	}
	if v, ok := (Optional{}).Get(); ok || !v.IsEmpty() {
		t.Error("an absent value is there")
	}
	if v, ok := Password("").Get(); !ok || !v.IsEmpty() {
		t.Error("a present empty value is not there")
	}
	if NewRedacted(canary).Reveal() != canary {
		t.Error("Reveal changes the text")
	}
}

// TestComparisonIsConstantTime can't measure nanoseconds on a shared machine. It looks at the source: secrets are compared
// in one place, by crypto/subtle, and SameMaterial has no short cut.
func TestComparisonIsConstantTime(t *testing.T) {
	source := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if redacted := source("redacted.go"); strings.Count(redacted, "subtle.ConstantTimeCompare(") != 1 || strings.Contains(redacted, "Reveal() ==") {
		t.Error("Redacted.Equal doesn't compare by crypto/subtle alone")
	}
	_, body, _ := strings.Cut(source("credential.go"), ") SameMaterial(")
	body, _, _ = strings.Cut(body, "\n}\n")
	if strings.Count(body, "return") != 1 || strings.Contains(body, "if ") || !strings.Contains(body, "return username && password && key") {
		t.Error("SameMaterial has a short cut")
	}
}
