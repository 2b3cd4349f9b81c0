package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/observe/health"
	"github.com/tom-worker/credential-provider/host-example/observe/metrics"
)

// observers are how a program that serves is observed from outside, and where its quarantines are lifted.
type observers struct {
	metrics     *metrics.Metrics
	health      *health.Health
	quarantines *admin.Quarantines
	page        *admin.Page
	server      *admin.Server // nil unless metrics_address is set
}

// observe makes them, before the provider is launched: /healthz answers while that takes its time. They must be closed.
func (l *loaded) observe() (*observers, error) {
	o := &observers{
		metrics:     metrics.New(metrics.Build{Version: version, Commit: commit()}),
		health:      health.New(l.log),
		quarantines: admin.NewQuarantines(l.log),
	}
	o.page = admin.NewPage(o.quarantines, l.links(), l.log)
	o.metrics.Ready(o.health.Ready)
	address := l.config.MetricsAddress
	if address == "" || len(l.problems) > 0 { // the start fails then
		return o, nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.metrics.Handler(l.log))
	mux.Handle("GET /healthz", o.health.Live())
	mux.Handle("GET /readyz", o.health.Readiness(admin.Local))
	o.quarantines.Routes(mux)
	o.page.Routes(mux)
	server, err := admin.Listen(address, mux, l.log)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{l.notListening(err)}}
	}
	o.server = server
	l.log.Info("metrics and health are served", "address", server.Address())
	return o, nil
}

// links are those of the page to other programs.
func (l *loaded) links() []admin.Link {
	var links []admin.Link
	for _, link := range l.config.FleetLinks {
		if name, url, err := config.ParseLink(link); err == nil { // else the start fails
			links = append(links, admin.Link{Name: name, URL: url})
		}
	}
	return links
}

// notListening returns why the worker can't listen at metrics_address.
func (l *loaded) notListening(err error) config.Problem {
	const key = "metrics_address"
	problem := config.Problem{Place: l.config.Place(key), Key: key, Text: err.Error()}
	var failed *net.OpError
	if errors.As(err, &failed) {
		problem.Text = "can't listen at " + l.config.MetricsAddress + ": " + failed.Err.Error()
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

// opened has them observe the provider's process and the store.
func (o *observers) opened(by *opened) {
	o.metrics.Watch(metrics.Watched{
		Store: by.store.Snapshot, Process: by.provider, Logins: by.guard.Counters, Ledger: by.counted, Outage: by.outages,
	})
	o.health.Watch(by.provider)
}

// lifting lets quarantines be lifted from outside, now that it can be written down.
func (o *observers) lifting(by *opened, log *audit.Log) {
	o.quarantines.Guard(by.logins(), func(ctx context.Context, q admin.Quarantine, user, peer string) error {
		return log.Lifted(ctx, audit.Recipient{Command: "quarantine lift", User: user, Peer: peer}, cmp.Or(q.CredentialID, q.Material))
	})
}

// keep has the backend checked until ctx is done, where the result is served.
func (o *observers) keep(ctx context.Context, provider observe.Provider) {
	if o.server != nil {
		o.health.Keep(ctx, provider)
	}
}

// close returns when nothing of them is left.
func (o *observers) close() {
	if o.server != nil {
		o.server.Close()
	}
}
