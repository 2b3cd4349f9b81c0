package metrics_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/metrics"
	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape returns the samples as Prometheus gets them, by name and labels.
func scrape(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler(hclog.NewNullLogger()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("status %d: %s", recorder.Code, recorder.Body)
	}
	samples := make(map[string]float64)
	for lines := bufio.NewScanner(recorder.Body); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		samples[line[:at]] = value
	}
	return samples
}

// want compares samples; one that shall not be there is absent.
func want(t *testing.T, m *metrics.Metrics, samples map[string]float64) {
	t.Helper()
	got := scrape(t, m)
	for name, value := range samples {
		if found, ok := got[name]; !ok || found != value {
			t.Errorf("%s is %v (there: %v), want %v", name, found, ok, value)
		}
	}
}

// absent checks that there are no samples of a metric.
func absent(t *testing.T, m *metrics.Metrics, metric string) {
	t.Helper()
	for name, value := range scrape(t, m) {
		if name == metric || strings.HasPrefix(name, metric+"{") {
			t.Errorf("there is %s %v", name, value)
		}
	}
}

// backend is a provider that takes a second for everything.
type backend struct {
	err    error
	report credential.Report
}

func (b *backend) Get(_ context.Context, r credential.Request) (*credential.Credential, error) {
	time.Sleep(time.Second)
	return &credential.Credential{ID: r.ID, Username: "admin", VersionID: "1"}, b.err
}

func (b *backend) GetBatch(_ context.Context, requests []credential.Request) ([]credential.Result, error) {
	time.Sleep(time.Second)
	return make([]credential.Result, len(requests)), b.err
}

func (b *backend) List(context.Context, int, string) (credential.Page, error) {
	time.Sleep(time.Second)
	return credential.Page{NextToken: "more"}, b.err
}

func (b *backend) Validate(context.Context, string) (credential.Report, error) {
	time.Sleep(time.Second)
	return b.report, b.err
}

func TestProviderCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := metrics.New(metrics.Build{}), &backend{}
		p := m.Provider(b)
		everything := func() {
			cred, err := p.Get(t.Context(), credential.Request{ID: "a"})
			if err != b.err || cred == nil || cred.ID != "a" {
				t.Errorf("get: %v, %v", cred, err)
			}
			results, err := p.GetBatch(t.Context(), make([]credential.Request, 2))
			if err != b.err || len(results) != 2 {
				t.Errorf("get_batch: %v, %v", results, err)
			}
			page, err := p.List(t.Context(), 1, "")
			if err != b.err || page.NextToken != "more" {
				t.Errorf("list: %v, %v", page, err)
			}
			if _, err := p.Validate(t.Context(), ""); err != b.err {
				t.Errorf("validate: %v", err)
			}
		}
		everything()
		b.err = credential.Errorf(credential.BackendUnavailable, "out")
		everything()
		everything()
		b.err = credential.Errorf(credential.Unsupported, "no such call")
		everything()
		for _, call := range []string{"get", "get_batch", "list", "validate"} {
			const name = "tom_credential_provider_call_duration_seconds"
			want(t, m, map[string]float64{
				name + `_count{call="` + call + `",outcome="ok"}`:           1,
				name + `_count{call="` + call + `",outcome="error"}`:        2,
				name + `_sum{call="` + call + `",outcome="error"}`:          2,
				name + `_bucket{call="` + call + `",outcome="ok",le="0.5"}`: 0,
				name + `_bucket{call="` + call + `",outcome="ok",le="1"}`:   1,
			})
		}
	})
}

func TestExpiryOfBackendCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const name = "tom_credential_backend_credentials_expire_timestamp_seconds"
		m, b := metrics.New(metrics.Build{}), &backend{}
		p := m.Provider(b)
		validate := func() { _, _ = p.Validate(t.Context(), "") }
		absent(t, m, name)
		validate()
		absent(t, m, name)
		b.report.BackendCredentialsExpire = time.UnixMilli(1_800_000_000_500)
		validate()
		want(t, m, map[string]float64{name: 1_800_000_000.5})
		b.err, b.report = errors.New("could not check"), credential.Report{}
		validate()
		want(t, m, map[string]float64{name: 1_800_000_000.5})
		b.err = nil
		validate()
		absent(t, m, name)
	})
}

// shelf is a store that gives what it is told.
type shelf struct {
	result store.Result
	err    error
}

func (s *shelf) Get(context.Context, string) (store.Result, error) { return s.result, s.err }

func (s *shelf) Login(ctx context.Context, _, _ string, do func(context.Context, observe.Present) error) error {
	return do(ctx, func(ctx context.Context) (store.Result, error) { return s.Get(ctx, "") })
}

func TestRequests(t *testing.T) {
	m, s := metrics.New(metrics.Build{}), &shelf{}
	counted := m.Credentials(s)
	want(t, m, map[string]float64{
		`tom_credential_requests_total{outcome="stale",reason=""}`:                     0,
		`tom_credential_requests_total{outcome="error",reason="CREDENTIAL_NOT_FOUND"}`: 0,
	})
	get := func() error { _, err := counted.Get(t.Context(), "lab"); return err }
	login := func(result error) error {
		return counted.Login(t.Context(), "lab", "sw1", func(ctx context.Context, present observe.Present) error {
			if _, err := present(ctx); err != nil {
				return err
			}
			return result
		})
	}
	for _, result := range []store.Result{{Freshness: store.Fresh}, {Freshness: store.Cached, Age: 20 * time.Second}, {Freshness: store.Stale, Age: 20 * time.Minute}} {
		s.result = result
		if err := get(); err != nil {
			t.Error(err)
		}
		if err := login(guard.ErrRefused); err != guard.ErrRefused {
			t.Error(err)
		}
	}
	for _, err := range []error{
		credential.Errorf(credential.CredentialRejected, "no"), credential.Reason("FROM_THE_FUTURE"), errors.New("what is this"),
	} {
		s.err = err
		if got := get(); got != err {
			t.Error(got)
		}
		if got := login(nil); got != err {
			t.Error(got)
		}
	}
	want(t, m, map[string]float64{
		`tom_credential_requests_total{outcome="fresh",reason=""}`:                    2,
		`tom_credential_requests_total{outcome="cached",reason=""}`:                   2,
		`tom_credential_requests_total{outcome="stale",reason=""}`:                    2,
		`tom_credential_requests_total{outcome="error",reason="CREDENTIAL_REJECTED"}`: 2,
		`tom_credential_requests_total{outcome="error",reason="INTERNAL"}`:            4,
		`tom_credential_served_age_seconds_bucket{le="10"}`:                           2,
		`tom_credential_served_age_seconds_bucket{le="30"}`:                           4,
		`tom_credential_served_age_seconds_count`:                                     6,
		`tom_credential_served_age_seconds_sum`:                                       2440,
	})
	for name := range scrape(t, m) {
		if strings.Contains(name, "FUTURE") {
			t.Errorf("an unknown reason became a label: %s", name)
		}
	}
}

// workman is a job.Worker that looks at the metrics while it works.
type workman struct{ at func() }

func (w *workman) Prepare(context.Context, *job.Job) error { return errors.New("prepared") }

func (w *workman) Do(context.Context, *job.Job) job.Outcome {
	w.at()
	return job.Outcome{Attempts: 3}
}

func TestJobs(t *testing.T) {
	m := metrics.New(metrics.Build{})
	for range 5 {
		m.Jobs.Read()
	}
	running := func(n float64) {
		t.Helper()
		want(t, m, map[string]float64{"tom_worker_jobs_running": n})
	}
	w := &workman{at: func() { running(1) }}
	decorated := m.Jobs.Worker(w)
	if err := decorated.Prepare(t.Context(), &job.Job{}); err == nil || err.Error() != "prepared" {
		t.Error(err)
	}
	if outcome := decorated.Do(t.Context(), &job.Job{}); outcome.Attempts != 3 {
		t.Errorf("%+v", outcome)
	}
	running(0)
	w.at = func() { panic("in a job") }
	func() {
		defer func() { _ = recover() }()
		decorated.Do(t.Context(), &job.Job{})
	}()
	running(0)

	failed := func(reason credential.Reason) *job.Failure { return &job.Failure{Reason: reason} }
	m.Jobs.Answered(job.Result{Status: job.StatusOK, Duration: 0.2})
	m.Jobs.Answered(job.Result{Status: job.StatusFailed, Error: failed(device.Unreachable), Duration: 3})
	m.Jobs.Answered(job.Result{Status: job.StatusFailed, Error: failed("MADE_UP")})
	m.Jobs.Answered(job.Result{Status: job.StatusInvalid, Error: failed(job.Invalid)})
	want(t, m, map[string]float64{
		"tom_worker_jobs_pending":                                              1,
		`tom_worker_jobs_total{reason="",status="ok"}`:                         1,
		`tom_worker_jobs_total{reason="DEVICE_UNREACHABLE",status="failed"}`:   1,
		`tom_worker_jobs_total{reason="INTERNAL",status="failed"}`:             1,
		`tom_worker_jobs_total{reason="CREDENTIAL_REJECTED",status="failed"}`:  0,
		`tom_worker_jobs_total{reason="JOB_INVALID",status="invalid"}`:         1,
		`tom_worker_jobs_total{reason="JOB_NOT_STARTED",status="not_started"}`: 0,
		`tom_worker_job_duration_seconds_count{status="ok"}`:                   1,
		`tom_worker_job_duration_seconds_count{status="failed"}`:               2,
		`tom_worker_job_duration_seconds_bucket{status="ok",le="0.25"}`:        1,
		`tom_worker_job_duration_seconds_bucket{status="failed",le="2.5"}`:     1,
	})
}

// process is a provider's process as it says it is.
type process struct {
	name  string
	ready bool
}

func (p *process) Metadata() host.Metadata {
	return host.Metadata{Name: p.name, Version: "1.2\xff" + strings.Repeat("x", 100)}
}
func (p *process) Ready() bool     { return p.ready }
func (p *process) Restarts() int64 { return 7 }

func TestState(t *testing.T) {
	m := metrics.New(metrics.Build{Version: "v1", Commit: "abc"})
	want(t, m, map[string]float64{
		`tom_worker_build_info{commit="abc",version="v1"}`: 1,
		"tom_credential_provider_up":                       0,
		"tom_agent_connections":                            0,
		"tom_agent_connections_refused_total":              0,
	})
	absent(t, m, "tom_worker_ready")
	absent(t, m, "tom_credential_quarantined")

	now, p, ready := store.Snapshot{}, &process{name: "yaml"}, false
	logins, ledger, unknown, away := guard.Counters{}, metrics.Ledger{}, error(nil), false
	m.Watch(metrics.Watched{
		Store: func() store.Snapshot { return now }, Process: p, Logins: func() guard.Counters { return logins },
		Ledger: func(context.Context) (metrics.Ledger, error) { return ledger, unknown },
		Outage: func() (bool, time.Duration) { return away, 1500 * time.Millisecond },
	})
	m.Ready(func() bool { return ready })
	m.Agent(func() (int, int64) { return 25, 26 })
	absent(t, m, "tom_credential_last_read_timestamp_seconds")
	absent(t, m, "tom_credential_ledger_last_change_timestamp_seconds")
	want(t, m, map[string]float64{"tom_worker_ready": 0, "tom_credential_provider_up": 0, `tom_credential_read_failures_total{reason="THROTTLED"}`: 0})

	ready, p.ready = true, true
	now = store.Snapshot{
		Hits: 1, Misses: 2, Stale: 3, Remembered: 4, SharedFlights: 5, Refreshes: 6, Evictions: 7, Size: 8,
		Errors:   map[credential.Reason]int64{credential.Throttled: 9, "MADE_UP": 10, credential.Internal: 1},
		LastRead: time.Unix(1_800_000_000, 0), Outage: true,
	}
	logins = guard.Counters{Logins: 12, Refusals: 13, Unanswered: 21, Prevented: 14, TimedOut: 22, Waiting: 23, Permits: 24}
	ledger, away = metrics.Ledger{Quarantined: 2, BudgetUsed: 0.5, LastChange: time.Unix(1_800_000_001, 0)}, true
	want(t, m, map[string]float64{
		"tom_worker_ready": 1,
		`tom_credential_cache_results_total{result="hit"}`:                                           1,
		`tom_credential_cache_results_total{result="miss"}`:                                          2,
		`tom_credential_cache_results_total{result="stale"}`:                                         3,
		`tom_credential_cache_results_total{result="remembered"}`:                                    4,
		"tom_credential_cache_shared_flights_total":                                                  5,
		"tom_credential_cache_refreshes_total":                                                       6,
		"tom_credential_cache_evictions_total":                                                       7,
		"tom_credential_cache_credentials":                                                           8,
		`tom_credential_read_failures_total{reason="THROTTLED"}`:                                     9,
		`tom_credential_read_failures_total{reason="INTERNAL"}`:                                      11,
		"tom_credential_last_read_timestamp_seconds":                                                 1_800_000_000,
		"tom_credential_logins_total":                                                                12,
		"tom_credential_login_refusals_total":                                                        13,
		"tom_credential_logins_prevented_total":                                                      14,
		"tom_credential_logins_unanswered_total":                                                     21,
		"tom_credential_logins_timed_out_total":                                                      22,
		"tom_credential_logins_waiting":                                                              23,
		"tom_credential_login_permits":                                                               24,
		"tom_credential_quarantined":                                                                 2,
		"tom_credential_login_budget_used":                                                           0.5,
		"tom_credential_ledger_last_change_timestamp_seconds":                                        1_800_000_001,
		"tom_credential_ledger_unavailable":                                                          1,
		"tom_credential_ledger_unavailable_seconds_total":                                            1.5,
		"tom_agent_connections":                                                                      25,
		"tom_agent_connections_refused_total":                                                        26,
		"tom_credential_backend_out":                                                                 1,
		"tom_credential_provider_up":                                                                 1,
		"tom_credential_provider_restarts_total":                                                     7,
		`tom_credential_provider_info{name="yaml",version="1.2�` + strings.Repeat("x", 55) + `..."}`: 1,
	})
	unknown = errors.New("the ledger is unavailable")
	absent(t, m, "tom_credential_quarantined")
	absent(t, m, "tom_credential_login_budget_used")
	want(t, m, map[string]float64{"tom_credential_ledger_unavailable": 1})
	for name := range scrape(t, m) {
		if strings.Contains(name, "lab_creds") || strings.Contains(name, "MADE_UP") {
			t.Errorf("there is %s", name)
		}
	}
}
