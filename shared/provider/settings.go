package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
)

// Duration is a setting that holds a span of time, written as in "1m30s".
type Duration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// String implements [fmt.Stringer]: "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// form is a settings struct's schema, and what decodes settings by it.
type form[S any] struct {
	text     string
	schema   *schema.Schema
	defaults S
}

// newForm derives the form from the struct. Its errors are the author's mistakes.
func newForm[S any](defaults S) (*form[S], error) {
	if reflect.TypeFor[S]().Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings must be a struct, not %T", defaults)
	}
	derived, err := jsonschema.For[S](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Duration]():            {Type: "string", Pattern: schema.DurationPattern},
		reflect.TypeFor[credential.Redacted](): {Type: "string", WriteOnly: true},
	}})
	if err != nil {
		return nil, fmt.Errorf("derive the settings schema: %w", err)
	}
	if err := refine(derived, reflect.ValueOf(defaults)); err != nil {
		return nil, err
	}
	derived.Schema = schema.Dialect
	text, err := json.Marshal(derived)
	if err != nil {
		return nil, fmt.Errorf("encode the settings schema: %w", err)
	}
	parsed, err := schema.Parse(string(text))
	if err != nil {
		return nil, err
	}
	return &form[S]{text: string(text), schema: parsed, defaults: defaults}, nil
}

var settingName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// refine adds to the schema what the struct's tags and defaults say.
func refine(derived *jsonschema.Schema, defaults reflect.Value) error {
	for _, field := range reflect.VisibleFields(defaults.Type()) {
		if field.Anonymous && field.Type.Kind() != reflect.Struct {
			return fmt.Errorf("setting %s: embed structs only, not %s", field.Name, field.Type)
		}
		name := nameOf(field)
		if name == "-" || field.Anonymous || !field.IsExported() {
			continue
		}
		property := derived.Properties[name]
		if property == nil || !settingName.MatchString(name) {
			return fmt.Errorf("setting %s: give it a name of lower-case letters, digits and underscores with a json tag", field.Name)
		}
		if property.Description == "" {
			return fmt.Errorf("setting %s: describe it with a jsonschema tag", name)
		}
		if !settable(field.Type) {
			return fmt.Errorf("setting %s: type %s can't be a setting; use string, bool, an integer, a float, []string, provider.Duration or credential.Redacted", name, field.Type)
		}
		text := property // what the tags for texts are about
		if field.Type.Kind() == reflect.Slice {
			property.Type, property.Types = "array", nil // not null: the contract has no such value
			text = property.Items
		}
		pattern, enum, empty := field.Tag.Get("pattern"), field.Tag.Get("enum"), field.Tag.Get("empty")
		if text.Type != "string" && pattern+enum+empty != "" {
			return fmt.Errorf("setting %s: the tags pattern, enum and empty are for texts", name)
		}
		if pattern != "" {
			text.Pattern = pattern
		}
		if enum != "" {
			for value := range strings.SplitSeq(enum, ",") {
				text.Enum = append(text.Enum, value)
			}
		}
		switch {
		case empty == "allowed" && property.Type == "string":
			property.MinLength = new(int)
		case empty != "":
			return fmt.Errorf("setting %s: the tag empty is for strings, and its value is \"allowed\"", name)
		}
		value := defaults.FieldByIndex(field.Index)
		if property.WriteOnly || value.IsZero() {
			continue
		}
		encoded, err := json.Marshal(value.Interface())
		if err != nil {
			return fmt.Errorf("setting %s: its default: %w", name, err)
		}
		property.Default = encoded
	}
	return nil
}

// nameOf is the setting's name, from the field's json tag.
func nameOf(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// settable reports whether a setting may have the type. The deriving library takes others as well, but as something that
// their author can't have meant: a time.Duration as a number of nanoseconds, a list of secrets as one of plain texts.
func settable(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Duration](), reflect.TypeFor[credential.Redacted]():
		return true
	case reflect.TypeFor[time.Duration]():
		return false
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
	default:
		return false
	}
}

// decode checks all settings and only then takes them. Its error is SETTINGS_INVALID with every violation.
func (f *form[S]) decode(settings map[string]any) (S, error) {
	settings = f.withoutEmpty(settings)
	violations := f.schema.Check(settings)
	decoded := f.copyDefaults()
	for name, value := range settings {
		if len(violations) > 0 {
			break
		}
		// One at a time, so that a refusal names its setting; the decoder's own text may quote the value.
		one, err := json.Marshal(map[string]any{name: value})
		if err == nil {
			err = json.Unmarshal(one, &decoded)
		}
		if err != nil {
			property, _ := f.schema.Property(name)
			violations = append(violations, credential.Violation{Setting: name, Problem: "must be " + property.Expectation})
		}
	}
	if len(violations) > 0 {
		return f.copyDefaults(), &credential.Error{Reason: credential.SettingsInvalid, Message: "the settings are refused", Violations: violations}
	}
	return decoded, nil
}

// withoutEmpty leaves out the empty strings that mean "not set". Hosts don't send them; a provider that took one from a
// host that does would lose its default.
func (f *form[S]) withoutEmpty(settings map[string]any) map[string]any {
	rest := maps.Clone(settings)
	maps.DeleteFunc(rest, func(name string, value any) bool {
		property, known := f.schema.Property(name)
		return known && value == "" && !property.EmptyAllowed
	})
	return rest
}

// copyDefaults copies lists too: the decoder, and New, would write into the defaults' own arrays.
func (f *form[S]) copyDefaults() S {
	settings := f.defaults
	value := reflect.ValueOf(&settings).Elem()
	for _, field := range reflect.VisibleFields(value.Type()) {
		list := value.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Slice && !list.IsNil() && list.CanSet() {
			list.Set(reflect.AppendSlice(reflect.MakeSlice(field.Type, 0, list.Len()), list))
		}
	}
	return settings
}
