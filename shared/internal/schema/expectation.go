package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// expectation says what a setting must be, to follow "must be". It names every bound, since a
// refusal doesn't say which of them was broken.
func expectation(p *jsonschema.Schema) string {
	what := map[string]string{
		"string": "a string", "boolean": "true or false", "integer": "a whole number", "number": "a number", "array": "a list of strings",
	}[p.Type]
	switch {
	case p.Pattern == DurationPattern:
		return `a duration such as "5s" or "1m30s"`
	case len(p.Enum) > 0:
		return "one of " + choices(p.Enum)
	case p.Const != nil:
		return fmt.Sprint(*p.Const)
	}
	if bounds := bounds(p); len(bounds) > 0 {
		what += " " + strings.Join(bounds, " and ")
	}
	if p.Items != nil && len(p.Items.Enum) > 0 {
		what += ", each one of " + choices(p.Items.Enum)
	} else if p.Items != nil {
		if each := bounds(p.Items); len(each) > 0 {
			what += ", each " + strings.Join(each, " and ")
		}
	}
	return what
}

func bounds(p *jsonschema.Schema) []string {
	var all []string
	add := func(format string, value any) { all = append(all, fmt.Sprintf(format, value)) }
	switch {
	case p.Minimum != nil && p.Maximum != nil:
		add("from %v", number(*p.Minimum))
		all[0] += fmt.Sprintf(" to %v", number(*p.Maximum))
	case p.Minimum != nil:
		add("of at least %v", number(*p.Minimum))
	case p.Maximum != nil:
		add("of at most %v", number(*p.Maximum))
	}
	if p.ExclusiveMinimum != nil {
		add("above %v", number(*p.ExclusiveMinimum))
	}
	if p.ExclusiveMaximum != nil {
		add("below %v", number(*p.ExclusiveMaximum))
	}
	if p.MultipleOf != nil {
		add("that is a multiple of %v", number(*p.MultipleOf))
	}
	if p.Pattern != "" {
		add("that matches %v", p.Pattern)
	}
	switch {
	case p.MinLength != nil && *p.MinLength == 1:
		all = append(all, "that isn't empty")
	case p.MinLength != nil && *p.MinLength > 1:
		add("of at least %v characters", *p.MinLength)
	}
	if p.MaxLength != nil {
		add("of at most %v characters", *p.MaxLength)
	}
	if p.MinItems != nil {
		add("with at least %v entries", *p.MinItems)
	}
	if p.MaxItems != nil {
		add("with at most %v entries", *p.MaxItems)
	}
	if p.UniqueItems {
		all = append(all, "without repetition")
	}
	return all
}

// number writes a bound as a user would: 1000000, not 1e+06.
func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func choices(enum []any) string {
	values := make([]string, len(enum))
	for i, value := range enum {
		values[i] = fmt.Sprint(value)
	}
	return strings.Join(values, ", ")
}
