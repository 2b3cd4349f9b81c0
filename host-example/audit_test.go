package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// running is a worker in this process that gets its jobs one by one.
type running struct {
	t     *testing.T
	site  *site
	input *io.PipeWriter
	lines *bufio.Scanner
	log   bytes.Buffer
	ended sync.WaitGroup
}

func startWorker(t *testing.T, s *site) *running {
	in, input := io.Pipe()
	output, out := io.Pipe()
	r := &running{t: t, site: s, input: input, lines: bufio.NewScanner(output)}
	r.ended.Go(func() {
		if status := run(t.Context(), []string{"run"}, in, out, &r.log, s.environ); status != statusDone {
			t.Errorf("exit status %d; the log:\n%s", status, &r.log)
		}
		_, _ = in.Close(), out.Close()
	})
	return r
}

func (r *running) do(jobLine string) (result job.Result) {
	r.t.Helper()
	_, _ = io.WriteString(r.input, jobLine)
	if !r.lines.Scan() || json.Unmarshal(r.lines.Bytes(), &result) != nil {
		r.t.Errorf("no result; %v", r.lines.Err())
	}
	return result
}

// end lets the worker end, and returns its log.
func (r *running) end() string {
	_ = r.input.Close()
	r.ended.Wait()
	return r.log.String()
}

// job is a job at a device of the first credential.
func (s *site) job(id string, device int) string {
	return fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"]}`+"\n", id, s.devices[0][device].Port())
}

// auditLine is what programs read in a line.
type auditLine struct {
	Event, Reason, Job, Device string
	Attempt                    int
	ID                         string `json:"credential_id"`
	Version                    string `json:"credential_version"`
	Outcome                    string
	Age                        *float64
	RequestID                  string `json:"backend_request_id"`
	TraceID                    string `json:"trace_id"`
}

func auditLines(t *testing.T, path string) (lines []auditLine) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var l auditLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// Each login has its line, the second one of a job with a password that was wrong included.
func TestAuditOfJobs(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} })
	path := filepath.Join(t.TempDir(), "audit.log")
	s.environ = append(s.environ, "TOM_WORKER_AUDIT_LOG="+path)
	s.rotate(0, "canary-first")
	worker := startWorker(t, s)
	results := []job.Result{worker.do(s.job("1", 0))}
	s.rotate(0, "canary-second")
	results = append(results, worker.do(s.job("2", 0)))
	log := worker.end()

	lines := auditLines(t, path)
	if len(lines) != 3 {
		t.Fatalf("got %+v", lines)
	}
	for i, want := range []auditLine{
		{Job: "1", Attempt: 1, Outcome: "cached", Version: results[0].CredentialVersion}, // it was read before the device's turn
		{Job: "2", Attempt: 1, Outcome: "cached", Version: results[0].CredentialVersion},
		{Job: "2", Attempt: 2, Outcome: "fresh", Version: results[1].CredentialVersion},
	} {
		got := lines[i]
		if got.RequestID == "" || got.Age == nil {
			t.Errorf("line %d lacks something: %+v", i, got)
		}
		want.Event, want.Device, want.ID = "handed_out", s.devices[0][0].Address(), "c0"
		want.RequestID, want.Age = got.RequestID, got.Age
		if got != want {
			t.Errorf("line %d: got %+v, want %+v", i, got, want)
		}
	}
	if lines[0].RequestID != lines[1].RequestID || lines[1].RequestID == lines[2].RequestID {
		t.Errorf("the backend's requests: %+v", lines)
	}
	if text, _ := os.ReadFile(path); strings.Contains(string(text)+log, "canary") {
		t.Error("a password is in the audit log or in the log")
	}
}

// A credential that two devices refuse is withheld from the next job.
func TestAuditOfQuarantine(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 3, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} })
	path := filepath.Join(t.TempDir(), "audit.log")
	s.environ = append(s.environ, "TOM_WORKER_AUDIT_LOG="+path)
	s.rotate(0, "good")
	for _, d := range s.devices[0] {
		d.SetPassword("other")
	}
	worker := startWorker(t, s)
	for device := range s.devices[0] {
		worker.do(s.job("1", device))
	}
	worker.end()
	var events []string
	for _, line := range auditLines(t, path) {
		events = append(events, line.Event+" "+line.Reason)
	}
	if want := []string{"handed_out ", "handed_out ", "withheld CREDENTIAL_REJECTED"}; !slices.Equal(events, want) {
		t.Errorf("got %q", events)
	}
}

// Where no line can be written, no device gets a password.
func TestNoLineNoLogin(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full, which Linux has")
	}
	s := newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} })
	s.rotate(0, "canary")
	s.devices[0][0].SetPassword("other") // so that the device remembers what it was shown
	s.environ = append(s.environ, "TOM_WORKER_AUDIT_LOG=/dev/full")
	worker := startWorker(t, s)
	for range 2 {
		result := worker.do(s.job("1", 0))
		if result.Status != job.StatusFailed || result.Error.Reason != audit.Failed || result.Error.Code != "UNAVAILABLE" || result.Attempts != 0 {
			t.Errorf("got %+v (%+v)", result, result.Error)
		}
	}
	if log := worker.end(); strings.Count(log, "audit lines can't be written") != 1 {
		t.Errorf("the log:\n%s", log)
	}
	if shown := s.devices[0][0].Refused(); len(shown) > 0 {
		t.Errorf("the device was shown %d passwords", len(shown))
	}
}
