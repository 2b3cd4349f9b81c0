package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The keywords of the contract's subset. Others are refused, and not ignored: a setting would pass here that the schema
// refuses, and a $ref to itself would have the checker run until the stack is full.
var (
	rootKeywords = []string{
		"$schema", "$id", "$comment", "title", "description", "type", "properties", "required", "additionalProperties",
	}
	settingKeywords = []string{
		"$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "type", "enum", "const",
		"pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
		"items", "minItems", "maxItems", "uniqueItems",
	}
	itemKeywords = []string{
		"$comment", "title", "description", "examples", "type", "enum", "const", "pattern", "format", "minLength", "maxLength",
	}
)

// inSubset reports whether the text of a schema uses the contract's keywords only. Names that start with "x-" are free.
func inSubset(text []byte) error {
	var root struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := onlyKeywords(text, rootKeywords); err != nil {
		return fmt.Errorf("the settings schema %w", err)
	}
	if err := json.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("the settings schema's properties are not an object")
	}
	for _, name := range slices.Sorted(maps.Keys(root.Properties)) {
		if err := onlyKeywords(root.Properties[name], settingKeywords); err != nil {
			return fmt.Errorf("setting %s %w", name, err)
		}
		var setting struct {
			Items json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(root.Properties[name], &setting); err != nil {
			return fmt.Errorf("setting %s is not described by an object", name)
		}
		if setting.Items == nil {
			continue
		}
		if err := onlyKeywords(setting.Items, itemKeywords); err != nil {
			return fmt.Errorf("setting %s: the description of its items %w", name, err)
		}
	}
	return nil
}

func onlyKeywords(text []byte, allowed []string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return fmt.Errorf("is not a JSON object")
	}
	for _, keyword := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(allowed, keyword) && !strings.HasPrefix(keyword, "x-") {
			return fmt.Errorf("uses %q, which the contract doesn't allow", keyword)
		}
	}
	return nil
}
