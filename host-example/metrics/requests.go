package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tom-worker/credential-provider/host-example/access"
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
	r.group = group{r.total, r.age}
	for _, outcome := range []store.Outcome{store.Fresh, store.Cached, store.Stale} {
		r.total.WithLabelValues(outcome.String(), "")
	}
	for _, reason := range contractReasons {
		r.total.WithLabelValues(failed, string(reason))
	}
	return r
}

func (r *requests) served(lease store.Lease) {
	r.total.WithLabelValues(lease.Outcome.String(), "").Inc()
	r.age.Observe(lease.Age.Seconds())
}

func (r *requests) failed(err error) {
	r.total.WithLabelValues(failed, contractReasons.label(credential.ReasonOf(err))).Inc()
}

// Credentials counts the requests to s.
func (m *Metrics) Credentials(s access.Credentials) access.Credentials {
	return &counted{s, m.requests}
}

type counted struct {
	store    access.Credentials
	requests *requests
}

// Get implements access.Credentials.
func (c *counted) Get(ctx context.Context, id string) (store.Lease, error) {
	lease, err := c.store.Get(ctx, id)
	if err != nil {
		c.requests.failed(err)
	} else {
		c.requests.served(lease)
	}
	return lease, err
}

// Login implements access.Credentials. A login that a device has refused was given its credential: that is no failed request.
func (c *counted) Login(ctx context.Context, id, device string, do func(context.Context, store.Lease) error) error {
	given := false
	err := c.store.Login(ctx, id, device, func(ctx context.Context, lease store.Lease) error {
		given = true
		c.requests.served(lease)
		return do(ctx, lease)
	})
	if err != nil && !given {
		c.requests.failed(err)
	}
	return err
}
