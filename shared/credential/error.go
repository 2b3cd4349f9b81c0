package credential

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Error is a failed call. Decide by Reason; Message and Help are for the user. None of it may hold a secret.
//
// An Error may be shared by several callers and is not changed once it has been returned; [Error.With] and
// [Error.WithHelp] return copies.
type Error struct {
	Reason Reason
	// Message names the thing and what happened to it.
	Message string
	// Help says what to do, one step an entry, in a form that can be pasted where possible.
	Help []string
	// Metadata is what a program may want of the message: field, problem, action, resource, stage, region, request_id.
	Metadata map[string]string
	// RetryDelay is when trying again may help; 0 if nothing is known.
	RetryDelay time.Duration
	// Violations are the settings that were refused, with SettingsInvalid.
	Violations []Violation
	// Cause stays in the process: it is found by errors.Is and errors.As, and is neither printed nor sent.
	Cause error
}

// Violation is one setting that was refused. Problem never quotes the value of a secret setting.
type Violation struct {
	Setting string
	Problem string
}

// Errorf makes an error from a format. A %w keeps its operand as Cause as well as in the message; of several, Cause
// holds all.
func Errorf(reason Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Reason: reason, Message: err.Error(), Cause: errors.Unwrap(err)}
	if _, several := err.(interface{ Unwrap() []error }); several {
		e.Cause = err
	}
	return e
}

// Error implements error: the message, and the violations if there are any.
func (e *Error) Error() string {
	if len(e.Violations) == 0 {
		return e.Message
	}
	problems := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		problems[i] = v.Setting + ": " + v.Problem
	}
	return e.Message + ": " + strings.Join(problems, "; ")
}

// Is finds the error's Reason.
func (e *Error) Is(target error) bool {
	reason, ok := target.(Reason)
	return ok && reason == e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithHelp returns a copy of e with one more step.
func (e *Error) WithHelp(format string, args ...any) *Error {
	extended := *e
	extended.Help = append(slices.Clip(e.Help), fmt.Sprintf(format, args...))
	return &extended
}

// With returns a copy of e with more metadata. An empty value is left out.
func (e *Error) With(key, value string) *Error {
	extended := *e
	extended.Metadata = maps.Clone(e.Metadata)
	if value == "" {
		return &extended
	}
	if extended.Metadata == nil {
		extended.Metadata = make(map[string]string)
	}
	extended.Metadata[key] = value
	return &extended
}

// ReasonOf returns the reason of err: of the *Error in its chain, or the Reason itself that it wraps, else [Internal];
// empty for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	var reason Reason
	if errors.As(err, &reason) {
		return reason
	}
	return Internal
}
