package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Options say what to check, and with what.
type Options struct {
	// Plugin is the provider's executable. Its file name is tom-credential-<name>, with .exe on Windows.
	Plugin string
	// Attach is, instead of Plugin, the address of something that serves CredentialProvider already, such as an agent: unix:
	// and the absolute path of its socket. Nothing is launched or ended then, no settings are handed over, and the checks about
	// that, about processes and what they write, and about a backend that changes (there may be a cache) are skipped.
	Attach string
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

	// CheckTimeout bounds one check: 0 is a minute, negative is no bound. What a busy machine was late by is added.
	CheckTimeout time.Duration
	// Timeout bounds the whole run: 0 is fifteen minutes, negative is no bound. Checks that it leaves no time for are skipped.
	Timeout time.Duration
	// Observe is called with each result when its check has ended, by one goroutine; nil: not. Run doesn't call it.
	Observe func(Result)

	// calls is how many calls the checks for growth make.
	calls int
}

// Defaults.
const (
	defaultCalls        = 1000 // show a growth
	defaultCheckTimeout = time.Minute
	defaultTimeout      = 15 * time.Minute
)

func (o Options) withDefaults() (Options, error) {
	if err := o.locate(); err != nil {
		return o, err
	}
	if err := o.Fixtures.check(); err != nil {
		return o, err
	}
	if len(o.selected()) == 0 {
		return o, errors.New("no check has an id that was selected; ids are such as CP-GET-003")
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.CheckTimeout == 0 {
		o.CheckTimeout = defaultCheckTimeout
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.calls == 0 {
		o.calls = defaultCalls
	}
	return o, nil
}

// locate finds what is to be checked.
func (o *Options) locate() error {
	switch {
	case o.Plugin == "" && o.Attach == "":
		return errors.New("no plugin is named")
	case o.Plugin != "" && o.Attach != "":
		return errors.New("a plugin is launched, or something that runs is attached to: not both")
	case o.Attach != "":
		if path, ok := strings.CutPrefix(o.Attach, unixScheme); !ok || !filepath.IsAbs(path) {
			return fmt.Errorf("attach to %q: it must be unix: and the absolute path of a socket", o.Attach)
		}
		return nil
	}
	plugin, err := filepath.Abs(o.Plugin)
	if err != nil {
		return fmt.Errorf("plugin %s: %w", o.Plugin, err)
	}
	info, err := os.Stat(plugin)
	if err != nil {
		return fmt.Errorf("plugin: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("plugin %s is not a regular file", plugin)
	}
	o.Plugin = plugin
	return nil
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
