package config

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tom-worker/credential-provider/shared/text"
)

// Place is where a setting was found.
type Place struct {
	// Name is a file's path, "environment variable X" or a flag.
	Name string
	// Line counts from 1; 0 if there are no lines.
	Line int
}

// String is "tom_worker_config.yaml:7", or only the name.
func (p Place) String() string {
	if p.Line == 0 {
		return p.Name
	}
	return p.Name + ":" + strconv.Itoa(p.Line)
}

// Problem is one thing that is wrong with the settings. It never has the value of a provider's setting in it.
type Problem struct {
	Place Place
	// Key is the setting's whole name, as in the YAML file; empty if the problem isn't one setting's.
	Key  string
	Text string
	// Remedy is what to do, if there is more to say than Text does.
	Remedy string
}

func newProblem(place Place, key, format string, args ...any) Problem {
	return Problem{Place: place, Key: key, Text: fmt.Sprintf(format, args...)}
}

// String is one line: place, key and text.
func (p Problem) String() string {
	var parts []string
	for _, part := range []string{p.Place.String(), p.Key, p.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// ByPlace orders problems for display: by source, then by line.
func ByPlace(a, b Problem) int {
	if order := cmp.Compare(a.Place.Name, b.Place.Name); order != 0 {
		return order
	}
	return cmp.Compare(a.Place.Line, b.Place.Line)
}

// Error is every problem that was found.
type Error struct {
	Problems []Problem
}

// Error implements error.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// quoted shows a piece of a file.
func quoted(piece string) string { return text.Quote(piece, 60) }

// plainKey is what every key looks like, even most of the mistyped ones.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// keyName shows a key as it is if it looks like one, else quoted.
func keyName(key string) string {
	if plainKey.MatchString(key) {
		return key
	}
	return quoted(key)
}
