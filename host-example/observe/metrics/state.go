package metrics

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
	"github.com/tom-worker/credential-provider/shared/text"
)

// Process is what there is to know of a provider's process. *host.Provider is one.
type Process interface {
	Metadata() host.Metadata
	Ready() bool
	Restarts() int64
}

// Watched is what is looked at with each scrape.
type Watched struct {
	Store   func() store.Snapshot
	Process Process
	Logins  func() guard.Counters
	// Ledger returns what the ledger of logins has. An error leaves its metrics out.
	Ledger func(ctx context.Context) (Ledger, error)
	// Outage returns whether the ledger is unreachable, and how long all outages have lasted.
	Outage func() (away bool, total time.Duration)
}

// Ledger is what a ledger of logins has; one in Redis has it of the fleet.
type Ledger struct {
	// Quarantined is how many credentials are in quarantine.
	Quarantined int
	// BudgetUsed is the largest share of a budget that failed logins in a row have used, of materials that failed lately.
	BudgetUsed float64
	// LastChange is when a login last failed, or the latest accepted one started; zero if there was none.
	LastChange time.Time
}

// Watch has the store, the guard and the provider's process looked at with each scrape from now on.
func (m *Metrics) Watch(w Watched) { m.state.watched.Store(&w) }

// Agent has the connections of an agent's clients looked at with each scrape from now on: those that are open, and how many
// were refused.
func (m *Metrics) Agent(connections func() (open int, refused int64)) {
	m.state.agent.Store(&connections)
}

// scrapeTime bounds what a scrape waits for.
const scrapeTime = 2 * time.Second

// Ready has the worker's readiness reported.
func (m *Metrics) Ready(ready func() bool) { m.state.ready.Store(&ready) }

// state is what others count or know, and is asked for with each scrape.
type state struct {
	watched atomic.Pointer[Watched] // nil until the provider has been launched
	ready   atomic.Pointer[func() bool]
	agent   atomic.Pointer[func() (open int, refused int64)] // nil unless it is an agent's

	workerReady, connections, notConnected                  *prometheus.Desc
	cacheResults, sharedFlights, refreshes, evictions, kept *prometheus.Desc
	failures, lastRead, outage                              *prometheus.Desc
	logins, refusals, unanswered, prevented, timedOut       *prometheus.Desc
	waiting, permits, quarantined, used, changed            *prometheus.Desc
	away, awaySeconds                                       *prometheus.Desc
	up, restarts, info                                      *prometheus.Desc
}

func newState() *state {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &state{
		workerReady: describe("tom_worker_ready", "1 if /readyz says that the worker is ready, else 0."),

		connections:  describe("tom_agent_connections", "Connections of the agent's clients that are open; 0 in what is no agent."),
		notConnected: describe("tom_agent_connections_refused_total", "Connections that the agent refused: agent_clients has no rule for their user, or there were too many."),

		cacheResults:  describe("tom_credential_cache_results_total", "What the store made of requests: hit, miss (a caller had to wait for the backend), stale (served because the backend was unavailable) or remembered (a failure known already).", "result"),
		sharedFlights: describe("tom_credential_cache_shared_flights_total", "Misses that found a read of the same credential under way, and waited for that."),
		refreshes:     describe("tom_credential_cache_refreshes_total", "Reads started in the background, ahead of time."),
		evictions:     describe("tom_credential_cache_evictions_total", "Credentials dropped to keep within credential_cache_size."),
		kept:          describe("tom_credential_cache_credentials", "Credentials that are kept."),

		failures: describe("tom_credential_read_failures_total", "Failed reads from the backend, by reason.", "reason"),
		lastRead: describe("tom_credential_last_read_timestamp_seconds", "When the backend last gave a credential, in seconds since 1970. Absent until it does."),
		outage:   describe("tom_credential_backend_out", "1 if the last reads failed because the backend was unavailable, else 0."),

		logins:      describe("tom_credential_logins_total", "Passwords or keys presented to devices."),
		refusals:    describe("tom_credential_login_refusals_total", "Those that a device refused."),
		unanswered:  describe("tom_credential_logins_unanswered_total", "Those that a device didn't answer in time."),
		prevented:   describe("tom_credential_logins_prevented_total", "Logins that were not tried, because devices had refused the credential."),
		timedOut:    describe("tom_credential_logins_timed_out_total", "Logins whose time was up before they got a permit."),
		waiting:     describe("tom_credential_logins_waiting", "Logins that wait for a permit."),
		permits:     describe("tom_credential_login_permits", "Permits that logins of this worker hold."),
		quarantined: describe("tom_credential_quarantined", "Credentials in quarantine: no logins are tried with them for a while; with login_guard redis those of the fleet. host-example quarantine list has them. Absent while it isn't known."),
		used:        describe("tom_credential_login_budget_used", "The largest share of its login_lockout_budget that a password's failed logins in a row have used, of passwords that failed within login_refusal_pause: at 1 it is closed. Of the fleet with login_guard redis. Absent while it isn't known."),
		changed:     describe("tom_credential_ledger_last_change_timestamp_seconds", "When a login last failed, or the latest accepted one started, in seconds since 1970; of the fleet with login_guard redis. Absent while it isn't known."),
		away:        describe("tom_credential_ledger_unavailable", "1 if the Redis of login_guard is unreachable at present, else 0."),
		awaySeconds: describe("tom_credential_ledger_unavailable_seconds_total", "How long the Redis of login_guard was unreachable, all outages together."),

		up:       describe("tom_credential_provider_up", "1 if the provider's process is ready for calls, else 0."),
		restarts: describe("tom_credential_provider_restarts_total", "Times the provider's process was replaced."),
		info:     describe("tom_credential_provider_info", "1, with the provider's name and version.", "name", "version"),
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{s.workerReady, s.connections, s.notConnected,
		s.cacheResults, s.sharedFlights, s.refreshes, s.evictions, s.kept, s.failures, s.lastRead, s.outage,
		s.logins, s.refusals, s.unanswered, s.prevented, s.timedOut, s.waiting, s.permits, s.quarantined, s.used, s.changed, s.away, s.awaySeconds, s.up, s.restarts, s.info} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(description *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
	}
	counter := func(description *prometheus.Desc, value int64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(description, prometheus.CounterValue, float64(value), labels...)
	}
	if ready := s.ready.Load(); ready != nil {
		gauge(s.workerReady, truth((*ready)()))
	}
	open, refused := 0, int64(0)
	if agent := s.agent.Load(); agent != nil {
		open, refused = (*agent)()
	}
	gauge(s.connections, float64(open))
	counter(s.notConnected, refused)
	w := s.watched.Load()
	if w == nil {
		gauge(s.up, 0)
		return
	}
	now := w.Store()
	for result, count := range map[string]int64{"hit": now.Hits, "miss": now.Misses, "stale": now.Stale, "remembered": now.Remembered} {
		counter(s.cacheResults, count, result)
	}
	counter(s.sharedFlights, now.SharedFlights)
	counter(s.refreshes, now.Refreshes)
	counter(s.evictions, now.Evictions)
	gauge(s.kept, float64(now.Size))

	failures := make(map[string]int64)
	for reason, count := range now.Errors {
		failures[contractReasons.label(reason)] += count
	}
	for _, reason := range contractReasons {
		counter(s.failures, failures[string(reason)], string(reason))
	}
	if !now.LastRead.IsZero() {
		gauge(s.lastRead, seconds(now.LastRead))
	}
	gauge(s.outage, truth(now.Outage))

	logins := w.Logins()
	counter(s.logins, logins.Logins)
	counter(s.refusals, logins.Refusals)
	counter(s.unanswered, logins.Unanswered)
	counter(s.prevented, logins.Prevented)
	counter(s.timedOut, logins.TimedOut)
	gauge(s.waiting, float64(logins.Waiting))
	gauge(s.permits, float64(logins.Permits))
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	if ledger, err := w.Ledger(ctx); err == nil {
		gauge(s.quarantined, float64(ledger.Quarantined))
		gauge(s.used, ledger.BudgetUsed)
		if !ledger.LastChange.IsZero() {
			gauge(s.changed, seconds(ledger.LastChange))
		}
	}
	away, total := w.Outage()
	gauge(s.away, truth(away))
	metrics <- prometheus.MustNewConstMetric(s.awaySeconds, prometheus.CounterValue, total.Seconds())

	metadata := w.Process.Metadata()
	gauge(s.up, truth(w.Process.Ready()))
	counter(s.restarts, w.Process.Restarts())
	gauge(s.info, 1, text.Truncate(metadata.Name, maxLabel), text.Truncate(metadata.Version, maxLabel))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
