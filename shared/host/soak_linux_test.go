package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// envSoak makes the soak test longer: a number of seconds. make soak sets it.
const envSoak = "TEST_SOAK_SECONDS"

const (
	soakSeconds  = 15
	soakCallers  = 16
	soakDeadline = 20 * time.Second
)

func init() { zoo["soak"] = animal{live: serveSoak} }

// deaf is whether the provider of the soak test leaves health checks unanswered.
var deaf atomic.Bool

// serveSoak is a provider that does what an id says.
func serveSoak() {
	health := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if strings.HasPrefix(info.FullMethod, "/grpc.health.") && deaf.Load() {
			<-ctx.Done()
		}
		return handle(ctx, request)
	}
	serveRaw(&raw{capabilities: []string{"BATCH"}, get: func(ctx context.Context, id string) (*credentialv1.Credential, error) {
		switch kind, _, _ := strings.Cut(id, ":"); kind {
		case "poison":
			os.Exit(3)
		case "deaf":
			deaf.Store(true)
		case "flood":
			go func() {
				line := []byte(`{"@level":"info","@message":"` + strings.Repeat("password of lab", 5000) + `"}` + "\n")
				for end := time.Now().Add(time.Second); time.Now().Before(end); {
					_, _ = stderr.Write(line)
				}
			}()
		}
		c, err := answerFor(id)(ctx, id)
		c.Password = new("password of " + id)
		return c, err
	}}, grpc.ChainUnaryInterceptor(health))
}

// soak is a run of the test.
type soak struct {
	t                            *testing.T
	p                            *Provider
	path                         string
	calls, failed, wrong, events atomic.Int64
}

// TestSoak does everything at once that a provider and a machine can do to a host, and no caller sees any of it, except the one
// that asks for the id at which the provider dies.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 15 seconds; run without -short")
	}
	seconds := soakSeconds
	if text := os.Getenv(envSoak); text != "" {
		longer, err := strconv.Atoi(text)
		must(t, err)
		seconds = longer
	}
	dir, err := os.MkdirTemp("", "soak")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("RUNTIME_DIRECTORY", dir)
	s := &soak{t: t, path: filepath.Join(dir, "tom-credential-memory")}
	copyFile(t, os.Args[0], s.path)
	options, _ := zooOptions(t, "soak")
	options.PassEnv, options.Path, options.StartTimeout = []string{envBehave, "GORACE"}, s.path, 0
	options.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &discard{}})
	s.p = start(t, options)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var callers sync.WaitGroup
	for i := range soakCallers {
		callers.Go(func() { s.callFor(ctx, fmt.Sprint("lab", i)) })
	}
	events := []func(){s.kill, s.flood, s.stop, s.poison, s.deafen, s.upgrade, s.terminate, s.poisonBatch, s.stumble, s.exhaust}
	round := func() {
		for _, event := range events {
			event()
			s.events.Add(1)
			eventually(t, 30*time.Second, "a process is ready", s.p.Ready)
			s.get("settled")
			<-time.After(3 * suspectDelay) // what has died once is answered before the next event
		}
	}
	round() // until pools, and the race detector's own memory, have their size
	if raceDetector && os.Getenv(envSoak) == "" {
		seconds = 0 // once is enough to find races
	}
	debug.FreeOSMemory()
	before := measure(t, s.p)
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end) && !t.Failed(); {
		round()
	}
	s.get("settled")
	debug.FreeOSMemory()
	after := measure(t, s.p)
	cancel()
	callers.Wait()
	t.Logf("%d calls, %d wrong answers, %d events, %d restarts, %d failures outside injected ones", s.calls.Load(), s.wrong.Load(), s.events.Load(), s.p.Restarts(), s.failed.Load())
	t.Logf("before %+v, after %+v", before, after)
	if s.calls.Load() < 1000 {
		t.Errorf("only %d calls were made", s.calls.Load())
	}
	if after.files > before.files+5 || after.goroutines > before.goroutines+20 || after.dirs > before.dirs+1 || after.hostRSS > before.hostRSS+64<<20 {
		t.Error("the host grows")
	}
}

type discard struct{ bytes.Buffer }

func (*discard) Write(b []byte) (int, error) { return len(b), nil }

// callFor calls again and again. No answer may be wrong, and none may be missing.
func (s *soak) callFor(ctx context.Context, id string) {
	for ctx.Err() == nil && s.get(id) {
		runtime.Gosched()
	}
}

func (s *soak) get(id string) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), soakDeadline)
	defer cancel()
	start := time.Now()
	got, err := s.p.Get(ctx, credential.Request{ID: id})
	s.calls.Add(1)
	if err != nil {
		s.failed.Add(1)
		s.t.Errorf("after %v a caller of %s saw %s", time.Since(start).Round(time.Millisecond), id, describe(err))
		return false
	}
	if text, _ := got.Password.Get(); text.Reveal() != "password of "+id {
		s.wrong.Add(1)
		s.t.Errorf("%s got the wrong password", id)
		return false
	}
	return true
}

func (s *soak) signal(signal syscall.Signal) {
	if process := s.p.currentProcess(); process != nil {
		_ = process.runner.process.Signal(signal)
	}
}

// replaced waits until what an event does to the process is seen.
func (s *soak) replaced(event func()) {
	before := s.p.Restarts()
	event()
	eventually(s.t, 30*time.Second, "the process is replaced", func() bool { return s.p.Restarts() > before })
}

func (s *soak) kill() { s.replaced(func() { s.signal(syscall.SIGKILL) }) }

// terminate ends the process as an operator does.
func (s *soak) terminate() { s.replaced(func() { s.signal(syscall.SIGTERM) }) }

// poisonBatch asks for an id at which the provider dies, among others.
func (s *soak) poisonBatch() {
	ctx, cancel := context.WithTimeout(s.t.Context(), soakDeadline)
	defer cancel()
	poison := fmt.Sprint("poison:batch", s.events.Load())
	results, err := s.p.GetBatch(ctx, []credential.Request{{ID: "lab1"}, {ID: poison}, {ID: "lab2"}})
	if err != nil {
		s.t.Errorf("a batch ended with %v", err)
		return
	}
	s.calls.Add(int64(len(results)))
	for i, result := range results {
		if died := errors.Is(result.Err, credential.ProviderCrashed); died != (i == 1) || !died && result.Err != nil {
			s.failed.Add(1)
			s.t.Errorf("in a batch: result %d is %v", i, result.Err)
		}
	}
}

// stop stops the process: its health checks and its calls go unanswered.
func (s *soak) stop() { s.replaced(func() { s.signal(syscall.SIGSTOP) }) }

// stumble stops the process for less than it takes to replace it.
func (s *soak) stumble() {
	s.signal(syscall.SIGSTOP)
	<-time.After(300 * time.Millisecond)
	s.signal(syscall.SIGCONT)
}

// deafen leaves health checks unanswered, while calls are answered.
func (s *soak) deafen() { s.replaced(func() { s.get("deaf") }) }

func (s *soak) flood() { s.get("flood") }

// poison asks for an id at which the provider dies.
func (s *soak) poison() {
	ctx, cancel := context.WithTimeout(s.t.Context(), soakDeadline)
	defer cancel()
	if _, err := s.p.Get(ctx, credential.Request{ID: fmt.Sprint("poison:", s.events.Load())}); !errors.Is(err, credential.ProviderCrashed) {
		s.t.Errorf("the call that kills processes ended with %v", err)
	}
}

// upgrade puts another file in the executable's place, as an installer does, and reloads.
func (s *soak) upgrade() {
	fresh := s.path + ".new"
	copyFile(s.t, os.Args[0], fresh)
	must(s.t, os.Rename(fresh, s.path))
	if err := s.p.Reload(s.t.Context(), nil); err != nil {
		s.t.Errorf("reload: %v", err)
	}
}

// exhaust leaves the host no descriptor for a new process, while it needs one.
func (s *soak) exhaust() {
	var limit unix.Rlimit
	must(s.t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = uint64(files(s.t))
	before := s.p.Restarts()
	must(s.t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	s.signal(syscall.SIGKILL)
	<-time.After(700 * time.Millisecond)
	must(s.t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	eventually(s.t, 30*time.Second, "the process is replaced", func() bool { return s.p.Restarts() > before })
}

// A health check that waits behind large answers is no sign of a dead process; one that goes unanswered for long is, whatever else
// arrives.
func TestBusyConnection(t *testing.T) {
	p := &process{link: &link{}}
	for missed, want := range map[int32][2]bool{1: {false, false}, healthMisses: {true, false}, busyMisses - 1: {true, false}, busyMisses: {true, true}} {
		for i, heard := range []time.Time{time.Now().Add(-time.Minute), time.Now()} {
			p.link.heard.Store(heard.UnixNano())
			if got := p.silent(missed); got != want[i] {
				t.Errorf("after %d missed checks, bytes came at %v: replaced %v", missed, heard, got)
			}
		}
	}
}
