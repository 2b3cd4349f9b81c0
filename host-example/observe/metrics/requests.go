package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// failed is the outcome of a request to which there was no credential; the others are those of package store.
const failed = "error"

// requests counts what jobs ask of the store.
type requests struct {
	group
	total *prometheus.CounterVec
	age   prometheus.Histogram
	wait  prometheus.Histogram
}

func newRequests() *requests {
	r := &requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tom_credential_requests_total",
			Help: "Credentials that jobs asked for, by outcome (fresh, cached, stale, error) and the error's reason. A job asks before its turn at the device and for each login.",
		}, []string{"outcome", "reason"}),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tom_credential_served_age_seconds",
			Help:    "Time since the backend was asked for a credential, when it is handed out.",
			Buckets: []float64{0.1, 1, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400},
		}),
	}
	r.wait = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "tom_credential_login_wait_seconds",
		Help:    "How long logins waited for permits, the connection to the device not counted.",
		Buckets: []float64{0.01, 0.1, 0.5, 1, 3, 10, 30, 60, 120, 300},
	})
	r.group = group{r.total, r.age, r.wait}
	for _, outcome := range []store.Freshness{store.Fresh, store.Cached, store.Stale} {
		r.total.WithLabelValues(outcome.String(), "")
	}
	for _, reason := range contractReasons {
		r.total.WithLabelValues(failed, string(reason))
	}
	return r
}

func (r *requests) served(result store.Result) {
	r.total.WithLabelValues(result.Freshness.String(), "").Inc()
	r.age.Observe(result.Age.Seconds())
}

func (r *requests) failed(err error) {
	r.total.WithLabelValues(failed, contractReasons.label(credential.ReasonOf(err))).Inc()
}

// Requested counts a request of an agent's client: the result that it was given, or the error.
func (m *Metrics) Requested(result store.Result, err error) {
	if err != nil {
		m.requests.failed(err)
	} else {
		m.requests.served(result)
	}
}

// Credentials counts the requests to s.
func (m *Metrics) Credentials(s observe.Credentials) observe.Credentials {
	return &counted{s, m.requests}
}

type counted struct {
	store    observe.Credentials
	requests *requests
}

// Get implements observe.Credentials.
func (c *counted) Get(ctx context.Context, id string) (store.Result, error) {
	result, err := c.store.Get(ctx, id)
	if err != nil {
		c.requests.failed(err)
	} else {
		c.requests.served(result)
	}
	return result, err
}

// Login implements observe.Credentials. A login that a device has refused was given its credential: that is no failed request.
func (c *counted) Login(ctx context.Context, id, device string, do func(context.Context, observe.Present) error) error {
	given, waited, since := false, time.Duration(0), time.Now()
	err := c.store.Login(ctx, id, device, func(ctx context.Context, present observe.Present) error {
		waited += time.Since(since)
		defer func() { since = time.Now() }()
		return do(ctx, func(ctx context.Context) (store.Result, error) {
			asked := time.Now()
			result, err := present(ctx)
			waited += time.Since(asked)
			if err == nil {
				given = true
				c.requests.served(result)
			}
			return result, err
		})
	})
	c.requests.wait.Observe(waited.Seconds())
	if err != nil && !given {
		c.requests.failed(err)
	}
	return err
}
