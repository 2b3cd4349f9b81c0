package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// worker is a job.Worker whose jobs take the time that their first command names.
type worker struct {
	prepare func(context.Context, *job.Job) error // may be nil

	mu       sync.Mutex
	at       map[string]int // jobs by device
	running  int
	most     int
	crowded  bool // two jobs were at one device
	finished []string
}

func (w *worker) Prepare(ctx context.Context, j *job.Job) error {
	if w.prepare != nil {
		return w.prepare(ctx, j)
	}
	return nil
}

func (w *worker) Do(ctx context.Context, j *job.Job) job.Outcome {
	w.mu.Lock()
	if w.at == nil {
		w.at = make(map[string]int)
	}
	w.at[j.Device()]++
	w.crowded = w.crowded || w.at[j.Device()] > 1
	w.running++
	w.most = max(w.most, w.running)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.at[j.Device()]--
		w.running--
		w.finished = append(w.finished, j.ID)
	}()
	switch j.Commands[0] {
	case "panic":
		panic("in a job")
	case "fail":
		return job.Outcome{Attempts: 1, Err: credential.Errorf(device.CommandFailed, "no")}
	}
	length, err := time.ParseDuration(j.Commands[0])
	if err != nil {
		return job.Outcome{Err: err}
	}
	select {
	case <-time.After(length):
		return job.Outcome{Attempts: 1, CredentialVersion: "v1", Outputs: []device.Output{{Command: j.Commands[0], Output: "done"}}}
	case <-ctx.Done():
		return job.Outcome{Attempts: 1, Err: credential.Errorf(device.ConnectionLost, "cut")}
	}
}

// line is a job that takes so long at a host.
func line(id, host, command string) string {
	return fmt.Sprintf(`{"id":%q,"host":%q,"credential_id":"lab","commands":[%q]}`+"\n", id, host, command)
}

func parse(t *testing.T, out string) []job.Result {
	t.Helper()
	var results []job.Result
	for text := range strings.Lines(out) {
		var result job.Result
		if err := json.Unmarshal([]byte(text), &result); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		results = append(results, result)
	}
	return results
}

// summary is id, status and reason of each result.
func summary(results []job.Result) []string {
	var lines []string
	for _, r := range results {
		text := r.ID + " " + string(r.Status)
		if r.Error != nil {
			text += " " + string(r.Error.Reason)
		}
		lines = append(lines, text)
	}
	return lines
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%v, want\n%v", what, got, want)
	}
}

func TestQueue(t *testing.T) {
	for _, test := range []struct {
		name        string
		concurrency int
		input       string
		want        []string
		took        time.Duration
		most        int
	}{
		{"nothing", 1, "", nil, 0, 0},
		{"blank lines", 1, "\n \n\r\n", nil, 0, 0},
		{"in the order in which they end", 3, line("1", "a", "3s") + line("2", "b", "1s") + line("3", "c", "2s"), []string{"2 ok", "3 ok", "1 ok"}, 3 * time.Second, 3},
		{"one at a time", 1, line("1", "a", "1s") + line("2", "a", "1s"), []string{"1 ok", "2 ok"}, 2 * time.Second, 1},
		{"one at a device", 9, line("1", "a", "2s") + line("2", "a", "2s") + line("3", "b", "1s"), []string{"3 ok", "1 ok", "2 ok"}, 4 * time.Second, 2},
		{"a job that waits for a device keeps no other from its own", 2, line("1", "a", "5s") + line("2", "a", "5s") + line("3", "b", "1s"), []string{"3 ok", "1 ok", "2 ok"}, 10 * time.Second, 2},
		{"no line break at the end", 1, strings.TrimSpace(line("1", "a", "1s")), []string{"1 ok"}, time.Second, 1},
		{"broken lines", 1, line("1", "a", "1s") + "{\n" + `{"id":"3","host":7}` + "\n" + line("4", "a", "1s"), []string{" invalid JOB_INVALID", "3 invalid JOB_INVALID", "1 ok", "4 ok"}, 2 * time.Second, 1},
		{"a line without end", 1, strings.Repeat("x", 3<<20) + "\n" + line("2", "a", "1s"), []string{" invalid JOB_INVALID", "2 ok"}, time.Second, 1},
		{"a failure", 1, line("1", "a", "fail"), []string{"1 failed COMMAND_FAILED"}, 0, 1},
		{"a panic", 1, line("1", "a", "panic") + line("2", "a", "1s"), []string{"1 failed INTERNAL", "2 ok"}, time.Second, 1},
		{"out of time", 1, line("1", "a", "2m"), []string{"1 failed JOB_TIMED_OUT"}, time.Minute, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				w := &worker{}
				start := time.Now()
				// Apart, so that the order in which jobs take their turns is that of the lines.
				in := &slowly{lines: strings.SplitAfter(test.input, "\n")}
				err := job.Queue{Worker: w, Concurrency: test.concurrency}.Run(t.Context(), t.Context(), in, &out)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "results", summary(parse(t, out.String())), test.want)
				if took := time.Since(start).Truncate(time.Second); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				if w.most != test.most || w.crowded {
					t.Errorf("%d at a time, want %d; two at one device: %v", w.most, test.most, w.crowded)
				}
			})
		})
	}
}

// slowly gives a line a millisecond.
type slowly struct{ lines []string }

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.lines) == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Millisecond)
	n := copy(p, s.lines[0])
	if s.lines[0] = s.lines[0][n:]; s.lines[0] == "" {
		s.lines = s.lines[1:]
	}
	return n, nil
}

func TestResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		in := strings.NewReader("\n" + line("1", "a", "1.832s")) // which Duration.Seconds makes 1.8319999999999999
		if err := (job.Queue{Worker: &worker{}}).Run(t.Context(), t.Context(), in, &out); err != nil {
			t.Fatal(err)
		}
		const want = `{"id":"1","line":2,"status":"ok","outputs":[{"command":"1.832s","output":"done"}],"credential_version":"v1","attempts":1,"error":null,"duration":1.832}` + "\n"
		if out.String() != want {
			t.Errorf("got  %s\nwant %s", out.String(), want)
		}
	})
}

// The credential is read before the device's turn: a backend that is slow for one job doesn't keep the device from another.
func TestPrepareWithoutTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{prepare: func(ctx context.Context, j *job.Job) error {
			switch j.ID {
			case "slow":
				time.Sleep(10 * time.Second)
			case "never":
				<-ctx.Done()
				return ctx.Err()
			case "none":
				return credential.Errorf(credential.CredentialNotFound, "none")
			}
			return nil
		}}
		var out bytes.Buffer
		in := strings.NewReader(line("slow", "a", "1s") + line("never", "a", "1s") + line("none", "a", "1s") + line("quick", "a", "1s"))
		if err := (job.Queue{Worker: w}).Run(t.Context(), t.Context(), in, &out); err != nil {
			t.Fatal(err)
		}
		equal(t, "results", summary(parse(t, out.String())), []string{"none failed CREDENTIAL_NOT_FOUND", "quick ok", "slow ok", "never failed JOB_TIMED_OUT"})
	})
}

// The time that a job's preparation took isn't there for the rest; the time it waited for the device is.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{prepare: func(_ context.Context, j *job.Job) error {
			if j.ID == "prepared" {
				time.Sleep(40 * time.Second)
			}
			return nil
		}}
		var out bytes.Buffer
		in := &slowly{lines: []string{line("first", "a", "50s"), line("waits", "a", "50s"), line("prepared", "b", "30s")}}
		if err := (job.Queue{Worker: w, Concurrency: 3}).Run(t.Context(), t.Context(), in, &out); err != nil {
			t.Fatal(err)
		}
		equal(t, "results", summary(parse(t, out.String())), []string{"first ok", "prepared failed JOB_TIMED_OUT", "waits ok"})
	})
}

func TestStop(t *testing.T) {
	for _, test := range []struct {
		name  string
		abort time.Duration // after the start; 0: never
		want  []string
		took  time.Duration
	}{
		{"a grace period", 0, []string{"waits not_started JOB_NOT_STARTED", "late not_started JOB_NOT_STARTED", " invalid JOB_INVALID", "short ok", "long failed JOB_INTERRUPTED"}, 31 * time.Second},
		{"a second signal", 2 * time.Second, []string{"waits not_started JOB_NOT_STARTED", "late not_started JOB_NOT_STARTED", " invalid JOB_INVALID", "short failed JOB_INTERRUPTED", "long failed JOB_INTERRUPTED"}, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stop, stopNow := context.WithCancel(t.Context())
				abort, abortNow := context.WithCancel(t.Context())
				defer abortNow()
				in, input := io.Pipe()
				var out bytes.Buffer
				start := time.Now()
				go func() {
					write := func(text string) { _, _ = io.WriteString(input, text) }
					write(line("short", "a", "5s") + line("long", "b", "40s"))
					time.Sleep(500 * time.Millisecond)
					write(line("waits", "a", "1s"))
					time.Sleep(500 * time.Millisecond)
					stopNow()
					time.Sleep(500 * time.Millisecond)
					write(line("late", "c", "1s") + "{\n") // and then the input just stays open
				}()
				if test.abort > 0 {
					time.AfterFunc(test.abort, abortNow)
				}
				err := job.Queue{Worker: &worker{}, Concurrency: 2, Grace: 30 * time.Second}.Run(stop, abort, in, &out)
				if err != nil {
					t.Fatal(err)
				}
				got := summary(parse(t, out.String()))
				if test.abort > 0 {
					slices.SortStableFunc(got[3:], func(a, b string) int { return strings.Compare(b, a) }) // both end at once
				}
				equal(t, "results", got, test.want)
				if took := time.Since(start).Truncate(time.Second); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				_ = input.Close()
			})
		})
	}
}

type brokenWriter struct{ lines int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.lines--; w.lines < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

// When results can't be written no job starts any more.
func TestResultsThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{}
		in := &slowly{lines: []string{line("1", "a", "1s"), line("2", "a", "1s"), line("3", "a", "1s"), line("4", "a", "1s")}}
		err := job.Queue{Worker: w}.Run(t.Context(), t.Context(), in, &brokenWriter{lines: 1})
		if err == nil || err.Error() != "write a result: disk full" {
			t.Errorf("got %v", err)
		}
		equal(t, "jobs", w.finished, []string{"1", "2"})
	})
}

func TestInputThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		in := io.MultiReader(strings.NewReader(line("1", "a", "1s")), brokenReader{})
		err := job.Queue{Worker: &worker{}}.Run(t.Context(), t.Context(), in, &out)
		if err == nil || err.Error() != "read jobs: input gone" {
			t.Errorf("got %v", err)
		}
		equal(t, "results", summary(parse(t, out.String())), []string{"1 ok"})
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("input gone") }

// Every line has exactly one result, whenever the worker is told to end.
func TestEveryLineIsAnswered(t *testing.T) {
	const lines = 200
	for stopAfter := range 40 {
		synctest.Test(t, func(t *testing.T) {
			var input strings.Builder
			for i := range lines {
				switch i % 10 {
				case 3:
					input.WriteString("broken\n")
				case 7:
					input.WriteString(line(fmt.Sprint(i), "a", "fail"))
				default:
					input.WriteString(line(fmt.Sprint(i), fmt.Sprintf("h%d", i%13), "37ms"))
				}
			}
			stop, stopNow := context.WithCancel(t.Context())
			defer stopNow()
			time.AfterFunc(time.Duration(stopAfter)*25*time.Millisecond, stopNow)
			var out bytes.Buffer
			in := &slowly{lines: strings.SplitAfter(input.String(), "\n")}
			var o tally
			if err := (job.Queue{Worker: &worker{}, Concurrency: 4, Grace: 10 * time.Millisecond, Observer: &o}).Run(stop, t.Context(), in, &out); err != nil {
				t.Fatal(err)
			}
			if o.read != lines || o.answered() != lines {
				t.Fatalf("the observer saw %d lines and %d results", o.read, o.answered())
			}
			seen := map[int]int{}
			for _, result := range parse(t, out.String()) {
				seen[result.Line]++
			}
			for number := 1; number <= lines; number++ {
				if seen[number] != 1 {
					t.Fatalf("stopped after %d ms: line %d has %d results", stopAfter*25, number, seen[number])
				}
			}
		})
	}
}
