package main

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// isPointer reports whether a field is a JSON Pointer (RFC 6901), and not a key.
func isPointer(field string) bool { return strings.HasPrefix(field, "/") }

// fieldProblem returns what is wrong with a field's name; empty if nothing is.
func fieldProblem(field string) string {
	if strings.ContainsFunc(field, unicode.IsControl) {
		return "must not hold a line end or another control character"
	}
	switch {
	case field == "":
		return "must not be empty"
	case isPointer(field) && !jsontext.Pointer(field).IsValid():
		return "is not a JSON Pointer: a ~ in it must be written ~0, and a / in a key ~1"
	}
	return ""
}

// topLevelKey is the key of a secret's object that a field is; empty if the field is further down.
func topLevelKey(field string) string {
	pointer := jsontext.Pointer(field)
	switch {
	case !isPointer(field):
		return field
	case pointer.Parent() == "":
		return pointer.LastToken()
	}
	return ""
}

// readField reads a field of a secret's object; false if it isn't there.
func readField(members []member, field string) (text string, found bool, problem *malformed) {
	value, found := lookUp(members, field)
	if !found {
		return "", false, nil
	}
	text, problem = member{key: field, value: value}.login()
	return text, true, problem
}

// lookUp finds a field's value.
func lookUp(members []member, field string) (value jsontext.Value, found bool) {
	if !isPointer(field) {
		return valueOf(members, field)
	}
	first := true
	for token := range jsontext.Pointer(field).Tokens() {
		switch {
		case first:
			value, found = valueOf(members, token)
			first = false
		case value.Kind() == '{':
			inner, err := readObject(value)
			if err != nil {
				return nil, false
			}
			value, found = valueOf(inner, token)
		case value.Kind() == '[':
			value, found = item(value, token)
		default:
			return nil, false
		}
		if !found {
			return nil, false
		}
	}
	return value, found
}

func valueOf(members []member, key string) (jsontext.Value, bool) {
	for _, m := range members {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

// item finds the item of an array with an index, which RFC 6901 writes without leading zeros.
func item(array jsontext.Value, index string) (jsontext.Value, bool) {
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 || strconv.Itoa(n) != index {
		return nil, false
	}
	decoder := jsontext.NewDecoder(strings.NewReader(string(array)))
	if _, err := decoder.ReadToken(); err != nil {
		return nil, false
	}
	for i := 0; decoder.PeekKind() != ']'; i++ {
		value, err := decoder.ReadValue()
		if err != nil {
			return nil, false
		}
		if i == n {
			return value.Clone(), true
		}
	}
	return nil, false
}
