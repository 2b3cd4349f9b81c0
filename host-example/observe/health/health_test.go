package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/observe/health"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a provider, with the results that it is told to give, and the times of its checks.
type backend struct {
	mu     sync.Mutex
	err    error // of reads and checks
	report credential.Report
	ready  bool
	checks []time.Time
}

func (b *backend) Get(context.Context, credential.Request) (*credential.Credential, error) {
	return nil, b.failure()
}

func (b *backend) GetBatch(context.Context, []credential.Request) ([]credential.Result, error) {
	err := b.failure()
	if errors.Is(err, credential.Unsupported) {
		return nil, err
	}
	return []credential.Result{{Err: err}}, nil
}

func (b *backend) List(context.Context, int, string) (credential.Page, error) {
	return credential.Page{}, b.failure()
}

func (b *backend) Validate(context.Context, string) (credential.Report, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checks = append(b.checks, time.Now())
	return b.report, b.err
}

func (b *backend) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// fail has reads and checks fail from now on, or not if err is nil.
func (b *backend) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// show has checks find this from now on.
func (b *backend) show(report credential.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report = report
}

// checked says when there were checks since it was asked last.
func (b *backend) checked() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	checks := b.checks
	b.checks = nil
	return checks
}

func (b *backend) Ready() bool { return b.ready }

// fails is a report with a check that failed.
func fails() credential.Report {
	return credential.Report{Checks: []credential.Check{
		{Name: "settings", Status: credential.StatusPassed},
		{Name: "list", Status: credential.StatusWarning, Reason: credential.AccessDenied, Message: "not this one"},
		{Name: "reach", Status: credential.StatusFailed, Reason: credential.BackendUnavailable, Message: "no server answers", Remedy: "look at the cable\n\nthen at the plug\n"},
	}}
}

// states are the conditions in short: "worker+ provider+ backend-BACKEND_UNAVAILABLE".
func states(h *health.Health) string {
	var all []string
	for _, c := range h.Conditions() {
		text := c.Name + "+"
		if !c.OK {
			text = c.Name + "-" + string(c.Reason)
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func wantStates(t *testing.T, h *health.Health, want string) {
	t.Helper()
	if got := states(h); got != want {
		t.Errorf("conditions %q, want %q", got, want)
	}
	if ready := !strings.Contains(want, "-"); h.Ready() != ready {
		t.Errorf("ready is %v with %q", !ready, want)
	}
}

func TestConditions(t *testing.T) {
	h, b := health.New(hclog.NewNullLogger()), &backend{}
	p := h.Provider(b)
	check := func() { _, _ = p.Validate(t.Context(), "") }
	read := func() { _, _ = p.Get(t.Context(), credential.Request{ID: "lab"}) }
	wantStates(t, h, "worker- provider- backend-")
	h.Watch(b)
	wantStates(t, h, "worker- provider- backend-")
	b.ready = true
	wantStates(t, h, "worker- provider+ backend-")
	check()
	wantStates(t, h, "worker- provider+ backend+")
	h.Running()
	wantStates(t, h, "worker+ provider+ backend+")
	b.ready = false
	wantStates(t, h, "worker+ provider- backend+")
	b.ready = true

	b.report = fails()
	check()
	wantStates(t, h, "worker+ provider+ backend-BACKEND_UNAVAILABLE")
	read() // one that works
	wantStates(t, h, "worker+ provider+ backend+")
	for _, test := range []struct {
		reason credential.Reason
		counts bool
	}{
		{credential.BackendUnavailable, true}, {credential.Throttled, true}, {credential.DeadlineExceeded, true},
		{credential.BackendUnauthenticated, true}, {credential.BackendMisconfigured, true},
		{credential.CredentialNotFound, false}, {credential.AccessDenied, false}, {credential.ProviderCrashed, false},
		{credential.Cancelled, false}, {credential.Unsupported, false}, {credential.Internal, false},
	} {
		good, bad := "worker+ provider+ backend+", "worker+ provider+ backend-"+string(test.reason)
		if !test.counts {
			bad = good
		}
		for name, ask := range map[string]func(){
			"get": read, "check": check, "batch": func() { _, _ = p.GetBatch(t.Context(), nil) },
		} {
			b.err, b.report = nil, credential.Report{}
			ask()
			wantStates(t, h, good)
			b.err = credential.Errorf(test.reason, "credential lab: secret text")
			ask()
			if wantStates(t, h, bad); t.Failed() {
				t.Fatalf("after %s failed with %s", name, test.reason)
			}
		}
	}
	h.Ending()
	h.Running() // too late
	wantStates(t, h, "worker- provider+ backend+")
}

func TestReadyz(t *testing.T) {
	h, b := health.New(hclog.NewNullLogger()), &backend{ready: true, report: fails()}
	p := h.Provider(b)
	everybody := func(*http.Request) bool { return true }
	ask := func(handler http.Handler, want int) string {
		t.Helper()
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
		if recorder.Code != want {
			t.Errorf("status %d, want %d", recorder.Code, want)
		}
		return recorder.Body.String()
	}
	h.Watch(b)
	h.Running()
	_, _ = p.Validate(t.Context(), "")
	var answer struct {
		Ready      bool
		Conditions []health.Condition
	}
	if err := json.Unmarshal([]byte(ask(h.Readiness(everybody), http.StatusServiceUnavailable)), &answer); err != nil {
		t.Fatal(err)
	}
	last := answer.Conditions[2]
	if answer.Ready || last.Name != "backend" || last.Reason != credential.BackendUnavailable || last.Message != "check reach: no server answers" ||
		strings.Join(last.Remedy, "|") != "look at the cable|then at the plug" || last.Since == nil {
		t.Errorf("got %+v", answer)
	}
	// What the check says may name a host. From elsewhere one gets the reason.
	body := ask(h.Readiness(admin.Local), http.StatusServiceUnavailable) // httptest's requests are from 192.0.2.1
	if strings.Contains(body, "no server answers") || strings.Contains(body, "look at") || !strings.Contains(body, "BACKEND_UNAVAILABLE") {
		t.Error(body)
	}
	// The text of a read's error names the credential: it is left out here.
	b.err = credential.Errorf(credential.BackendUnavailable, "secret tom/credentials/lab: no route")
	_, _ = p.Get(t.Context(), credential.Request{ID: "lab"})
	if body := ask(h.Readiness(everybody), http.StatusServiceUnavailable); strings.Contains(body, "lab") {
		t.Error(body)
	}
	b.err = nil
	_, _ = p.Get(t.Context(), credential.Request{ID: "lab"})
	if body := ask(h.Readiness(everybody), http.StatusOK); !strings.Contains(body, `"ready": true`) {
		t.Error(body)
	}
	h.Ending()
	ask(h.Readiness(everybody), http.StatusServiceUnavailable)
	if body := ask(h.Live(), http.StatusOK); body != "ok\n" {
		t.Error(body)
	}
}

// keeping runs a test while the backend is kept under watch.
func keeping(t *testing.T, test func(h *health.Health, b *backend, p observe.Provider)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, b := health.New(hclog.NewNullLogger()), &backend{ready: true}
		h.Watch(b)
		h.Running()
		p := h.Provider(b)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.Keep(ctx, p)
		}()
		test(h, b, p)
		stop()
		<-ended
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A backend that is down at the start is found when it is back, without a job, and asked less and less often.
func TestRecovery(t *testing.T) {
	keeping(t, func(h *health.Health, b *backend, _ observe.Provider) {
		b.show(fails())
		started := time.Now()
		pass(10 * time.Minute)
		wantStates(t, h, "worker+ provider+ backend-BACKEND_UNAVAILABLE")
		var gaps []time.Duration
		last := started
		for _, check := range b.checked() {
			gaps = append(gaps, check.Sub(last))
			last = check
		}
		if len(gaps) < 20 || len(gaps) > 28 {
			t.Errorf("%d checks in ten minutes", len(gaps))
		}
		for i, base := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			if base *= time.Second; gaps[i] < base*3/4 || gaps[i] > base*5/4 {
				t.Errorf("pause %d is %v, want about %v", i, gaps[i], base)
			}
		}
		b.show(credential.Report{})
		pass(40 * time.Second)
		wantStates(t, h, "worker+ provider+ backend+")
	})
}

func TestChecksOfAReadyWorker(t *testing.T) {
	keeping(t, func(h *health.Health, b *backend, p observe.Provider) {
		_, _ = p.Validate(t.Context(), "")
		b.checked()
		pass(35 * time.Minute)
		if checks := b.checked(); len(checks) != 3 {
			t.Errorf("%d checks in 35 minutes", len(checks))
		}
		// Bad news from a read has it checked at once, for what is wrong and what to do, and good news from one counts too.
		b.checked()
		b.show(fails())
		b.fail(credential.Errorf(credential.BackendUnavailable, "no"))
		_, _ = p.Get(t.Context(), credential.Request{ID: "lab"})
		b.fail(nil)
		pass(0)
		if checks := b.checked(); len(checks) != 1 || h.Conditions()[2].Message != "check reach: no server answers" {
			t.Errorf("%d checks: %+v", len(checks), h.Conditions()[2])
		}
		_, _ = p.Get(t.Context(), credential.Request{ID: "lab"})
		b.checked()
		pass(5 * time.Minute)
		wantStates(t, h, "worker+ provider+ backend+")
		if checks := b.checked(); len(checks) != 0 {
			t.Errorf("%d checks after a read that worked", len(checks))
		}
	})
}

// Reads that fail while checks pass don't have it checked all the time.
func TestChecksAreNotAsManyAsReads(t *testing.T) {
	keeping(t, func(_ *health.Health, b *backend, p observe.Provider) {
		started := time.Now()
		for time.Since(started) < 10*time.Minute {
			b.fail(credential.Errorf(credential.Throttled, "slower"))
			_, _ = p.Get(t.Context(), credential.Request{ID: "lab"})
			b.fail(nil)
			pass(100 * time.Millisecond)
		}
		if checks := b.checked(); len(checks) > 28 {
			t.Errorf("%d checks in ten minutes", len(checks))
		}
	})
}

func TestChecksWhenCredentialsHaveExpired(t *testing.T) {
	keeping(t, func(_ *health.Health, b *backend, p observe.Provider) {
		expire := time.Now().Add(4 * time.Minute)
		b.show(credential.Report{BackendCredentialsExpire: expire})
		_, _ = p.Validate(t.Context(), "")
		b.checked()
		pass(4*time.Minute + 6*time.Second)
		if checks := b.checked(); len(checks) != 1 || checks[0].Before(expire) {
			t.Errorf("they expire at %v, checked at %v", expire, checks)
		}
		pass(4 * time.Minute) // and are not renewed
		if checks := b.checked(); len(checks) > 4 {
			t.Errorf("%d checks", len(checks))
		}
	})
}

func TestRecheck(t *testing.T) {
	keeping(t, func(h *health.Health, b *backend, p observe.Provider) {
		_, _ = p.Validate(t.Context(), "")
		pass(3 * time.Minute)
		b.checked()
		h.Recheck()
		wantStates(t, h, "worker+ provider+ backend-")
		pass(0)
		wantStates(t, h, "worker+ provider+ backend+")
		if checks := b.checked(); len(checks) != 1 {
			t.Errorf("%d checks", len(checks))
		}
	})
}
