package awssmtest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// validation collects breaches of the API model's constraints and words them as AWS's services do.
type validation struct{ problems []string }

func (v *validation) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// text checks the length of a parameter that was given.
func (v *validation) text(field string, value *string, low, high int) {
	if value != nil {
		v.bounds(field, "'"+*value+"' ", utf8.RuneCountInString(*value), low, high)
	}
}

// hidden is text for sensitive parameters, whose value is left out of the message, counted in bytes.
func (v *validation) hidden(field string, size, low, high int) { v.bounds(field, "", size, low, high) }

func (v *validation) bounds(field, value string, size, low, high int) {
	if size < low {
		v.problem("Value %sat '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", value, field, low)
	}
	if size > high {
		v.problem("Value %sat '%s' failed to satisfy constraint: Member must have length less than or equal to %d", value, field, high)
	}
}

func (v *validation) number(field string, value *int64, low, high int64) {
	if value == nil {
		return
	}
	if *value < low {
		v.problem("Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to %d", *value, field, low)
	}
	if *value > high {
		v.problem("Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d", *value, field, high)
	}
}

func (v *validation) required(field string, given bool) {
	if !given {
		v.problem("Value null at '%s' failed to satisfy constraint: Member must not be null", field)
	}
}

// secretID checks the parameter that nearly all operations have.
func (v *validation) secretID(id *string) {
	v.required("secretId", id != nil)
	v.text("secretId", id, 1, 2048)
}

// result is nil if nothing was wrong.
func (v *validation) result(code string) error {
	switch len(v.problems) {
	case 0:
		return nil
	case 1:
		return refuse(code, "1 validation error detected: %s", v.problems[0])
	}
	return refuse(code, "%d validation errors detected: %s", len(v.problems), strings.Join(v.problems, "; "))
}

func (v *validation) err() error { return v.result("ValidationException") }

// checkName applies the rule for the names of new secrets. Secrets put from Go may have the names that AWS services make.
func (c *call) checkName(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) && (!c.trusted || r != '!') }) {
		return invalidName()
	}
	return nil
}

// checkID applies the rule for ids, which may also be ARNs, and names of secrets that AWS services made, with an exclamation mark.
func checkID(id string) error {
	if strings.ContainsFunc(id, func(r rune) bool { return !nameRune(r) && r != '!' && (r != ':' || !strings.HasPrefix(id, "arn:")) }) {
		return invalidName()
	}
	return nil
}

func invalidName() error {
	return refuse("ValidationException",
		"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_+=.@-", r)
}

// checkToken applies the rule for ClientRequestToken, which becomes the version's id.
func checkToken(token *string) error {
	if token == nil {
		return refuse("InvalidRequestException", "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if n := len(*token); n < 32 || n > 64 {
		return refuse("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	return nil
}
