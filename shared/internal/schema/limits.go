package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp/syntax"

	"github.com/google/jsonschema-go/jsonschema"
)

// Limits of a schema, which comes from a program that another user may have written. The contract names them.
const (
	maxSchema      = 256 << 10 // bytes of its text
	maxDepth       = 16        // of objects and lists in each other
	maxSettings    = 256
	maxName        = 64 // bytes
	maxDescription = 4 << 10
	maxEnum        = 256
	maxPattern     = 1 << 10 // bytes
	// maxSteps bounds the programs that all patterns together are compiled to, in instructions: a repetition counts as often as
	// it may repeat.
	maxSteps = 20_000
)

// checkDepth refuses a text whose objects and lists are nested too deep, before anything recursive reads it.
func checkDepth(text []byte) error {
	decoder, depth := json.NewDecoder(bytes.NewReader(text)), 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil //nolint:nilerr // its end, or an error that the next reader describes
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("the settings schema is nested more than %d levels deep", maxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// checkLimits refuses a schema that is more than any provider needs. Its patterns are not compiled yet.
func checkLimits(root *jsonschema.Schema) error {
	if len(root.Properties) > maxSettings {
		return fmt.Errorf("the settings schema has %d settings, more than %d", len(root.Properties), maxSettings)
	}
	steps := 0
	for name, setting := range root.Properties {
		if len(name) == 0 || len(name) > maxName {
			return fmt.Errorf("the name of a setting has %d bytes; it needs 1 to %d", len(name), maxName)
		}
		for _, part := range []*jsonschema.Schema{setting, setting.Items} {
			if part == nil {
				continue
			}
			switch {
			case len(part.Description) > maxDescription:
				return fmt.Errorf("setting %s: its description has more than %d bytes", name, maxDescription)
			case len(part.Enum) > maxEnum:
				return fmt.Errorf("setting %s: its enum has more than %d values", name, maxEnum)
			case len(part.Pattern) > maxPattern:
				return fmt.Errorf("setting %s: its pattern has more than %d bytes", name, maxPattern)
			}
			parsed, err := syntax.Parse(part.Pattern, syntax.Perl)
			if err != nil {
				continue // the error is the compiler's
			}
			if steps += cost(parsed); steps > maxSteps {
				return fmt.Errorf("setting %s: its pattern repeats too much: all patterns together may take at most %d steps", name, maxSteps)
			}
		}
	}
	return nil
}

// cost is about how many instructions an expression is compiled to.
func cost(e *syntax.Regexp) int {
	sum := 1 + len(e.Rune)/2
	for _, sub := range e.Sub {
		sum += cost(sub)
	}
	if e.Op == syntax.OpRepeat {
		sum *= max(1, e.Max, e.Min)
	}
	return min(sum, maxSteps+1)
}
