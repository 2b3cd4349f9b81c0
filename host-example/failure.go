package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// Exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2 // usage or configuration: trying again needs a change here first
)

// streamFailed is a worker that can't read its jobs or write their results any more.
const streamFailed credential.Reason = "STREAM_FAILED"

// statusOf is the exit status for a reason. A provider that can't be started or speaks another version (1) may be put right
// by an installation or a restart; one that isn't there or is refused (2) was configured so.
func statusOf(reason credential.Reason) int {
	switch reason {
	case credential.SettingsInvalid, credential.ProviderNotFound, credential.ProviderRefused:
		return statusUsage
	default:
		return statusFailed
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ shown *credential.Error }

// Error implements error.
func (e *usageError) Error() string { return e.shown.Error() }

func usagef(format string, args ...any) *usageError {
	return &usageError{shown: credential.Errorf(credential.RequestInvalid, format, args...)}
}

// WithHelp returns a copy of e with one more step.
func (e *usageError) WithHelp(format string, args ...any) *usageError {
	return &usageError{shown: e.shown.WithHelp(format, args...)}
}

// reported is a failure that the command has told of in its result.
type reported struct{ error }

// Unwrap returns what was told.
func (r reported) Unwrap() error { return r.error }

// classify turns any error of a command into the one form in which it is shown, and its exit status.
func classify(err error) (*credential.Error, int) {
	var usage *usageError
	var invalid *config.Error
	var known *credential.Error
	switch {
	case errors.As(err, &usage):
		return usage.shown, statusUsage
	case errors.As(err, &invalid):
		return invalidSettings(invalid.Problems), statusUsage
	case errors.As(err, new(unready)) && errors.As(err, &known):
		return known, statusUsage
	case errors.As(err, &known):
		return known, statusOf(known.Reason)
	default:
		return credential.Errorf(credential.Internal, "%w", err), statusFailed
	}
}

// invalidSettings is every problem of the settings in one error.
func invalidSettings(problems []config.Problem) *credential.Error {
	e := &credential.Error{Reason: credential.SettingsInvalid}
	var lines []string
	for _, problem := range problems {
		lines = append(lines, problem.String())
		if problem.Remedy != "" {
			e.Help = append(e.Help, problem.Remedy)
		}
	}
	e.Message = strings.Join(lines, "\n  ")
	if len(lines) > 1 {
		e.Message = fmt.Sprintf("%d problems in the settings:\n  %s", len(lines), e.Message)
	}
	return e
}

// report shows how a command ended, and returns the exit status.
func (c *cli) report(err error) int {
	if err == nil {
		return statusDone
	}
	e, status := classify(err)
	if errors.As(err, new(reported)) {
		return status
	}
	if c.output == jsonFormat {
		c.out.Reset()
		c.writeJSON(map[string]any{"error": failureOf(e)})
		return status
	}
	_, _ = io.WriteString(c.stderr, failureText(e))
	return status
}

// failure is an error in JSON.
type failure struct {
	Code     string            `json:"code"`
	Reason   credential.Reason `json:"reason"`
	Message  string            `json:"message"`
	Metadata map[string]string `json:"metadata"`
	Help     []string          `json:"help"`
}

func failureOf(e *credential.Error) *failure {
	f := &failure{
		Code:     codeOf(e.Reason),
		Reason:   e.Reason,
		Message:  e.Error(),
		Metadata: e.Metadata,
		Help:     e.Help,
	}
	if f.Metadata == nil {
		f.Metadata = map[string]string{}
	}
	if f.Help == nil {
		f.Help = []string{}
	}
	return f
}

// codeOf is the gRPC code that belongs to a reason, whichever part of the program gave it.
func codeOf(reason credential.Reason) string {
	if code, ok := admin.Code(reason); ok {
		return code
	}
	if code, ok := audit.Code(reason); ok {
		return code
	}
	if reason == agent.Running {
		return "FAILED_PRECONDITION"
	}
	if reason == streamFailed {
		return "UNAVAILABLE"
	}
	return job.Code(reason)
}

// failureText is an error for display: what happened, why in one word, and what to do, in lines that can be pasted.
func failureText(e *credential.Error) string {
	var shown strings.Builder
	_, _ = fmt.Fprintf(&shown, "error: %s\n", text.Printable(e.Error()))
	if e.Reason != credential.RequestInvalid {
		_, _ = fmt.Fprintf(&shown, "reason: %s\n", e.Reason)
	}
	if len(e.Help) > 0 {
		shown.WriteString("what to do:\n")
	}
	for _, step := range e.Help {
		shown.WriteString(indent(text.Printable(step), "  "))
	}
	return shown.String()
}

// writeJSON adds a JSON document to the output.
func (c *cli) writeJSON(document any) {
	encoder := json.NewEncoder(&c.out)
	encoder.SetEscapeHTML(false) // passwords have such characters
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		panic(err) // every document is made of texts, numbers and maps of them
	}
}
