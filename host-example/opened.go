package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/metrics"
	"github.com/tom-worker/credential-provider/host-example/observe/trace"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/guard/redisledger"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

// opened is a provider that has been launched with the settings, and the store in front of it. It must be closed.
type opened struct {
	*loaded
	settings host.Settings             // the provider's
	provider *host.Provider            // the process
	source   observe.Provider          // the provider with all that observes its calls
	store    *store.Store              // in front of the source: every read goes through it
	guard    *guard.Guard              // of logins with the store's credentials
	ledger   guard.Ledger              // what the guard knows
	fleet    guard.Fleet               // who shares the ledger
	outage   func() redisledger.Outage // nil without Redis
	lately   recently[metrics.Ledger]
}

// open launches the provider that the settings select, and puts around it what observes its calls. If there are problems in
// the settings, the error has all of them, and so has l: the provider is launched nevertheless where that is possible, for
// the problems that only it can find in its own settings.
func (l *loaded) open(ctx context.Context, environ []string, around ...func(observe.Provider) observe.Provider) (*opened, error) {
	options, err := l.prepare(environ)
	if err != nil {
		return nil, err
	}
	provider, err := l.launch(ctx, options)
	if err != nil {
		return nil, l.refused(err)
	}
	if len(l.problems) > 0 {
		_ = provider.Close()
		return nil, &config.Error{Problems: l.problems}
	}
	source := l.traces.Source(provider)
	for _, wrap := range around {
		source = wrap(source)
	}
	o := &opened{loaded: l, settings: options.Settings, provider: provider, source: source, store: store.New(source, l.cache())}
	if err := o.openGuard(); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// close ends the provider's process.
func (o *opened) close() {
	if o.guard != nil {
		_ = o.guard.Close()
	}
	if o.ledger != nil {
		_ = o.ledger.Close()
	}
	o.store.Close()
	_ = o.provider.Close()
}

// open reads the settings and launches the provider, for commands that show nothing but their result: warnings go to the log.
func (c *cli) open(ctx context.Context) (*opened, error) {
	l := c.load(c.configFile)
	o, err := l.open(ctx, c.environ)
	l.logWarnings()
	return o, err
}

// launch launches the provider.
func (l *loaded) launch(ctx context.Context, options host.Options) (*host.Provider, error) {
	ctx, span := trace.Start(ctx, "provider start")
	span.Set("tom.provider.name", options.Name)
	provider, err := host.Start(ctx, options)
	span.End(err)
	return provider, err
}

// prepare says how to launch the selected provider, with its settings.
func (l *loaded) prepare(environ []string) (host.Options, error) {
	if l.config.CredentialPlugin == "" && !l.blocked() {
		l.problems = append(l.problems, l.noProvider())
	}
	settings, misplaced := l.config.ProviderSettings(names(l.dirs()))
	l.warnings = append(l.warnings, misplaced...)
	if l.blocked() {
		l.warnings = append(l.warnings, l.unseen(settings)...)
		return host.Options{}, &config.Error{Problems: l.problems}
	}
	options := l.options(l.config.CredentialPlugin)
	options.Environ, options.Settings = environ, settings
	return options, nil
}

// unseen says that there may be more problems, in settings that only the provider knows.
func (l *loaded) unseen(settings host.Settings) []config.Problem {
	if len(settings) == 0 {
		return nil
	}
	return []config.Problem{{
		Place: config.Place{Name: l.config.File}, Key: "plugin_" + l.config.CredentialPlugin + "_*",
		Text: "not checked: the provider, which knows them, can't be launched before the problems are solved",
	}}
}

// cache returns the options of the store.
func (l *loaded) cache() store.Options {
	options := store.Options{
		TTL:         orOff(l.config.CredentialCacheTTL),
		MaxStale:    orOff(l.config.CredentialCacheMaxStale),
		NegativeTTL: orOff(l.config.CredentialCacheNegativeTTL),
		Size:        l.config.CredentialCacheSize,
		CallTimeout: l.config.CredentialPluginCallTimeout,
		Logger:      slog.New(logHandler{log: l.log}),
	}
	if l.attach != "" {
		options.CallTimeout = -1 // a breakpoint may stop the provider for hours
	}
	return options
}

// orOff returns what options take for a setting's duration: there 0 means the default, and a negative value means off.
func orOff(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// refused is the error of a start, with the problems of the settings if there are any.
func (l *loaded) refused(err error) error {
	var known *credential.Error
	if !errors.As(err, &known) {
		return err
	}
	refused := l.config.Refused(known)
	if len(l.problems) == 0 && len(refused) == 0 {
		return err
	}
	l.problems = append(l.problems, refused...)
	if len(refused) == 0 {
		l.problems = append(l.problems, config.Problem{Place: l.config.Place("credential_plugin"), Key: "credential_plugin", Text: known.Error()})
	}
	slices.SortStableFunc(l.problems, config.ByPlace)
	return &config.Error{Problems: l.problems}
}

// noProvider says that none is selected, where that was looked for, and what there is to select.
func (l *loaded) noProvider() config.Problem {
	dirs, found := l.dirs(), names(l.dirs())
	problem := config.Problem{Place: config.Place{Name: l.config.File}, Key: "credential_plugin", Text: "not set"}
	if l.config.File == "" {
		looked, err := filepath.Abs(l.config.Looked)
		if err != nil {
			looked = l.config.Looked
		}
		problem.Text += "; there is neither a file " + looked + " nor a variable TOM_WORKER_CREDENTIAL_PLUGIN"
	}
	if len(found) == 0 {
		problem.Text += "; no providers found in " + strings.Join(dirs, ", ")
		problem.Remedy = "install a provider into one of these directories, or name its directory in credential_plugin_dirs"
		return problem
	}
	problem.Text += "; providers found in " + strings.Join(dirs, ", ") + ": " + strings.Join(found, ", ")
	problem.Remedy = fmt.Sprintf("choose a provider with a line in %s, such as:\n  credential_plugin: %s", l.config.Looked, found[0])
	return problem
}
