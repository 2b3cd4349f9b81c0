package job_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// diary is what was seen of jobs.
type diary struct {
	mu      sync.Mutex
	started map[string]time.Time
	ended   map[string]job.Result
}

func (d *diary) watch(j *job.Job, read time.Time) job.Watch {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started[j.ID] = read
	return page{d, j.ID}
}

type page struct {
	*diary
	id string
}

type pageKey struct{}

func (p page) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, pageKey{}, p.id)
}

func (p page) End(result job.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, twice := p.ended[p.id]; twice || result.ID != p.id {
		panic("ended twice, or another job")
	}
	p.ended[p.id] = result
}

// A job is looked on at from when it was read to its result, whatever becomes of it, and its work knows whose it is.
func TestWatch(t *testing.T) {
	var log bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Output: &log})
	d := &diary{started: map[string]time.Time{}, ended: map[string]job.Result{}}
	stop, stopNow := context.WithCancel(t.Context())
	w := &worker{prepare: func(ctx context.Context, j *job.Job) error {
		if ctx.Value(pageKey{}) != j.ID {
			t.Errorf("job %s is prepared as %v", j.ID, ctx.Value(pageKey{}))
		}
		hclog.FromContext(ctx).Info("prepared")
		if j.ID == "last" {
			stopNow()
		}
		return nil
	}}
	start := time.Now()
	in := strings.NewReader(line("good", "a", "1ms") + "broken\n" + line("bad", "b", "fail") + line("ugly", "c", "panic") + line("last", "d", "1ms"))
	if err := (job.Queue{Worker: w, Watch: d.watch, Logger: logger, Grace: time.Minute, Concurrency: 1}).Run(stop, t.Context(), in, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	for id, status := range map[string]job.Status{"last": job.StatusNotStarted, "good": "", "bad": "", "ugly": ""} {
		result, ok := d.ended[id]
		if !ok || status != "" && result.Status != status || d.started[id].Before(start) {
			t.Errorf("job %s: %v, started %v", id, result, d.started[id])
		}
		if !strings.Contains(log.String(), "prepared: job="+id) {
			t.Errorf("no line with job=%s in\n%s", id, &log)
		}
	}
	if len(d.started) != 4 || len(d.ended) != 4 {
		t.Errorf("%d started, %d ended", len(d.started), len(d.ended))
	}
}
