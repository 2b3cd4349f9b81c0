package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/access"
	"github.com/tom-worker/credential-provider/host-example/audit"
	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/trace"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

// worker is what a command works with: the settings, and the provider that they select.
type worker struct {
	config   *config.Config
	problems []config.Problem
	warnings []config.Problem
	log      hclog.Logger
	attach   string          // the file of a provider in debug mode, to use instead of launching one
	settings host.Settings   // the provider's
	provider *host.Provider  // nil unless the start succeeded
	source   access.Provider // the provider, and whatever looks on
	watch    *watch          // nil unless the worker runs
	store    *store.Store    // in front of the source: every read goes through it
	audit    *audit.Log      // nil unless it was opened
	traces   *trace.Traces   // nil if nobody wants any
}

// start reads the settings and launches the provider. If there are problems in the settings, the error has all of them:
// the provider is launched all the same where that can be done, for what it says about its own settings. The worker is
// never nil, for a command that shows what was found so far; with a nil error it must be closed.
func (c *cli) start(ctx context.Context, file string) (*worker, error) {
	w := c.load(file)
	return w, w.start(ctx, c.environ)
}

// start launches the provider. With a nil error the worker must be closed.
func (w *worker) start(ctx context.Context, environ []string) error {
	options, err := w.prepare(environ)
	if err != nil {
		return err
	}
	provider, err := w.launch(ctx, options)
	if err != nil {
		return w.refused(err)
	}
	if len(w.problems) > 0 {
		_ = provider.Close()
		return &config.Error{Problems: w.problems}
	}
	w.provider, w.settings = provider, options.Settings
	w.source = w.traces.Source(provider)
	if w.watch != nil {
		w.source = w.watch.source(w.source)
	}
	w.store = store.New(w.source, w.cache())
	if w.watch != nil {
		w.watch.launched(provider, w.store)
	}
	return nil
}

// launch launches the provider.
func (w *worker) launch(ctx context.Context, options host.Options) (*host.Provider, error) {
	ctx, span := trace.Begin(ctx, "provider start")
	span.Set("tom.provider.name", options.Name)
	provider, err := host.Start(ctx, options)
	span.End(err)
	return provider, err
}

// prepare says how to launch the selected provider, with its settings.
func (w *worker) prepare(environ []string) (host.Options, error) {
	if w.config.CredentialPlugin == "" && !w.blocked() {
		w.problems = append(w.problems, w.noProvider())
	}
	settings, misplaced := w.config.ProviderSettings(names(w.dirs()))
	w.warnings = append(w.warnings, misplaced...)
	if w.blocked() {
		w.warnings = append(w.warnings, w.unseen(settings)...)
		return host.Options{}, &config.Error{Problems: w.problems}
	}
	options := w.options(w.config.CredentialPlugin)
	options.Environ, options.Settings = environ, settings
	w.offerProjectRoot(options.Settings)
	return options, nil
}

// unseen says that there may be more problems, in settings that only the provider knows.
func (w *worker) unseen(settings host.Settings) []config.Problem {
	if len(settings) == 0 {
		return nil
	}
	return []config.Problem{{
		Place: config.Place{Name: w.config.File}, Key: "plugin_" + w.config.CredentialPlugin + "_*",
		Text: "not checked: the provider, which knows them, can't be launched before the problems are solved",
	}}
}

// cache says how long credentials are kept.
func (w *worker) cache() store.Options {
	options := store.DefaultOptions()
	options.TTL = w.config.CredentialCacheTTL
	options.MaxStale = w.config.CredentialCacheMaxStale
	options.NegativeTTL = w.config.CredentialCacheNegativeTTL
	options.Size = w.config.CredentialCacheSize
	options.CallTimeout = w.options(w.config.CredentialPlugin).CallTimeout
	options.Logger = w.log
	return options
}

// offerProjectRoot hands the worker's project_root to a provider that has a setting of this name and no value for it: the
// relative paths in a Tom worker's settings start there.
func (w *worker) offerProjectRoot(settings host.Settings) {
	const name = "project_root"
	if own := settings[name].Value; w.config.ProjectRoot == "" || own != nil && own != "" {
		return
	}
	settings[name] = host.Setting{Value: w.config.ProjectRoot, Origin: w.config.Place(name).String(), Offered: true}
}

// launch is start for commands that show nothing but their result: warnings go to the log.
func (c *cli) launch(ctx context.Context) (*worker, error) {
	w, err := c.start(ctx, c.configFile)
	w.logWarnings()
	return w, err
}

// load reads the settings.
func (c *cli) load(file string) *worker {
	flags := map[string]string{}
	if c.logLevel != "" {
		flags["log_level"] = c.logLevel
	}
	if c.logFormat != "" {
		flags["log_format"] = c.logFormat
	}
	cfg, err := config.Load(config.Source{File: file, Environ: c.environ, Flags: flags})
	w := &worker{config: cfg, attach: c.unsafeAttach, warnings: slices.Clone(cfg.Warnings)}
	var invalid *config.Error
	if errors.As(err, &invalid) {
		w.problems = invalid.Problems
	}
	w.log = hclog.New(&hclog.LoggerOptions{
		Name:       program,
		Level:      cfg.LogLevel, // without a valid one hclog takes info
		Output:     c.stderr,
		JSONFormat: cfg.LogFormat == "json",
	})
	c.logsJSON = cfg.LogFormat == "json"
	c.traces.LogTo(w.log)
	w.traces = c.traces
	return w
}

// blocked says whether a problem stands in the way of a launch: it isn't known what to launch, or how.
func (w *worker) blocked() bool {
	return slices.ContainsFunc(w.problems, func(p config.Problem) bool {
		switch p.Key {
		case "credential_plugin_start_timeout", "credential_plugin_call_timeout":
			return false // there are defaults, for the while that it takes to hear of the provider's settings
		}
		return p.Key == "" || strings.HasPrefix(p.Key, "credential_plugin")
	})
}

// options say how to launch a provider. The file and its checksum are the selected provider's.
func (w *worker) options(name string) host.Options {
	options := host.Options{
		Name:         name,
		Dirs:         w.dirs(),
		PassEnv:      w.config.CredentialPluginPassEnv,
		StartTimeout: max(0, w.config.CredentialPluginStartTimeout), // a negative one is refused in the end
		CallTimeout:  max(0, w.config.CredentialPluginCallTimeout),
		Logger:       w.log,
	}
	if name == w.config.CredentialPlugin {
		options.Path = w.config.CredentialPluginPath
		options.SHA256 = w.config.CredentialPluginSHA256
	}
	if w.attach != "" {
		// Somebody is at a debugger: nothing is too slow.
		options.Attach, options.StartTimeout, options.CallTimeout = w.attach, host.AttachedTimeout, host.AttachedTimeout
	}
	return options
}

func (w *worker) dirs() []string {
	if len(w.config.CredentialPluginDirs) > 0 {
		return w.config.CredentialPluginDirs
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

// noProvider says that none is selected, where that was looked for, and what there is to select.
func (w *worker) noProvider() config.Problem {
	dirs, found := w.dirs(), names(w.dirs())
	problem := config.Problem{Place: config.Place{Name: w.config.File}, Key: "credential_plugin", Text: "not set"}
	if w.config.File == "" {
		looked, err := filepath.Abs(w.config.Looked)
		if err != nil {
			looked = w.config.Looked
		}
		problem.Text += "; there is neither a file " + looked + " nor a variable TOM_WORKER_CREDENTIAL_PLUGIN"
	}
	if len(found) == 0 {
		problem.Text += "; no providers found in " + strings.Join(dirs, ", ")
		problem.Remedy = "install a provider into one of these folders, or name its folder in credential_plugin_dirs"
		return problem
	}
	problem.Text += "; providers found in " + strings.Join(dirs, ", ") + ": " + strings.Join(found, ", ")
	problem.Remedy = fmt.Sprintf("choose a provider with a line in %s, such as:\n  credential_plugin: %s", w.config.Looked, found[0])
	return problem
}

// refused is the error of a start, with the problems of the settings if there are any.
func (w *worker) refused(err error) error {
	var known *credential.Error
	if !errors.As(err, &known) {
		return err
	}
	refused := w.config.Refused(known)
	if len(w.problems) == 0 && len(refused) == 0 {
		return err
	}
	w.problems = append(w.problems, refused...)
	if len(refused) == 0 {
		w.problems = append(w.problems, config.Problem{Place: w.config.Place("credential_plugin"), Key: "credential_plugin", Text: known.Error()})
	}
	slices.SortStableFunc(w.problems, config.ByPlace)
	return &config.Error{Problems: w.problems}
}

func (w *worker) logWarnings() {
	for _, warning := range w.warnings {
		w.log.Warn(printable(warning.String()))
	}
}

func (w *worker) close() {
	w.store.Close()
	_ = w.provider.Close()
	if w.audit != nil {
		w.audit.Close()
	}
}
