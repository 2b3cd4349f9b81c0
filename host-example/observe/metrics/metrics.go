package metrics

import (
	"net/http"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tom-worker/credential-provider/shared/text"
)

// Build says what the worker was built from.
type Build struct{ Version, Commit string }

// Metrics are one worker's. [New] makes them; methods may be called concurrently.
type Metrics struct {
	// Jobs counts jobs.
	Jobs *Jobs

	registry *prometheus.Registry
	requests *requests
	calls    *calls
	state    *state
}

// maxLabel bounds a label's value that a provider or a build has chosen, in bytes.
const maxLabel = 64

// New makes a worker's metrics. All of them are in their own registry.
func New(build Build) *Metrics {
	m := &Metrics{
		Jobs:     newJobs(),
		registry: prometheus.NewRegistry(),
		requests: newRequests(),
		calls:    newCalls(),
		state:    newState(),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "tom_worker_build_info",
		Help:        "1, with the worker's version and the commit that it was built from.",
		ConstLabels: prometheus.Labels{"version": text.Truncate(build.Version, maxLabel), "commit": text.Truncate(build.Commit, maxLabel)},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.Jobs, m.requests, m.calls, m.state,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers scrapes. What goes wrong with one is logged.
func (m *Metrics) Handler(log hclog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
		ErrorHandling:       promhttp.ContinueOnError, // one part that can't be read shall not hide the others
		MaxRequestsInFlight: 4,
	})
}

// group is collectors that are registered as one.
type group []prometheus.Collector

// Describe implements prometheus.Collector.
func (g group) Describe(descriptions chan<- *prometheus.Desc) {
	for _, c := range g {
		c.Describe(descriptions)
	}
}

// Collect implements prometheus.Collector.
func (g group) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range g {
		c.Collect(metrics)
	}
}
