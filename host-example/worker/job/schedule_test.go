package job_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// A burst starts in the order of its lines, with devices that are busy left out until they are free.
func TestStartInOrderOfArrival(t *testing.T) {
	const jobs = 200
	for _, concurrency := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var input, out bytes.Buffer
			var want []string
			for i := range jobs {
				id := fmt.Sprint(i)
				input.WriteString(line(id, "host"+id, "1s"))
				want = append(want, id)
			}
			w := &worker{}
			queue := job.Queue{Worker: w, Concurrency: concurrency, Timeout: time.Hour}
			if err := queue.Run(t.Context(), context.Background(), &input, &out); err != nil {
				t.Fatal(err)
			}
			if concurrency == 1 {
				equal(t, "finished", w.finished, want)
				return
			}
			for i, id := range w.finished { // those that run side by side may end in any order
				if id != want[i] && !contains(want[max(0, i-concurrency):min(jobs, i+concurrency)], id) {
					t.Fatalf("job %s was number %d", id, i)
				}
			}
		})
	}
}

func contains(list []string, item string) bool {
	return strings.Contains(" "+strings.Join(list, " ")+" ", " "+item+" ")
}

// A credential that takes its time holds up no other job.
func TestSlowCredentialHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{prepare: func(ctx context.Context, j *job.Job) error {
			if j.ID == "1" {
				time.Sleep(10 * time.Second)
			}
			return nil
		}}
		var out bytes.Buffer
		queue := job.Queue{Worker: w, Concurrency: 1}
		input := strings.NewReader(line("1", "a", "1s") + line("2", "b", "1s") + line("3", "c", "1s"))
		if err := queue.Run(t.Context(), context.Background(), input, &out); err != nil {
			t.Fatal(err)
		}
		equal(t, "finished", w.finished, []string{"2", "3", "1"})
	})
}

// fixed is a source of credentials with a separate password each.
type fixed struct{}

func (f fixed) Get(ctx context.Context, id string) (store.Result, error) {
	return f.RecheckVersion(ctx, credential.Request{ID: id}, time.Time{})
}

func (fixed) RecheckVersion(_ context.Context, r credential.Request, _ time.Time) (store.Result, error) {
	return store.Result{Credential: &credential.Credential{ID: r.ID, Password: credential.Password(r.ID)}}, nil
}

// guarded does jobs that are logins of 5 s, by a guard.
type guarded struct {
	logins  *guard.Guard
	running atomic.Int64 // jobs that don't wait for their login
	most    atomic.Int64
}

func (*guarded) Prepare(context.Context, *job.Job) error { return nil }

func (g *guarded) Do(ctx context.Context, j *job.Job) job.Outcome {
	return job.Outcome{Err: g.logins.Login(ctx, j.CredentialID, j.Device(), func(ctx context.Context, attempt *guard.Attempt) error {
		_, err := attempt.Present(ctx)
		g.most.Store(max(g.most.Load(), g.running.Add(1)))
		time.Sleep(5 * time.Second)
		g.running.Add(-1)
		return err
	})}
}

// A job that waits for its login's permit takes no place from those with other credentials.
func TestWaitingLoginsHoldUpNoOtherCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logins, err := guard.New(fixed{}, guard.Options{Budgets: []guard.Budget{{Pattern: "*", Failures: 1}}, UnauthenticatedTime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = logins.Close() }()
		const concurrency = 10
		var input, out bytes.Buffer
		for i := range 30 {
			input.WriteString(line(fmt.Sprint("slow", i), fmt.Sprint("a", i), "1s"))
		}
		for i := range 9 {
			input.WriteString(strings.Replace(line(fmt.Sprint("other", i), fmt.Sprint("b", i), "1s"), `"lab"`, fmt.Sprintf(`"other%d"`, i), 1))
		}
		w := &guarded{logins: logins}
		queue := job.Queue{Worker: w, Concurrency: concurrency, Timeout: time.Hour}
		if err := queue.Run(t.Context(), context.Background(), &input, &out); err != nil {
			t.Fatal(err)
		}
		slow := 0 // of the first ten
		for i, result := range parse(t, out.String()) {
			if result.Error != nil {
				t.Errorf("%+v", result)
			}
			if strings.HasPrefix(result.ID, "slow") && i < 10 {
				slow++
			}
		}
		if slow != 1 {
			t.Errorf("%d of the first ten are of the credential whose logins wait", slow)
		}
		if most := w.most.Load(); most > concurrency {
			t.Errorf("%d ran at a time", most)
		}
	})
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// What is read ahead is bounded in bytes, however many jobs may wait.
func TestReadAheadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []io.Reader
		const jobs, size = 60, 1 << 19
		for i := range jobs {
			text := line(fmt.Sprint(i), "host", "1s")
			lines = append(lines, strings.NewReader("{"+strings.Repeat(" ", size)+text[1:]))
		}
		in := &counted{Reader: io.MultiReader(lines...)}
		most := int64(0)
		w := &worker{prepare: func(context.Context, *job.Job) error { return nil }}
		stop := make(chan struct{})
		var watching sync.WaitGroup
		watching.Go(func() {
			for done := int64(0); ; done++ {
				select {
				case <-time.After(time.Second):
				case <-stop:
					return
				}
				synctest.Wait()
				most = max(most, in.read.Load()-done*size)
			}
		})
		var out bytes.Buffer
		queue := job.Queue{Worker: w, Concurrency: 50, Timeout: time.Hour}
		if err := queue.Run(t.Context(), context.Background(), in, &out); err != nil {
			t.Fatal(err)
		}
		close(stop)
		watching.Wait()
		if got := len(parse(t, out.String())); got != jobs {
			t.Errorf("%d results", got)
		}
		const bound = 16<<20 + 4*size // with what is on its way
		if most > bound {
			t.Errorf("%d bytes were read ahead, more than %d", most, bound)
		}
	})
}
