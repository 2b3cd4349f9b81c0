package schema

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// object is a schema with these properties, written as JSON.
func object(properties string) string {
	return `{"$schema":"` + Dialect + `","type":"object","additionalProperties":false,"properties":{` + properties + `}}`
}

func parse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSubset(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string // part of the error; empty: it is taken
	}{
		"empty text":        {"", ""},
		"no settings":       {object(""), ""},
		"no dialect":        {`{"type":"object"}`, ""},
		"all types":         {object(`"a":{"type":"string"},"b":{"type":"boolean"},"c":{"type":"integer"},"d":{"type":"number"},"e":{"type":"array","items":{"type":"string"}}`), ""},
		"annotations":       {object(`"a":{"type":"string","title":"A","examples":["x"],"deprecated":true,"x-order":1,"$comment":"c","format":"uri"}`), ""},
		"not JSON":          {`{`, "not a JSON object"},
		"null":              {`null`, "not a JSON object"},
		"true":              {`true`, "not a JSON object"},
		"a list":            {`[]`, "not a JSON object"},
		"two values":        {`{"type":"object"} {"type":"object"}`, "not a JSON object"},
		"not an object":     {`{"type":"string"}`, "must be of type object"},
		"no type":           {`{"properties":{}}`, "must be of type object"},
		"list of types":     {`{"type":["object","null"]}`, "must be of type object"},
		"another dialect":   {`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}`, "dialect"},
		"too long":          {object(`"a":{"type":"string","description":"` + strings.Repeat("x", maxSchema) + `"}`), "bytes, more than"},
		"properties a list": {`{"type":"object","properties":[]}`, "are not an object"},

		"nested object":      {object(`"a":{"type":"object","properties":{"b":{"type":"string"}}}`), `setting a uses "properties"`},
		"bare object":        {object(`"a":{"type":"object"}`), "setting a: its type must be"},
		"null type":          {object(`"a":{"type":"null"}`), "setting a: its type must be"},
		"no type of its":     {object(`"a":{}`), "setting a: its type must be"},
		"types":              {object(`"a":{"type":["string","null"]}`), "setting a: its type must be"},
		"one type in list":   {object(`"a":{"type":["string"]}`), "setting a: its type must be"},
		"type a number":      {object(`"a":{"type":1}`), "not a JSON Schema"},
		"null property":      {object(`"a":null`), "setting a is not a JSON object"},
		"true property":      {object(`"a":true`), "setting a is not a JSON object"},
		"false property":     {object(`"a":false`), "setting a is not a JSON object"},
		"list of integers":   {object(`"a":{"type":"array","items":{"type":"integer"}}`), "the items of an array must be strings"},
		"list of lists":      {object(`"a":{"type":"array","items":{"type":"array","items":{"type":"string"}}}`), `its items uses "items"`},
		"list of anything":   {object(`"a":{"type":"array"}`), "the items of an array must be strings"},
		"items true":         {object(`"a":{"type":"array","items":true}`), "its items is not a JSON object"},
		"items null":         {object(`"a":{"type":"array","items":null}`), "items"},
		"items a list":       {object(`"a":{"type":"array","items":[{"type":"string"}]}`), "its items is not a JSON object"},
		"items of types":     {object(`"a":{"type":"array","items":{"type":["string"]}}`), "the items of an array must be strings"},
		"$ref":               {object(`"a":{"$ref":"#/$defs/a"}`), `"$ref"`},
		"$ref and a type":    {object(`"a":{"type":"string","$ref":"#"}`), `"$ref"`},
		"$ref in items":      {object(`"a":{"type":"array","items":{"type":"string","$ref":"#"}}`), `"$ref"`},
		"$ref to itself":     {object(`"a":{"type":"string","allOf":[{"$ref":"#"}]}`), `"allOf"`},
		"$dynamicRef":        {object(`"a":{"type":"string","$dynamicRef":"#"}`), `"$dynamicRef"`},
		"remote $ref":        {object(`"a":{"type":"string","not":{"$ref":"http://127.0.0.1/x"}}`), `"not"`},
		"$defs":              {`{"type":"object","$defs":{"a":{"type":"string"}}}`, `"$defs"`},
		"definitions":        {`{"type":"object","definitions":{}}`, `"definitions"`},
		"patternProperties":  {`{"type":"object","patternProperties":{"^x":{"type":"string"}}}`, `"patternProperties"`},
		"anyOf at the root":  {`{"type":"object","anyOf":[]}`, `"anyOf"`},
		"anyOf":              {object(`"a":{"type":"string","anyOf":[{"minLength":1}]}`), `"anyOf"`},
		"if":                 {object(`"a":{"type":"string","if":{}}`), `"if"`},
		"keyword in capital": {object(`"a":{"type":"string","ALLOF":[{"$ref":"#"}]}`), `"ALLOF"`},
		"required unknown":   {`{"type":"object","properties":{},"required":["a"]}`, "setting a is required"},
		"bad pattern":        {object(`"a":{"type":"string","pattern":"("}`), "setting a: "},
		"lookahead":          {object(`"a":{"type":"string","pattern":"(?=x)"}`), "setting a: "},
		"default not fit":    {object(`"a":{"type":"string","pattern":"^x$","default":"y"}`), "setting a: "},
		"default of a type":  {object(`"a":{"type":"integer","default":"5"}`), "setting a: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(test.text)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && err == nil:
				t.Errorf("taken, with %v", s.Names())
			case test.want != "" && !strings.Contains(err.Error(), test.want):
				t.Errorf("%v doesn't say %q", err, test.want)
			}
		})
	}
}

func TestProperties(t *testing.T) {
	s := parse(t, `{"type":"object","required":["b"],"properties":{
		"b":{"type":"string","description":"B.","minLength":0},
		"a":{"type":"integer","default":5},
		"c":{"type":"string","writeOnly":true,"minLength":1},
		"d":{"type":"array","items":{"type":"string"},"default":["x"]}}}`)
	want := []Property{
		{Name: "a", Type: "integer", Default: "5", Expectation: "a whole number"},
		{Name: "b", Type: "string", Description: "B.", EmptyAllowed: true, Required: true, Expectation: "a string"},
		{Name: "c", Type: "string", Secret: true, Expectation: "a string that isn't empty"},
		{Name: "d", Type: "array", Default: `["x"]`, Expectation: "a list of strings"},
	}
	if got := s.Properties(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := s.Names(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("names %v", got)
	}
	if p, ok := s.Property("c"); !ok || !p.Secret {
		t.Errorf("%+v, %v", p, ok)
	}
	if _, ok := s.Property("e"); ok {
		t.Error("an unknown setting was found")
	}
}

func TestCheckFindsEverything(t *testing.T) {
	s := parse(t, `{"type":"object","required":["must","also"],"properties":{
		"must":{"type":"string"},"also":{"type":"string"},"text":{"type":"string"},"flag":{"type":"boolean"},
		"count":{"type":"integer","minimum":1},"ratio":{"type":"number"},"list":{"type":"array","items":{"type":"string"}}}}`)
	got := s.Check(map[string]any{"text": 1.0, "flag": "true", "count": 0.5, "ratio": "1", "list": []any{"a", 1.0}, "zzz": "x", "Text": "x", "also": "set"})
	names := s.Names()
	want := []credential.Violation{
		{Setting: "Text", Problem: "no such setting; there are: " + strings.Join(names, ", ")},
		{Setting: "count", Problem: "must be a whole number of at least 1"},
		{Setting: "flag", Problem: "must be true or false"},
		{Setting: "list", Problem: "must be a list of strings"},
		{Setting: "must", Problem: "must be set"},
		{Setting: "ratio", Problem: "must be a number"},
		{Setting: "text", Problem: "must be a string"},
		{Setting: "zzz", Problem: "no such setting; there are: " + strings.Join(names, ", ")},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := s.Check(map[string]any{"must": "", "also": "x", "count": 1.0, "flag": false, "list": []any{}, "ratio": -0.5}); len(got) != 0 {
		t.Errorf("right settings are refused: %+v", got)
	}
	none := parse(t, "")
	if got := none.Check(map[string]any{"x": 1}); len(got) != 1 || got[0].Problem != "no such setting; the provider takes none" {
		t.Errorf("%+v", got)
	}
	if got := none.Check(nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestValuesOfEveryKind(t *testing.T) {
	s := parse(t, object(`"s":{"type":"string"},"b":{"type":"boolean"},"i":{"type":"integer"},"n":{"type":"number"},"l":{"type":"array","items":{"type":"string"}}`))
	for _, test := range []struct {
		setting string
		value   any
		right   bool
	}{
		{"s", "", true}, {"s", "\x00", true}, {"s", nil, false}, {"s", []any{"a"}, false}, {"s", map[string]any{}, false}, {"s", true, false},
		{"b", true, true}, {"b", 1.0, false}, {"b", nil, false},
		{"i", 5.0, true}, {"i", 5, true}, {"i", int64(5), true}, {"i", -5.0, true}, {"i", 5.5, false}, {"i", "5", false}, {"i", 1e300, true}, {"i", math.NaN(), false}, {"i", math.Inf(1), false},
		{"n", 5.5, true}, {"n", 5, true}, {"n", "5.5", false}, {"n", nil, false},
		{"l", []any{}, true}, {"l", []any{"a"}, true}, {"l", []string{"a"}, true}, {"l", "a", false}, {"l", []any{nil}, false}, {"l", []any{[]any{}}, false}, {"l", nil, false},
	} {
		if got := s.Check(map[string]any{test.setting: test.value}); (len(got) == 0) != test.right {
			t.Errorf("%s = %#v: %+v, right is %v", test.setting, test.value, got, test.right)
		}
	}
}

func TestCheckNeverQuotesAValue(t *testing.T) {
	const secret = "kAn4rY~wQ7#zP"
	s := parse(t, object(`"s":{"type":"string","pattern":"^x$","writeOnly":true},"e":{"type":"string","enum":["a","b"]},"b":{"type":"boolean"},
		"i":{"type":"integer","maximum":5},"n":{"type":"number"},"l":{"type":"array","items":{"type":"string","pattern":"^x$"}},"d":{"type":"string","pattern":"`+strings.ReplaceAll(DurationPattern, `\`, `\\`)+`"}`))
	for _, value := range []any{secret, []any{secret}, map[string]any{secret: secret}, []any{map[string]any{"a": secret}}} {
		settings := map[string]any{"unknown": value}
		for _, name := range s.Names() {
			settings[name] = value
		}
		got := s.Check(settings)
		if len(got) != 8 {
			t.Errorf("%d violations: %+v", len(got), got)
		}
		if strings.Contains(fmt.Sprint(got), secret[:4]) {
			t.Errorf("a value is quoted: %+v", got)
		}
	}
}

func TestExpectations(t *testing.T) {
	for schema, want := range map[string]string{
		`"type":"string"`:                              "a string",
		`"type":"string","minLength":0`:                "a string",
		`"type":"string","minLength":1`:                "a string that isn't empty",
		`"type":"string","minLength":2`:                "a string of at least 2 characters",
		`"type":"string","maxLength":64`:               "a string of at most 64 characters",
		`"type":"string","minLength":1,"maxLength":64`: "a string that isn't empty and of at most 64 characters",
		`"type":"string","pattern":"^a+$"`:             "a string that matches ^a+$",
		`"type":"string","pattern":"^a","maxLength":3`: "a string that matches ^a and of at most 3 characters",
		`"type":"string","enum":["a","b"]`:             "one of a, b",
		`"type":"integer","enum":[1,2]`:                "one of 1, 2",
		`"type":"string","const":"x"`:                  "x",
		`"type":"boolean"`:                             "true or false",
		`"type":"integer"`:                             "a whole number",
		`"type":"integer","minimum":1`:                 "a whole number of at least 1",
		`"type":"integer","maximum":1000000`:           "a whole number of at most 1000000",
		`"type":"integer","minimum":1,"maximum":65535`: "a whole number from 1 to 65535",
		`"type":"number","minimum":0.5,"maximum":1.5`:  "a number from 0.5 to 1.5",
		`"type":"number","exclusiveMinimum":0`:         "a number above 0",
		`"type":"number","exclusiveMaximum":1`:         "a number below 1",
		`"type":"integer","multipleOf":5`:              "a whole number that is a multiple of 5",
		`"type":"array","items":{"type":"string"}`:     "a list of strings",
		`"type":"array","minItems":1,"maxItems":3,"uniqueItems":true,"items":{"type":"string"}`: "a list of strings with at least 1 entries and with at most 3 entries and without repetition",
		`"type":"array","items":{"type":"string","enum":["a","b"]}`:                             "a list of strings, each one of a, b",
		`"type":"array","items":{"type":"string","pattern":"^a"}`:                               "a list of strings, each that matches ^a",
		`"type":"string","pattern":"` + strings.ReplaceAll(DurationPattern, `\`, `\\`) + `"`:    `a duration such as "5s" or "1m30s"`,
	} {
		p, _ := parse(t, object(`"a":{`+schema+`}`)).Property("a")
		if p.Expectation != want {
			t.Errorf("%s: %q, not %q", schema, p.Expectation, want)
		}
	}
}

func TestBounds(t *testing.T) {
	s := parse(t, object(`"i":{"type":"integer","minimum":1,"maximum":5},"e":{"type":"string","enum":["a","b"]},"p":{"type":"string","pattern":"^a+$"},"m":{"type":"string","minLength":1}`))
	for _, test := range []struct {
		setting string
		value   any
		right   bool
	}{
		{"i", 1.0, true}, {"i", 5.0, true}, {"i", 0.0, false}, {"i", 6.0, false},
		{"e", "a", true}, {"e", "c", false}, {"e", "A", false},
		{"p", "aaa", true}, {"p", "aab", false}, {"p", "a\n", false},
		{"m", " ", true}, {"m", "", false},
	} {
		if got := s.Check(map[string]any{test.setting: test.value}); (len(got) == 0) != test.right {
			t.Errorf("%s = %v: %+v", test.setting, test.value, got)
		}
	}
}

func TestDurationPatternIsWhatTimeParses(t *testing.T) {
	pattern := regexp.MustCompile(DurationPattern)
	for text, want := range map[string]bool{
		"5s": true, "1m30s": true, "1.5h": true, "100ms": true, "3µs": true, "3us": true, "7ns": true, "0s": true,
		"": false, "5": false, "-5s": false, "+5s": false, "5 s": false, "5s ": false, "5d": false, "P5D": false, "s": false, "5s\n": false,
	} {
		if got := pattern.MatchString(text); got != want {
			t.Errorf("%q matches: %v", text, got)
		}
		if _, err := time.ParseDuration(text); want && err != nil {
			t.Errorf("%q matches, and time.ParseDuration says %v", text, err)
		}
	}
	for _, d := range []time.Duration{0, 1, 1500, 3 * time.Millisecond, 90 * time.Second, math.MaxInt64} {
		if !pattern.MatchString(d.String()) {
			t.Errorf("%s, a duration's own text, doesn't match", d)
		}
	}
}
