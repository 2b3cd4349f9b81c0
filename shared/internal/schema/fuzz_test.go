package schema

import (
	"encoding/json"
	"strings"
	"testing"
)

// A host parses what any provider sends. Whatever that is, Parse answers, and what it takes can be used.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "true", "[]", `{"type":"object"}`, object(""), object(`"a":null`), object(`"a":true`),
		object(`"a":{"type":"string","minLength":0,"default":"x","description":"d","writeOnly":true}`),
		object(`"a":{"type":"array","items":{"type":"string","enum":["a"]},"uniqueItems":true,"default":["a"]}`),
		object(`"a":{"type":"array","items":null}`), object(`"a":{"type":"integer","minimum":1e308,"maximum":-1e308,"multipleOf":0}`),
		object(`"a":{"type":"string","allOf":[{"$ref":"#"}]}`), object(`"a":{"type":"string","$ref":"#/properties/a"}`),
		object(`"a":{"type":"string","pattern":"(a{1000}){1000}"}`), object(`"a":{"type":"string","enum":[null,{},[]]}`), object(`"a":{"type":"string","enum":null,"const":null}`),
		`{"type":"object","properties":{"a":{"type":"string"}},"properties":{"a":{"type":"object"}}}`,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a","a"]}`,
		`{"type":"object","properties":{"":{"type":"string"},"\u0000":{"type":"string"}}}`,
		strings.Repeat("[", 10000), `{"$id":"http://[::1","type":"object"}`, object(`"a":{"type":"number","multipleOf":0.1,"default":1e999}`),
	} {
		f.Add(seed, `{"a":"x"}`)
	}
	f.Add(object(`"a":{"type":"integer"}`), `{"a":1e308}`)
	f.Add(object(`"a":{"type":"integer","multipleOf":3}`), `{"a":[[[]]],"b":null}`)
	f.Fuzz(func(t *testing.T, text, settings string) {
		s, err := Parse(text)
		if err != nil {
			if s != nil {
				t.Errorf("a schema beside the error %v", err)
			}
			return
		}
		var values map[string]any
		if json.Unmarshal([]byte(settings), &values) != nil {
			return
		}
		for _, violation := range s.Check(values) {
			if violation.Problem == "" || violation.Problem == "must be " {
				t.Errorf("an empty problem with %q", violation.Setting)
			}
		}
		for _, p := range s.Properties() {
			if found, ok := s.Property(p.Name); !ok || found != p || p.Expectation == "" {
				t.Errorf("property %+v", p)
			}
			if p.Default != "" && !json.Valid([]byte(p.Default)) {
				t.Errorf("the default of %s isn't JSON: %s", p.Name, p.Default)
			}
		}
	})
}
