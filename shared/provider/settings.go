package provider

import (
	"encoding/json"
	"fmt"
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
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
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
		if field.Type.Kind() == reflect.Slice {
			property.Type, property.Types = "array", nil // not null: the contract has no such value
		}
		if pattern := field.Tag.Get("pattern"); pattern != "" {
			property.Pattern = pattern
		}
		if values := field.Tag.Get("enum"); values != "" {
			for value := range strings.SplitSeq(values, ",") {
				property.Enum = append(property.Enum, value)
			}
		}
		if field.Tag.Get("empty") == "allowed" {
			property.MinLength = new(int)
		}
		value := defaults.FieldByIndex(field.Index)
		if property.WriteOnly || value.IsZero() {
			continue
		}
		text, err := json.Marshal(value.Interface())
		if err != nil {
			return fmt.Errorf("setting %s: its default: %w", name, err)
		}
		property.Default = text
	}
	return nil
}

// decode checks all settings and only then takes them. Its error is SETTINGS_INVALID with every violation.
func (f *form[S]) decode(settings map[string]any) (S, error) {
	decoded := f.defaults
	// A list is replaced, not overwritten: the decoder would write into the defaults' own array.
	for field, value := range reflect.ValueOf(&decoded).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, set := settings[name]; set && value.Kind() == reflect.Slice {
			value.SetZero()
		}
	}
	violations := f.schema.Check(settings)
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
		return f.defaults, &credential.Error{Reason: credential.SettingsInvalid, Message: "the settings are refused", Violations: violations}
	}
	return decoded, nil
}
