package host

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// drainTimeout is how long calls under way may go on when their process is to be stopped.
const drainTimeout = 5 * time.Second

// Provider is a provider that a host uses for as long as it lives, whatever happens to the process behind it. Its methods
// may be called concurrently.
type Provider struct {
	options Options
	redact  redactor

	suspects suspects
	killers  killers

	life   context.Context // ends with Close
	cancel context.CancelFunc
	closed chan struct{} // closed when the supervisor has ended

	reloading sync.Mutex

	mu       sync.Mutex
	exe      *executable
	settings Settings
	current  *process // nil while none is ready
	metadata Metadata
	changed  chan struct{} // closed and replaced whenever current, broken or closing changes
	broken   *credential.Error
	lastEnd  *credential.Error // how the last process ended
	closing  bool

	// starts counts consecutive starts without one answered call. spared are those of them whose process was ended from outside.
	starts   atomic.Int32
	spared   atomic.Int32
	restarts atomic.Int64
}

// Start launches a provider and hands over its settings. It returns when the provider is ready, or a [*credential.Error]
// that says why it isn't: PROVIDER_NOT_FOUND ([*NotFoundError]), PROVIDER_REFUSED, PROVIDER_START_FAILED,
// PROVIDER_INCOMPATIBLE, or SETTINGS_INVALID with every setting that is refused. After an error nothing is left behind.
//
// ctx bounds the start only. The provider lives until [Provider.Close].
func Start(ctx context.Context, options Options) (*Provider, error) {
	options = options.withDefaults()
	p := &Provider{options: options, settings: options.Settings, suspects: newSuspects(), closed: make(chan struct{}), changed: make(chan struct{})}
	removeLeftovers()
	exe, err := locate(ctx, options)
	if err != nil {
		return nil, err
	}
	first, err := p.start(ctx, exe, p.settings)
	if err != nil {
		exe.discard()
		return nil, err
	}
	p.exe = exe
	p.life, p.cancel = context.WithCancel(context.Background())
	_ = p.publish(first)
	if first.attached != nil {
		go p.superviseAttached()
	} else {
		go p.supervise(first)
	}
	return p, nil
}

// Describe launches a provider, asks what it is, and ends it again. No settings are needed.
func Describe(ctx context.Context, options Options) (Metadata, error) {
	options = options.withDefaults()
	exe, err := locate(ctx, options)
	if err != nil {
		return Metadata{}, err
	}
	defer exe.discard()
	process, err := launch(ctx, options, exe, &redactor{})
	if err != nil {
		return Metadata{}, err
	}
	options.stop(process)
	return process.metadata, nil
}

// locate finds and checks the executable.
func locate(ctx context.Context, options Options) (*executable, error) {
	if err := checkName(options.Name); err != nil {
		return nil, err
	}
	if options.Attach != "" {
		return &executable{}, nil // there is nothing to launch
	}
	path := options.Path
	if path == "" {
		found, err := Find(options.Name, options.Dirs)
		if err != nil {
			return nil, err
		}
		path = found
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, credential.Errorf(credential.ProviderNotFound, "provider %s: %w", options.Path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, options.StartTimeout)
	defer cancel()
	return prepare(ctx, path, options.SHA256, variable(environment(options), "PATH"))
}

// start launches a process that is ready: it has answered Configure.
func (p *Provider) start(caller context.Context, exe *executable, settings Settings) (*process, error) {
	process, err := launch(caller, p.options, exe, &p.redact)
	if err != nil {
		return nil, err
	}
	// From when the launch started: one time covers all of the start.
	ctx, cancel := context.WithDeadline(caller, process.born.Add(p.options.StartTimeout))
	defer cancel()
	if err := process.configure(ctx, process.metadata.withProjectRoot(settings, p.options.ProjectRoot), &p.redact); err != nil {
		return nil, process.startError(caller, ctx, p.options, exe, err)
	}
	return process, nil
}

// stop ends a process. One that can't be ended is left behind, and the log names it.
func (o Options) stop(process *process) {
	if err := process.stop(); err != nil {
		o.reportStuck(err)
	}
}

func (o Options) reportStuck(err error) {
	o.Logger.Error("a provider's process can't be ended and is left behind", "provider", o.Name, "error", err.Error())
}

// Metadata is what the provider told of itself when it was last started.
func (p *Provider) Metadata() Metadata {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.metadata
}

// Restarts is how often the process was replaced since Start, for any reason.
func (p *Provider) Restarts() int64 { return p.restarts.Load() }

// Ready reports whether a process is there to answer calls at this moment.
func (p *Provider) Ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current != nil
}

// Reload looks for the executable again, as Start does, and replaces the running process by one of it: first the new one
// must be ready, then the old one finishes its calls and is stopped. A provider that is attached stays the same process, or
// is the one that was started in its place: Reload attaches again. With settings the new process gets those, with nil
// the same as before. After an error the old process goes on. Close cuts it short.
func (p *Provider) Reload(ctx context.Context, settings Settings) error {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	if p.life.Err() != nil {
		return p.closedError()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(p.life, cancel)
	defer stop()
	if settings == nil {
		settings = p.settings
	}
	exe, err := locate(ctx, p.options)
	if err != nil {
		return err
	}
	fresh, err := p.start(ctx, exe, settings)
	if err != nil {
		exe.discard()
		if p.life.Err() != nil {
			return p.closedError()
		}
		return err
	}
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		p.options.stop(fresh)
		exe.discard()
		return p.closedError()
	}
	old, oldExe := p.current, p.exe
	p.exe, p.settings = exe, settings
	p.put(fresh) // in one step with taking the old one: a restart may be about to publish its own
	p.mu.Unlock()
	p.restarts.Add(1)
	p.options.Logger.Info("provider reloaded", "provider", p.options.Name, "version", fresh.metadata.Version)
	if old != nil {
		ctx, cancel := context.WithTimeout(ctx, drainTimeout)
		defer cancel()
		old.drain(ctx)
		p.options.stop(old)
	}
	oldExe.discard()
	return nil
}

// Close lets calls under way finish for a few seconds, then ends the provider, by force if need be. It returns when
// nothing of it is left, in bounded time. Calls after it fail.
func (p *Provider) Close() error {
	p.mu.Lock()
	first := !p.closing
	p.closing = true
	current := p.current
	p.notify()
	p.mu.Unlock()
	if first {
		if current != nil {
			ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
			current.drain(ctx)
			cancel()
		}
		p.cancel()
	}
	<-p.closed
	p.reloading.Lock() // a reload that was under way ends what it has started
	defer p.reloading.Unlock()
	p.endTrials()
	return nil
}

func (p *Provider) closedError() error {
	return credential.Errorf(credential.Cancelled, "provider %s has been closed", p.options.Name)
}

// publish makes a process the one that answers calls. If there is one already, that stays and is returned: a reload may
// have been faster than a restart, and what is overwritten would never be stopped.
func (p *Provider) publish(fresh *process) (other *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		p.put(fresh)
		return nil
	}
	return p.current
}

// put makes a process the one that answers calls; p.mu is held.
func (p *Provider) put(fresh *process) {
	fresh.ready = time.Now()
	p.current, p.metadata, p.broken = fresh, fresh.metadata, nil
	p.notify()
}

// notify wakes all who wait for a change; p.mu is held.
func (p *Provider) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// acquire returns the process to call, with the call counted. It waits for one as long as there is hope within ctx.
func (p *Provider) acquire(ctx context.Context) (*process, error) {
	for {
		p.mu.Lock()
		current, changed, broken, last := p.current, p.changed, p.broken, p.lastEnd
		switch {
		case p.closing:
			p.mu.Unlock()
			return nil, p.closedError()
		case current != nil && current.life.Err() == nil:
			current.calls.Add(1)
			p.mu.Unlock()
			return current, nil
		case broken != nil:
			p.mu.Unlock()
			return nil, broken
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			if ctx.Err() == context.Canceled || last == nil {
				return nil, contextError(ctx)
			}
			return nil, last
		}
	}
}

// contextError is a caller's own end of a call.
func contextError(ctx context.Context) *credential.Error {
	if ctx.Err() == context.DeadlineExceeded {
		return &credential.Error{Reason: credential.DeadlineExceeded, Message: "the time was up before the provider answered", Cause: ctx.Err()}
	}
	return &credential.Error{Reason: credential.Cancelled, Message: "the call was cancelled", Cause: context.Canceled}
}

func (p *Provider) String() string { return fmt.Sprintf("provider %s", p.options.Name) }
