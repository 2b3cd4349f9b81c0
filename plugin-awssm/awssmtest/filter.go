package awssmtest

import (
	"slices"
	"strings"
	"unicode"
)

// filter selects secrets. Several filters must all match; of several values one must match, and none of those negated with "!".
type filter struct {
	Key    *string
	Values []string
}

var filterKeys = []string{"description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"}

func checkFilters(v *validation, filters []filter) {
	if len(filters) > 10 {
		v.problem("Value at 'filters' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	for i, f := range filters {
		field := "filters." + formatInt(int64(i+1)) + ".member."
		v.required(field+"key", f.Key != nil)
		oneOf(v, field+"key", f.Key, filterKeys...)
		v.required(field+"values", f.Values != nil)
		if f.Values != nil {
			v.bounds(field+"values", "", len(f.Values), 1, 10)
		}
		for _, value := range f.Values {
			v.text(field+"values", &value, 0, 512)
		}
	}
}

func (c *call) matchesAll(s *secret, filters []filter) bool {
	for _, f := range filters {
		if !c.matches(s, f) {
			return false
		}
	}
	return true
}

func (c *call) matches(s *secret, f filter) bool {
	attributes, match := c.attributes(s, *f.Key)
	positive, found := false, false
	for _, value := range f.Values {
		negated, isNegation := strings.CutPrefix(value, "!")
		if isNegation {
			if match(attributes, negated) {
				return false
			}
			continue
		}
		positive = true
		found = found || match(attributes, value)
	}
	return found || !positive
}

// attributes returns what a filter key looks at in a secret, and how it compares.
func (c *call) attributes(s *secret, key string) ([]string, func(attributes []string, value string) bool) {
	switch key {
	case "name":
		return []string{s.name}, anyPrefix
	case "description":
		return []string{s.description}, anyPrefixFold
	case "tag-key", "tag-value":
		var list []string
		for _, t := range s.tags {
			if key == "tag-key" {
				list = append(list, t.Key)
			} else {
				list = append(list, t.Value)
			}
		}
		return list, anyPrefix
	case "primary-region":
		return []string{c.primaryRegion()}, anyPrefix
	case "owning-service":
		return nil, anyPrefix // secrets made here belong to no service
	default:
		list := []string{s.name, s.description}
		for _, t := range s.tags {
			list = append(list, t.Key, t.Value)
		}
		return list, allWords
	}
}

func anyPrefix(attributes []string, value string) bool {
	return slices.ContainsFunc(attributes, func(a string) bool { return strings.HasPrefix(a, value) })
}

func anyPrefixFold(attributes []string, value string) bool {
	return slices.ContainsFunc(attributes, func(a string) bool {
		return len(a) >= len(value) && strings.EqualFold(a[:len(value)], value)
	})
}

// allWords is the filter "all": every word of the value starts some word of the attributes, in any case.
func allWords(attributes []string, value string) bool {
	var have []string
	for _, a := range attributes {
		have = append(have, words(a)...)
	}
	for _, want := range words(value) {
		if !slices.ContainsFunc(have, func(w string) bool { return strings.HasPrefix(w, want) }) {
			return false
		}
	}
	return true
}

func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
