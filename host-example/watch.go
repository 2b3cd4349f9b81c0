package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/tom-worker/credential-provider/host-example/access"
	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/health"
	"github.com/tom-worker/credential-provider/host-example/metrics"
	"github.com/tom-worker/credential-provider/host-example/operate"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

// watch is how a worker that runs is looked at, and where its quarantines are lifted.
type watch struct {
	metrics     *metrics.Metrics
	health      *health.Health
	quarantines *operate.Quarantines
	server      *operate.Server // nil unless metrics_address is set
	checks      sync.WaitGroup
}

// observe begins to watch the worker, before the provider is launched: /healthz answers while that takes its time.
func (w *worker) observe() error {
	o := &watch{
		metrics:     metrics.New(metrics.Build{Version: version, Commit: commit()}),
		health:      health.New(w.log),
		quarantines: operate.NewQuarantines(w.log),
	}
	o.metrics.Ready(o.health.Ready)
	w.watch = o
	address := w.config.MetricsAddress
	if address == "" || len(w.problems) > 0 { // the start fails then
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.metrics.Handler(w.log))
	mux.Handle("GET /healthz", o.health.Live())
	mux.Handle("GET /readyz", o.health.Readiness(operate.Local))
	o.quarantines.Routes(mux)
	server, err := operate.Listen(address, mux, w.log)
	if err != nil {
		return &config.Error{Problems: []config.Problem{w.notListening(err)}}
	}
	o.server = server
	w.log.Info("metrics and health are served", "address", server.Address())
	return nil
}

// notListening says why the worker can't listen at metrics_address.
func (w *worker) notListening(err error) config.Problem {
	const key = "metrics_address"
	problem := config.Problem{Place: w.config.Place(key), Key: key, Text: err.Error()}
	var failed *net.OpError
	if errors.As(err, &failed) {
		problem.Text = "can't listen at " + w.config.MetricsAddress + ": " + failed.Err.Error()
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		problem.Remedy = "choose another port: each worker on a machine needs its own; or end what listens there"
	case errors.Is(err, syscall.EACCES):
		problem.Remedy = "choose a port from 1024 on: those below need rights that the worker should not have"
	default:
		problem.Remedy = "give an address of this machine, such as 127.0.0.1:9464, or :9464 for all of them"
	}
	return problem
}

// source puts metrics and health around what is asked of the provider.
func (o *watch) source(provider access.Provider) access.Provider {
	return o.health.Provider(o.metrics.Provider(provider))
}

// launched begins to look at the provider's process and at the store.
func (o *watch) launched(provider *host.Provider, credentials *store.Store) {
	o.metrics.Watch(credentials.Snapshot, provider)
	o.health.Watch(provider)
	o.quarantines.Guard(credentials)
}

// keep has the backend checked until ctx is done, if there is anybody to tell.
func (o *watch) keep(ctx context.Context, provider access.Provider) {
	if o.server != nil {
		o.checks.Go(func() { o.health.Keep(ctx, provider) })
	}
}

// close returns when nothing of it is left.
func (o *watch) close() {
	if o.server != nil {
		o.server.Close()
	}
}
