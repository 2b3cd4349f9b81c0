package metrics

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// calls times the provider's calls.
type calls struct {
	group
	duration *prometheus.HistogramVec
	expire   *expiry
}

func newCalls() *calls {
	c := &calls{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tom_credential_provider_call_duration_seconds",
			Help: "Time that calls of the provider take, with all attempts, by call (get, get_batch, list, validate) and outcome (ok, error).",
			// From a YAML file beside the provider to an unavailable cloud.
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30},
		}, []string{"call", "outcome"}),
		expire: newExpiry(),
	}
	c.group = group{c.duration, c.expire}
	for _, outcome := range []string{"ok", failed} {
		c.duration.WithLabelValues("get", outcome)
	}
	return c
}

func (c *calls) observe(call string, started time.Time, err error) {
	if errors.Is(err, credential.Unsupported) {
		return // the host said so: no provider was called
	}
	outcome := "ok"
	if err != nil {
		outcome = failed
	}
	c.duration.WithLabelValues(call, outcome).Observe(time.Since(started).Seconds())
}

// Provider times the calls of p, and learns from its checks when the provider's own credentials expire.
func (m *Metrics) Provider(p observe.Provider) observe.Provider { return &timed{p, m.calls} }

type timed struct {
	provider observe.Provider
	calls    *calls
}

// Get implements observe.Provider.
func (t *timed) Get(ctx context.Context, request credential.Request) (_ *credential.Credential, err error) {
	defer func(started time.Time) { t.calls.observe("get", started, err) }(time.Now())
	return t.provider.Get(ctx, request)
}

// GetBatch implements observe.Provider.
func (t *timed) GetBatch(ctx context.Context, requests []credential.Request) (_ []credential.Result, err error) {
	defer func(started time.Time) { t.calls.observe("get_batch", started, err) }(time.Now())
	return t.provider.GetBatch(ctx, requests)
}

// List implements observe.Provider.
func (t *timed) List(ctx context.Context, pageSize int, pageToken string) (_ credential.Page, err error) {
	defer func(started time.Time) { t.calls.observe("list", started, err) }(time.Now())
	return t.provider.List(ctx, pageSize, pageToken)
}

// Validate implements observe.Provider. Its outcome reports whether the provider could check, not what it found.
func (t *timed) Validate(ctx context.Context, id string) (report credential.Report, err error) {
	defer func(started time.Time) { t.calls.observe("validate", started, err) }(time.Now())
	report, err = t.provider.Validate(ctx, id)
	if err == nil {
		t.calls.expire.set(report.BackendCredentialsExpire)
	}
	return report, err
}

// expiry is when the provider's own credentials expire.
type expiry struct {
	description *prometheus.Desc
	at          atomic.Pointer[time.Time]
}

func newExpiry() *expiry {
	return &expiry{description: prometheus.NewDesc("tom_credential_backend_credentials_expire_timestamp_seconds",
		"When the provider's own credentials for the backend expire, in seconds since 1970, as of its last checks. Absent if they don't, or if it isn't known.", nil, nil)}
}

func (e *expiry) set(at time.Time) { e.at.Store(&at) }

// Describe implements prometheus.Collector.
func (e *expiry) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- e.description }

// Collect implements prometheus.Collector.
func (e *expiry) Collect(metrics chan<- prometheus.Metric) {
	if at := e.at.Load(); at != nil && !at.IsZero() {
		metrics <- prometheus.MustNewConstMetric(e.description, prometheus.GaugeValue, seconds(*at))
	}
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
