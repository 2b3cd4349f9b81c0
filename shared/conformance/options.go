package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Options say what to check, and with what.
type Options struct {
	// Plugin is the provider's executable. Its file name is tom-credential-<name>, with .exe on Windows.
	Plugin string
	// Settings are the provider's settings, by name.
	Settings map[string]any
	// Fixtures say what the backend holds.
	Fixtures Fixtures
	// Environ is the environment that the provider gets, as "NAME=value", besides what belongs to the launch. nil: that of
	// this process. (A host passes only some variables; that is the host's affair.)
	Environ []string
	// Run selects the checks whose ids it matches; nil: all.
	Run *regexp.Regexp
	// Skip leaves out the checks whose ids it matches; nil: none.
	Skip *regexp.Regexp

	// calls is how many calls the checks for growth make.
	calls int
}

// defaultCalls is how many calls show a growth.
const defaultCalls = 1000

func (o Options) withDefaults() (Options, error) {
	if o.Plugin == "" {
		return o, errors.New("no plugin is named")
	}
	plugin, err := filepath.Abs(o.Plugin)
	if err != nil {
		return o, fmt.Errorf("plugin %s: %w", o.Plugin, err)
	}
	info, err := os.Stat(plugin)
	if err != nil {
		return o, fmt.Errorf("plugin: %w", err)
	}
	if !info.Mode().IsRegular() {
		return o, fmt.Errorf("plugin %s is not a regular file", plugin)
	}
	o.Plugin = plugin
	if err := o.Fixtures.check(); err != nil {
		return o, err
	}
	if len(o.selected()) == 0 {
		return o, errors.New("no check has an id that was selected; ids are such as CP-GET-003")
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.calls == 0 {
		o.calls = defaultCalls
	}
	return o, nil
}

// selected are the checks to make.
func (o Options) selected() []check {
	var chosen []check
	for _, c := range table {
		if (o.Run == nil || o.Run.MatchString(c.ID)) && (o.Skip == nil || !o.Skip.MatchString(c.ID)) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// name is the provider's name as its file has it; false if the file's name is of another form.
func (o Options) name() (string, bool) {
	return strings.CutPrefix(strings.TrimSuffix(filepath.Base(o.Plugin), ".exe"), wire.ExecutablePrefix)
}
