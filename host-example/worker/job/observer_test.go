package job_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// tally is an observer that counts.
type tally struct {
	mu   sync.Mutex
	read int
	by   map[job.Status]int
}

func (o *tally) Read() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read++
}

func (o *tally) Answered(result job.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by == nil {
		o.by = make(map[job.Status]int)
	}
	o.by[result.Status]++
}

func (o *tally) answered() (n int) {
	for _, some := range o.by {
		n += some
	}
	return n
}

// announced is a writer that checks that the observer knew of each result before it was written.
type announced struct {
	t *testing.T
	*tally
	lines int
}

func (w *announced) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lines++; w.answered() < w.lines {
		w.t.Errorf("result %d was written before it was announced", w.lines)
	}
	return len(line), nil
}

func TestObserver(t *testing.T) {
	var o tally
	in := strings.NewReader(line("1", "a", "1ms") + "\n" + "broken\n" + line("2", "a", "fail") + line("3", "b", "panic"))
	if err := (job.Queue{Worker: &worker{}, Observer: &o}).Run(t.Context(), t.Context(), in, &announced{t: t, tally: &o}); err != nil {
		t.Fatal(err)
	}
	if o.read != 4 || o.by[job.StatusOK] != 1 || o.by[job.StatusFailed] != 2 || o.by[job.StatusInvalid] != 1 || o.answered() != 4 {
		t.Errorf("%d lines read, results %v", o.read, o.by)
	}
}
