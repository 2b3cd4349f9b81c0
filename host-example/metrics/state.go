package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Process is what there is to know of a provider's process. *host.Provider is one.
type Process interface {
	Metadata() host.Metadata
	Ready() bool
	Restarts() int64
}

// Watch has the store and the provider's process looked at with each scrape from now on.
func (m *Metrics) Watch(snapshot func() store.Snapshot, process Process) {
	m.state.watched.Store(&watched{snapshot, process})
}

// Ready has the worker's readiness reported.
func (m *Metrics) Ready(ready func() bool) { m.state.ready.Store(&ready) }

// watched is what exists only once the provider has been launched.
type watched struct {
	snapshot func() store.Snapshot
	process  Process
}

// state is what others count or know, and is asked for with each scrape.
type state struct {
	watched atomic.Pointer[watched]
	ready   atomic.Pointer[func() bool]

	workerReady                                             *prometheus.Desc
	cacheResults, sharedFlights, refreshes, evictions, kept *prometheus.Desc
	failures, lastRead, outage                              *prometheus.Desc
	logins, refusals, prevented, quarantined                *prometheus.Desc
	up, restarts, info                                      *prometheus.Desc
}

func newState() *state {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &state{
		workerReady: describe("tom_worker_ready", "1 if /readyz says that the worker is ready, else 0."),

		cacheResults:  describe("tom_credential_cache_results_total", "What the store made of requests: hit, miss (somebody had to wait for the backend), stale (served because the backend was out) or remembered (a failure known already).", "result"),
		sharedFlights: describe("tom_credential_cache_shared_flights_total", "Misses that found a read of the same credential under way, and waited for that."),
		refreshes:     describe("tom_credential_cache_refreshes_total", "Reads begun in the background, ahead of time."),
		evictions:     describe("tom_credential_cache_evictions_total", "Credentials dropped to keep within credential_cache_size."),
		kept:          describe("tom_credential_cache_credentials", "Credentials that are kept."),

		failures: describe("tom_credential_read_failures_total", "Failed reads from the backend, by reason.", "reason"),
		lastRead: describe("tom_credential_last_read_timestamp_seconds", "When the backend last gave a credential, in seconds since 1970. Absent until it does."),
		outage:   describe("tom_credential_backend_out", "1 if the last reads failed because the backend was out, else 0."),

		logins:      describe("tom_credential_logins_total", "Logins tried at devices."),
		refusals:    describe("tom_credential_login_refusals_total", "Logins that a device refused."),
		prevented:   describe("tom_credential_logins_prevented_total", "Logins that were not tried, because devices had refused the credential."),
		quarantined: describe("tom_credential_quarantined", "Credential ids with which no logins are tried until they change; host-example quarantine list has them."),

		up:       describe("tom_credential_provider_up", "1 if the provider's process is ready for calls, else 0."),
		restarts: describe("tom_credential_provider_restarts_total", "Times the provider's process was replaced."),
		info:     describe("tom_credential_provider_info", "1, with the provider's name and version.", "name", "version"),
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{s.workerReady,
		s.cacheResults, s.sharedFlights, s.refreshes, s.evictions, s.kept, s.failures, s.lastRead, s.outage,
		s.logins, s.refusals, s.prevented, s.quarantined, s.up, s.restarts, s.info} {
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
	w := s.watched.Load()
	if w == nil {
		gauge(s.up, 0)
		return
	}
	now := w.snapshot()
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

	counter(s.logins, now.Logins)
	counter(s.refusals, now.Refusals)
	counter(s.prevented, now.Prevented)
	gauge(s.quarantined, float64(len(now.Quarantined)))

	metadata := w.process.Metadata()
	gauge(s.up, truth(w.process.Ready()))
	counter(s.restarts, w.process.Restarts())
	gauge(s.info, 1, label(metadata.Name), label(metadata.Version))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
