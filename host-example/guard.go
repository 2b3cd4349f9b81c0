package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/observe/metrics"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/guard/redisledger"
)

// openGuard makes the guard of logins, by the settings, and its ledger.
func (o *opened) openGuard() (err error) {
	options, err := o.guardOptions()
	if err != nil {
		return err
	}
	ledger, err := o.openLedger()
	if err != nil {
		return err
	}
	o.fleet, _ = ledger.(guard.Fleet)
	if redis, ok := ledger.(*redisledger.Ledger); ok {
		o.outage = redis.Outage
	}
	o.ledger = agent.Ledger(ledger)
	options.Ledger = o.ledger
	o.guard, err = guard.New(o.store, options)
	return err
}

// guardOptions returns the options of a guard, but for its ledger.
func (o *opened) guardOptions() (guard.Options, error) {
	options := guard.Options{
		Budgets:      o.config.LoginLockoutBudget,
		RefusalPause: o.config.LoginRefusalPause,
		LoginTimeout: o.config.SSHLoginTimeout,
		Key:          o.digestKey,
		Logger:       slog.New(logHandler{log: o.log}),

		PreviousVersionLabel: o.provider.Metadata().PreviousVersionLabel,
	}
	if o.config.LoginGuard != config.GuardRedis {
		return options, nil
	}
	path, err := o.config.AtHome("login_guard_key_file", o.config.LoginGuardKeyFile)
	if err != nil {
		return options, err
	}
	if options.Key, err = guard.ReadKey(path); err != nil {
		return options, o.config.Unusable("login_guard_key_file", err)
	}
	return options, nil
}

// logins are what quarantines are shown and lifted of.
func (o *opened) logins() admin.Logins { return admin.Logins{Store: o.store, Guard: o.guard} }

// countEvery is how often the ledger of a fleet is looked at for metrics at most: each of its workers asks Redis.
const countEvery = 10 * time.Second

// counted returns what the ledger has for metrics, as it is or was a moment ago.
func (o *opened) counted(ctx context.Context) (metrics.Ledger, error) {
	every := countEvery
	if o.config.LoginGuard != config.GuardRedis {
		every = 0
	}
	return o.lately.get(every, func() (metrics.Ledger, error) { return o.count(ctx) })
}

// recently is a value that is made anew when it is old.
type recently[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
	err   error
}

func (r *recently[T]) get(every time.Duration, count func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) >= every {
		r.value, r.err = count()
		r.at = time.Now()
	}
	return r.value, r.err
}

func (o *opened) count(ctx context.Context) (metrics.Ledger, error) {
	statuses, err := o.guard.Snapshot(ctx)
	if err != nil {
		return metrics.Ledger{}, err
	}
	var l metrics.Ledger
	for _, q := range o.logins().Of(ctx, statuses) {
		if q.Quarantined {
			l.Quarantined++
		}
	}
	for _, s := range statuses {
		// A password that was replaced keeps its failures, and is no one's trouble.
		if s.Budget > 0 && (s.Closed > 0 || s.Idle >= 0 && s.Idle < o.config.LoginRefusalPause) {
			l.BudgetUsed = max(l.BudgetUsed, float64(s.Failed)/float64(s.Budget))
		}
		if s.Idle >= 0 {
			if at := time.Now().Add(-s.Idle); at.After(l.LastChange) {
				l.LastChange = at
			}
		}
	}
	return l, nil
}

// outages returns whether the ledger's Redis is unreachable, and for how long it was. A ledger in memory never is.
func (o *opened) outages() (away bool, total time.Duration) {
	if o.outage == nil {
		return false, 0
	}
	outage := o.outage()
	return outage.Err != nil, outage.Total
}
