package main

import (
	"context"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/observe/trace"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// serving is a provider that serves for as long as the program is told to: how it is observed from outside, and where each
// credential that is handed out is written down.
type serving struct {
	*opened
	observers *observers
	audit     *audit.Log
}

// serve launches the provider and does the work that prepare returns, until that ends. ctx is done with the first signal to
// end, the abort context of the work with the second. SIGHUP reloads the provider. kind is what the fleet sees it as.
func (c *cli) serve(ctx context.Context, kind string, prepare func(*serving) (work func(abort context.Context) error, err error)) error {
	signals := watchSignals()
	defer signals.close()
	abort, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.traces = trace.FromEnvironment(c.environ, program, version)
	defer func() { c.traces.Close(abort) }() // a second signal means that nothing is to be waited for
	l := c.load(c.configFile)
	observers, err := l.observe()
	if err != nil {
		return err
	}
	defer observers.close()
	o, err := l.open(ctx, c.environ, observers.metrics.Provider, observers.health.Provider)
	l.logWarnings()
	if err != nil {
		return err
	}
	defer o.close()
	observers.opened(o)
	log, err := l.openAudit(c.stderr, l.log)
	if err != nil {
		return err
	}
	defer log.Close()
	observers.lifting(o, log)
	if err := o.ready(ctx); err != nil {
		return err
	}
	s := &serving{opened: o, observers: observers, audit: log}
	work, err := prepare(s)
	if err != nil {
		return err
	}
	go signals.serveEnd(abort, cancel)
	var background sync.WaitGroup
	defer background.Wait() // a reload that was left alone would leave a process and its files behind
	keep, leave := context.WithCancel(abort)
	defer leave()
	background.Go(func() { signals.serveHangup(keep, func() { s.reopenAudit(); c.reload(keep, s) }) })
	background.Go(func() { observers.keep(keep, o.source) })
	defer context.AfterFunc(ctx, observers.health.Ending)()
	observers.health.Running()
	p := newPresence(s, kind)
	observers.page.Fleet(p.show)
	background.Go(func() { p.announce(keep) })
	return work(abort)
}

// unready is a worker that can't do its work until a user has changed something.
type unready struct{ error }

// Unwrap returns what is to be changed.
func (u unready) Unwrap() error { return u.error }

// ready lets the provider check its backend. What may pass is logged, and the worker runs; what won't is an error.
func (o *opened) ready(ctx context.Context) error {
	v := &validation{}
	err := v.backend(ctx, o, "", false)
	switch {
	case err == nil:
		return nil
	case v.failed() == nil: // it could not check
		if ctx.Err() != nil {
			return err
		}
		o.log.Warn("the provider could not check its backend; the worker runs", "reason", string(credential.ReasonOf(err)), "error", text.Printable(err.Error()))
		return nil
	}
	for _, check := range v.checks {
		if check.Status != credential.StatusFailed {
			continue
		}
		if !check.Reason.Transient() {
			return unready{checkError(&check)}
		}
		o.log.Warn("a check of the backend failed, which may pass; the worker runs", "check", check.Name, "reason", string(check.Reason), "message", text.Printable(check.Message))
	}
	return nil
}

// logged puts the error that ends the worker into its log where that is JSON: whatever collects the log takes each line of
// stderr for an object. The line is written whatever the log's level is, as the text would be.
func (c *cli) logged(err error) error {
	if err == nil || !c.logsJSON {
		return err
	}
	e, _ := classify(err)
	f := failureOf(e)
	log := hclog.New(&hclog.LoggerOptions{Name: program, Level: hclog.Error, Output: c.stderr, JSONFormat: true})
	log.Error("the worker ends: "+f.Message, "code", f.Code, "reason", string(f.Reason), "metadata", f.Metadata, "help", f.Help)
	return reported{err}
}
