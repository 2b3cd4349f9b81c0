package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

type shared struct {
	Timeout Duration `json:"timeout,omitempty" jsonschema:"How long."`
	Regions []string `json:"regions,omitempty" jsonschema:"Where."`
}

type everything struct {
	shared
	Text    string              `json:"text" jsonschema:"A required text."`
	Name    string              `json:"name,omitempty" jsonschema:"A name." pattern:"^[a-z]+$"`
	Mode    string              `json:"mode,omitempty" jsonschema:"A mode." enum:"fast,slow"`
	Prefix  string              `json:"prefix,omitempty" jsonschema:"May be empty." empty:"allowed"`
	Flag    bool                `json:"flag,omitempty" jsonschema:"A flag."`
	Int     int                 `json:"int,omitempty" jsonschema:"A number."`
	Int8    int8                `json:"int8,omitempty" jsonschema:"A small number."`
	Uint16  uint16              `json:"uint16,omitempty" jsonschema:"A port."`
	Int64   int64               `json:"int64,omitempty" jsonschema:"A large number."`
	Float   float64             `json:"float,omitempty" jsonschema:"A fraction."`
	Float32 float32             `json:"float32,omitempty" jsonschema:"A small fraction."`
	List    []string            `json:"list,omitempty" jsonschema:"A list."`
	Colours []string            `json:"colours,omitempty" jsonschema:"Some colours." enum:"red,green"`
	Wait    Duration            `json:"wait,omitempty" jsonschema:"Another time."`
	Token   credential.Redacted `json:"token,omitempty" jsonschema:"A secret."`
	Key     credential.Redacted `json:"key,omitempty" jsonschema:"Another secret." pattern:"^k-"`
	Skipped string              `json:"-"`
	private string
}

func everyDefault() everything {
	return everything{
		shared: shared{Timeout: Duration(90 * time.Second), Regions: []string{"north", "south"}},
		Prefix: "tom/", Int: 5, Float: 0.5, List: []string{"a", "b"}, Mode: "slow", Flag: true,
		Token: credential.NewRedacted("the default token"), private: "kept",
	}
}

func formOf[S any](t *testing.T, defaults S) *form[S] {
	t.Helper()
	f, err := newForm(defaults)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSchemaOfEveryFieldType(t *testing.T) {
	f := formOf(t, everyDefault())
	var root struct {
		Schema               string                     `json:"$schema"`
		Type                 string                     `json:"type"`
		AdditionalProperties any                        `json:"additionalProperties"`
		Required             []string                   `json:"required"`
		Properties           map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal([]byte(f.text), &root); err != nil {
		t.Fatal(err)
	}
	if root.Schema != "https://json-schema.org/draft/2020-12/schema" || root.Type != "object" || root.AdditionalProperties != false || !slices.Equal(root.Required, []string{"text"}) {
		t.Errorf("the schema's frame is %+v", root)
	}
	const duration = `"pattern":"^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"`
	want := map[string]string{
		"timeout": `{"type":"string","description":"How long.","default":"1m30s",` + duration + `}`,
		"wait":    `{"type":"string","description":"Another time.",` + duration + `}`,
		"regions": `{"type":"array","description":"Where.","default":["north","south"],"items":{"type":"string"}}`,
		"text":    `{"type":"string","description":"A required text."}`,
		"name":    `{"type":"string","description":"A name.","pattern":"^[a-z]+$"}`,
		"mode":    `{"type":"string","description":"A mode.","default":"slow","enum":["fast","slow"]}`,
		"prefix":  `{"type":"string","description":"May be empty.","default":"tom/","minLength":0}`,
		"flag":    `{"type":"boolean","description":"A flag.","default":true}`,
		"int":     `{"type":"integer","description":"A number.","default":5}`,
		"float":   `{"type":"number","description":"A fraction.","default":0.5}`,
		"float32": `{"type":"number","description":"A small fraction."}`,
		"int64":   `{"type":"integer","description":"A large number."}`,
		"list":    `{"type":"array","description":"A list.","default":["a","b"],"items":{"type":"string"}}`,
		"colours": `{"type":"array","description":"Some colours.","items":{"type":"string","enum":["red","green"]}}`,
		"token":   `{"type":"string","description":"A secret.","writeOnly":true}`,
		"key":     `{"type":"string","description":"Another secret.","writeOnly":true,"pattern":"^k-"}`,
	}
	for name, text := range want {
		var got, expected any
		if err := json.Unmarshal([]byte(text), &expected); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(root.Properties[name], &got); err != nil || !reflect.DeepEqual(got, expected) {
			t.Errorf("%s is %s, want %s (%v)", name, root.Properties[name], text, err)
		}
	}
	if names := f.schema.Names(); len(names) != len(want)+2 { // int8 and uint16 have bounds of the library's choice
		t.Errorf("settings %v", names)
	}
	if strings.Contains(f.text, "the default token") {
		t.Error("a secret's default is in the schema")
	}
}

func TestDecode(t *testing.T) {
	f := formOf(t, everyDefault())
	got, err := f.decode(map[string]any{
		"text": "t", "name": "abc", "mode": "fast", "prefix": "", "flag": false, "int": -7.0, "int8": -128.0, "uint16": 65535.0,
		"int64": 9007199254740992.0, "float": 1.25, "float32": 2.5, "list": []any{"x"}, "colours": []any{"red"},
		"wait": "1h0.5s", "token": "s3cret", "key": "k-1", "timeout": "2s", "regions": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := everything{
		shared: shared{Timeout: Duration(2 * time.Second), Regions: []string{}},
		Text:   "t", Name: "abc", Mode: "fast", Prefix: "", Flag: false, Int: -7, Int8: -128, Uint16: 65535, Int64: 9007199254740992,
		Float: 1.25, Float32: 2.5, List: []string{"x"}, Colours: []string{"red"}, Wait: Duration(time.Hour + time.Second/2),
		Token: credential.NewRedacted("s3cret"), Key: credential.NewRedacted("k-1"), private: "kept",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Token.Reveal() != "s3cret" {
		t.Error("the secret isn't the one that was sent")
	}
	if !reflect.DeepEqual(f.defaults, everyDefault()) {
		t.Errorf("decoding changed the defaults to %+v", f.defaults)
	}
}

func TestDefaultsStayWhereNothingIsSet(t *testing.T) {
	f := formOf(t, everyDefault())
	got, err := f.decode(map[string]any{"text": "t"})
	want := everyDefault()
	want.Text = "t"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Token.Reveal() != "the default token" {
		t.Error("a secret has lost its default")
	}
	// An empty string is "not set", except where the schema says otherwise.
	got, err = f.decode(map[string]any{"text": "t", "name": "", "mode": "", "timeout": "", "token": "", "prefix": ""})
	want.Prefix = ""
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with empty strings: %+v, %v", got, err)
	}
	if _, err := f.decode(map[string]any{"text": ""}); err == nil {
		t.Error("an empty string counts as set")
	}
}

func TestDefaultsAreNobodysToOverwrite(t *testing.T) {
	f := formOf(t, everyDefault())
	spoil := func(s everything) {
		for _, list := range [][]string{s.List, s.Regions} {
			for i := range list {
				list[i] = "spoiled"
			}
		}
	}
	for _, settings := range []map[string]any{
		{"text": "t", "list": []any{"x", "y"}, "regions": []any{"x", "y"}},
		{"text": "t", "list": []any{"x", "y"}, "regions": []any{"x"}, "int": "refused"},
		{"text": "t", "list": []any{"x", "y"}, "int64": 1e300},
		{"text": "t", "list": []any{"x", 5.0}},
		{"text": "t"},
	} {
		for range 5 { // the decoder takes settings in the random order of a map
			got, _ := f.decode(settings)
			spoil(got)
			if !reflect.DeepEqual(f.defaults, everyDefault()) {
				t.Fatalf("after %v the defaults are %+v", settings, f.defaults)
			}
		}
	}
}

func TestRefusedSettings(t *testing.T) {
	f := formOf(t, everyDefault())
	_, err := f.decode(map[string]any{
		"name": "UPPER", "mode": "other", "flag": "true", "int": 0.5, "int8": 128.0, "uint16": -1.0, "float": "x",
		"list": []any{1.0}, "colours": []any{"blue"}, "wait": "5", "token": 5.0, "key": "x", "regions": "north", "nosuch": "x", "Skipped": "x", "private": "x",
	})
	var e *credential.Error
	if !errors.As(err, &e) || e.Reason != credential.SettingsInvalid {
		t.Fatalf("%v", err)
	}
	var got []string
	for _, v := range e.Violations {
		got = append(got, v.Setting)
	}
	if want := []string{"Skipped", "colours", "flag", "float", "int", "int8", "key", "list", "mode", "name", "nosuch", "private", "regions", "text", "token", "uint16", "wait"}; !slices.Equal(got, want) {
		t.Errorf("violations of\n%v, want\n%v", got, want)
	}
}

func TestValuesThatOnlyTheDecoderRefuses(t *testing.T) {
	f := formOf(t, everyDefault())
	for setting, value := range map[string]any{
		"int64": 1e19, "int": 1e300, "wait": strings.Repeat("9", 30) + "h", "float32": 1e300, "float": math.Inf(1), "int8": 1e10,
	} {
		_, err := f.decode(map[string]any{"text": "t", setting: value})
		var e *credential.Error
		if !errors.As(err, &e) || len(e.Violations) != 1 || e.Violations[0].Setting != setting || !strings.HasPrefix(e.Violations[0].Problem, "must be ") {
			t.Errorf("%s = %v: %v", setting, value, err)
		}
	}
}

func TestViolationsNeverQuoteValues(t *testing.T) {
	const secret = "kAn4rY~wQ7#zP"
	f := formOf(t, everyDefault())
	for _, name := range append(f.schema.Names(), "nosuch") {
		for _, value := range []any{secret, []any{secret}, []any{[]any{secret}}, map[string]any{secret: secret}} {
			_, err := f.decode(map[string]any{"text": "t", name: value})
			if err == nil {
				continue // texts and lists take it
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret[:4]) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	got, err := f.decode(map[string]any{"text": "t", "token": secret})
	if err != nil || strings.Contains(fmt.Sprintf("%v %+v %#v", got, got, got), secret[:4]) {
		t.Errorf("decoded settings print as %+v (%v)", got, err)
	}
}

func TestNoSettings(t *testing.T) {
	f := formOf(t, struct{}{})
	if _, err := f.decode(nil); err != nil {
		t.Error(err)
	}
	if _, err := f.decode(map[string]any{"x": 1.0}); credential.ReasonOf(err) != credential.SettingsInvalid {
		t.Errorf("%v", err)
	}
}

func mistake[S any](defaults S) func() error {
	return func() error { _, err := newForm(defaults); return err }
}

func TestAuthorsMistakes(t *testing.T) {
	type embedded struct {
		A string `json:"a,omitempty" jsonschema:"A."`
	}
	for name, test := range map[string]struct {
		mistake func() error
		want    string
	}{
		"not a struct": {mistake("text"), "settings must be a struct"},
		"a pointer":    {mistake(&embedded{}), "settings must be a struct"},
		"an interface": {mistake[any](embedded{}), "settings must be a struct"},
		"no json tag": {mistake(struct {
			Region string `jsonschema:"R."`
		}{}), "setting Region: give it a name"},
		"name in capitals": {mistake(struct {
			Region string `json:"Region" jsonschema:"R."`
		}{}), "setting Region: give it a name"},
		"name with a dash": {mistake(struct {
			Region string `json:"aws-region" jsonschema:"R."`
		}{}), "setting Region: give it a name"},
		"no description": {mistake(struct {
			Region string `json:"region"`
		}{}), "setting region: describe it"},
		"a nested struct": {mistake(struct {
			Inner embedded `json:"inner" jsonschema:"I."`
		}{}), "setting inner: type"},
		"a map": {mistake(struct {
			Tags map[string]string `json:"tags" jsonschema:"T."`
		}{}), "setting tags: type"},
		"a pointer field": {mistake(struct {
			Port *int `json:"port" jsonschema:"P."`
		}{}), "setting port: type"},
		"a pointer to a secret": {mistake(struct {
			Token *credential.Redacted `json:"token" jsonschema:"T."`
		}{}), "setting token: type"},
		"an optional secret": {mistake(struct {
			Token credential.Optional `json:"token" jsonschema:"T."`
		}{}), "setting token: type"},
		"a list of secrets": {mistake(struct {
			Tokens []credential.Redacted `json:"tokens" jsonschema:"T."`
		}{}), "setting tokens: type"},
		"a list of integers": {mistake(struct {
			Ports []int `json:"ports" jsonschema:"P."`
		}{}), "setting ports: type"},
		"bytes": {mistake(struct {
			Key []byte `json:"key" jsonschema:"K."`
		}{}), "setting key: type"},
		"time.Duration": {mistake(struct {
			Wait time.Duration `json:"wait" jsonschema:"W."`
		}{}), "provider.Duration"},
		"time.Time": {mistake(struct {
			When time.Time `json:"when" jsonschema:"W."`
		}{}), "setting when: type"},
		"any": {mistake(struct {
			What any `json:"what" jsonschema:"W."`
		}{}), "setting what: type"},
		"a function": {mistake(struct {
			Do func() `json:"do" jsonschema:"D."`
		}{}), "derive the settings schema"},
		"an embedded pointer": {mistake(struct {
			*embedded
		}{}), "embed structs only"},
		"enum of an integer": {mistake(struct {
			Port int `json:"port" jsonschema:"P." enum:"1,2"`
		}{}), "setting port: the tags pattern, enum and empty are for texts"},
		"pattern of a flag": {mistake(struct {
			Flag bool `json:"flag" jsonschema:"F." pattern:"x"`
		}{}), "setting flag: the tags"},
		"bad pattern": {mistake(struct {
			Name string `json:"name" jsonschema:"N." pattern:"("`
		}{}), "setting name: "},
		"empty list": {mistake(struct {
			List []string `json:"list" jsonschema:"L." empty:"allowed"`
		}{}), "setting list: the tag empty"},
		"empty of something": {mistake(struct {
			Name string `json:"name" jsonschema:"N." empty:"true"`
		}{}), "setting name: the tag empty"},
		"default against the pattern": {mistake(struct {
			Name string `json:"name" jsonschema:"N." pattern:"^[a-z]+$"`
		}{Name: "UPPER"}), "setting name: "},
		"default not in the enum": {mistake(struct {
			Mode string `json:"mode" jsonschema:"M." enum:"a,b"`
		}{Mode: "c"}), "setting mode: "},
		"a negative duration": {mistake(struct {
			Wait Duration `json:"wait" jsonschema:"W."`
		}{Wait: -1}), "setting wait: "},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.mistake(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	var d Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || d != Duration(90*time.Second) || d.String() != "1m30s" || fmt.Sprint(d) != "1m30s" {
		t.Errorf("%v, %v", d, err)
	}
	if err := d.UnmarshalText([]byte("soon")); err == nil {
		t.Error("soon is a duration")
	}
}
