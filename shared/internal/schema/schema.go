// Package schema reads a provider's settings schema and checks settings against it, in the same way on the host's and on
// the provider's side.
//
// The contract allows a subset of JSON Schema 2020-12: one flat object. The checking is google/jsonschema-go's, which
// has no dependencies and adds nothing measurable to a provider's start; this package bounds the subset and asks it about
// one setting at a time, so that every problem is found and not only an object's first.
package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Dialect is the JSON Schema dialect of the contract.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// DurationPattern is the pattern of a duration: what time.ParseDuration takes, less signs.
const DurationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

// Schema is a parsed settings schema. It is immutable.
type Schema struct {
	properties map[string]Property
	checks     map[string]*jsonschema.Resolved
}

// Property describes one setting.
type Property struct {
	Name        string
	Type        string // string, boolean, integer, number, array
	Description string
	// Default is the default as JSON text; empty without one.
	Default string
	// Secret is the schema's writeOnly.
	Secret bool
	// EmptyAllowed says that an empty string is a value, not "unset".
	EmptyAllowed bool
	Required     bool
	// Expectation says what the value must be: "a whole number of at least 1".
	Expectation string
}

// Parse reads a schema and checks that it is within the contract's subset. An empty text is a schema without settings.
func Parse(text string) (*Schema, error) {
	s := &Schema{properties: map[string]Property{}, checks: map[string]*jsonschema.Resolved{}}
	if text == "" {
		return s, nil
	}
	if len(text) > maxSchema {
		return nil, fmt.Errorf("the settings schema has %d bytes, more than %d", len(text), maxSchema)
	}
	if err := checkDepth([]byte(text)); err != nil {
		return nil, err
	}
	if err := inSubset([]byte(text)); err != nil {
		return nil, err
	}
	var root jsonschema.Schema
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		return nil, fmt.Errorf("the settings schema is not a JSON Schema: %w", err)
	}
	if err := checkLimits(&root); err != nil {
		return nil, err
	}
	if root.Type != "object" {
		return nil, fmt.Errorf("the settings schema must be of type object")
	}
	if root.Schema != "" && root.Schema != Dialect {
		return nil, fmt.Errorf("the settings schema is in dialect %q, not %q", root.Schema, Dialect)
	}
	for _, name := range root.Required {
		if root.Properties[name] == nil {
			return nil, fmt.Errorf("setting %s is required, but there is no such setting", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(root.Properties)) {
		p := root.Properties[name]
		if len(p.Types) > 0 || !slices.Contains([]string{"string", "boolean", "integer", "number", "array"}, p.Type) {
			return nil, fmt.Errorf("setting %s: its type must be string, boolean, integer, number or array of string", name)
		}
		if p.Type == "array" && (p.Items == nil || p.Items.Type != "string") {
			return nil, fmt.Errorf("setting %s: the items of an array must be strings", name)
		}
		check, err := p.CloneSchemas().Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
		if err != nil {
			return nil, fmt.Errorf("setting %s: %w", name, err)
		}
		s.checks[name] = check
		s.properties[name] = Property{
			Name:         name,
			Type:         p.Type,
			Description:  p.Description,
			Default:      string(p.Default),
			Secret:       p.WriteOnly,
			EmptyAllowed: p.MinLength != nil && *p.MinLength == 0,
			Required:     slices.Contains(root.Required, name),
			Expectation:  expectation(p),
		}
	}
	return s, nil
}

// Properties are all settings, by name.
func (s *Schema) Properties() []Property {
	sorted := make([]Property, 0, len(s.properties))
	for _, name := range s.Names() {
		sorted = append(sorted, s.properties[name])
	}
	return sorted
}

// Names are the names of all settings, sorted.
func (s *Schema) Names() []string { return slices.Sorted(maps.Keys(s.properties)) }

// Property finds one setting.
func (s *Schema) Property(name string) (Property, bool) {
	p, ok := s.properties[name]
	return p, ok
}

// Check returns what is wrong with the settings, sorted by setting; nothing if they are right. It never quotes a value.
func (s *Schema) Check(settings map[string]any) []credential.Violation {
	var violations []credential.Violation
	for name, value := range settings {
		switch check := s.checks[name]; {
		case check == nil:
			violations = append(violations, credential.Violation{Setting: name, Problem: s.unknown()})
		case check.Validate(value) != nil:
			violations = append(violations, credential.Violation{Setting: name, Problem: "must be " + s.properties[name].Expectation})
		}
	}
	for name, p := range s.properties {
		if _, set := settings[name]; p.Required && !set {
			violations = append(violations, credential.Violation{Setting: name, Problem: "must be set"})
		}
	}
	slices.SortFunc(violations, func(a, b credential.Violation) int { return strings.Compare(a.Setting, b.Setting) })
	return violations
}

func (s *Schema) unknown() string {
	if len(s.properties) == 0 {
		return "no such setting; the provider takes none"
	}
	return "no such setting; there are: " + strings.Join(s.Names(), ", ")
}
