package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe/trace"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/text"
)

// loaded are settings that have been read, and what they select. A command that only looks around needs no more.
type loaded struct {
	config    *config.Config
	problems  []config.Problem // more are found while the provider is opened
	warnings  []config.Problem
	log       hclog.Logger
	attach    string        // the file of a provider in debug mode; with it, none is launched
	traces    *trace.Traces // nil where the environment asks for none, which is fine to use
	digestKey []byte        // of a guard whose ledger is in memory; nil: a random one
}

// load reads the settings.
func (c *cli) load(file string) *loaded {
	flags := map[string]string{}
	if c.logLevel != "" {
		flags["log_level"] = c.logLevel
	}
	if c.logFormat != "" {
		flags["log_format"] = c.logFormat
	}
	cfg, err := config.Load(config.Source{File: file, Environ: c.environ, Flags: flags})
	l := &loaded{config: cfg, attach: c.unsafeAttach, digestKey: c.digestKey, warnings: slices.Clone(cfg.Warnings)}
	var invalid *config.Error
	if errors.As(err, &invalid) {
		l.problems = invalid.Problems
	}
	l.log = hclog.New(&hclog.LoggerOptions{
		Name:       program,
		Level:      cfg.LogLevel, // without a valid one hclog takes info
		Output:     c.stderr,
		JSONFormat: cfg.LogFormat == "json",
	})
	c.logsJSON = cfg.LogFormat == "json"
	c.traces.LogTo(l.log)
	l.traces = c.traces
	return l
}

func (l *loaded) logWarnings() {
	for _, warning := range l.warnings {
		l.log.Warn(text.Printable(warning.String()))
	}
}

// blocked reports whether a problem stands in the way of a launch: it isn't known what to launch, or hol.
func (l *loaded) blocked() bool {
	return slices.ContainsFunc(l.problems, func(p config.Problem) bool {
		switch p.Key {
		case "credential_plugin_start_timeout", "credential_plugin_call_timeout":
			return false // there are defaults, for the while that it takes to hear of the provider's settings
		}
		return p.Key == "" || strings.HasPrefix(p.Key, "credential_plugin")
	})
}

// options say how to launch a provider. The file and its checksum are the selected provider's.
func (l *loaded) options(name string) host.Options {
	options := host.Options{
		Name:         name,
		Dirs:         l.dirs(),
		PassEnv:      l.config.CredentialPluginPassEnv,
		ProjectRoot:  l.config.ProjectRoot,
		StartTimeout: max(0, l.config.CredentialPluginStartTimeout), // a negative one is refused in the end
		CallTimeout:  max(0, l.config.CredentialPluginCallTimeout),
		Logger:       l.log,
	}
	if name == l.config.CredentialPlugin {
		options.Path = l.config.CredentialPluginPath
		options.SHA256 = l.config.CredentialPluginSHA256
	}
	if l.attach != "" {
		// The author is at a debugger: the host library's times for that count, not the worker's.
		options.Attach, options.StartTimeout, options.CallTimeout = l.attach, 0, 0
	}
	return options
}

func (l *loaded) dirs() []string {
	if len(l.config.CredentialPluginDirs) > 0 {
		return l.config.CredentialPluginDirs
	}
	return host.DefaultDirs()
}

// names are those of the installed providers.
func names(dirs []string) []string {
	var all []string
	for _, found := range host.Discover(dirs) {
		all = append(all, found.Name)
	}
	return all
}
