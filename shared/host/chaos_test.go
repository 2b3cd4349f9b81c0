//go:build unix

package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
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

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// envChaos makes the chaos test longer: a number of seconds. make soak sets it.
const envChaos = "TEST_CHAOS_SECONDS"

// The figures of the chaos test: calls of so many callers, each with this deadline, through kills and stops.
const (
	chaosSeconds  = 12
	chaosKills    = 20
	chaosStops    = 3
	chaosCallers  = 16
	chaosDeadline = callersPatience
)

// awsProvider builds the real provider once, and returns options that launch it against a backend.
func awsProvider(t *testing.T, backend *awssmtest.Server) Options {
	t.Helper()
	path, err := buildAWS()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Name:    "aws_secrets_manager",
		Path:    path,
		Environ: append(backend.Env(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"),
		PassEnv: []string{"AWS_*", "GORACE"},
		Settings: Settings{
			"region":       {Value: backend.DefaultRegion()},
			"endpoint_url": {Value: backend.URL()},
		},
	}
}

var buildAWS = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return "", err
	}
	atEnd(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "tom-credential-aws_secrets_manager")
	out, err := exec.Command("go", "build", "-o", path, "github.com/tom-worker/credential-provider/plugin-awssm").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	return path, os.Chmod(path, 0o755)
})

// TestChaos kills and stops the AWS provider under load: no caller sees a failure.
func TestChaos(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes 12 seconds; run without -short")
	}
	seconds := chaosSeconds
	if text := os.Getenv(envChaos); text != "" {
		longer, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", envChaos, err)
		}
		seconds = longer
	}
	backend := awssmtest.StartTest(t, awssmtest.Options{})
	for i := range chaosCallers {
		backend.PutSecret(fmt.Sprintf("tom/credentials/lab%d", i), fmt.Sprintf(`{"username":"admin","password":"password %d"}`, i))
	}
	p := start(t, awsProvider(t, backend))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls, failures atomic.Int64
	var callers sync.WaitGroup
	for i := range chaosCallers {
		callers.Go(func() {
			id, want := fmt.Sprintf("lab%d", i), fmt.Sprintf("password %d", i)
			for ctx.Err() == nil {
				one, cancel := context.WithTimeout(t.Context(), chaosDeadline)
				start := time.Now()
				got, err := p.Get(one, credential.Request{ID: id})
				cancel()
				calls.Add(1)
				if err != nil {
					failures.Add(1)
					t.Errorf("after %v a caller saw %s: %v", time.Since(start).Round(time.Millisecond), credential.ReasonOf(err), err)
					continue
				}
				if text, _ := got.Password.Get(); text.Reveal() != want {
					t.Errorf("%s got the wrong password", id)
				}
			}
		})
	}

	rounds := seconds / chaosSeconds
	for range max(1, rounds) {
		for i := range chaosKills + chaosStops {
			started := time.Now()
			before := p.Restarts()
			signal := syscall.SIGKILL
			if i%8 == 7 {
				signal = syscall.SIGSTOP
			}
			strike(t, p, signal)
			eventually(t, 10*time.Second, "the provider was replaced", func() bool { return p.Restarts() > before })
			// Spread over the time: the next one meets a process that has worked for a while.
			<-time.After(time.Until(started.Add(time.Duration(seconds) * time.Second / time.Duration(max(1, rounds)*(chaosKills+chaosStops)))))
		}
	}
	cancel()
	callers.Wait()
	t.Logf("%d calls, %d restarts, %d failures", calls.Load(), p.Restarts(), failures.Load())
	if calls.Load() < 1000 {
		t.Errorf("only %d calls were made", calls.Load())
	}
}

// strike sends a signal to the current process, if there is one at this moment.
func strike(t *testing.T, p *Provider, signal syscall.Signal) {
	t.Helper()
	eventually(t, 10*time.Second, "a process is ready", p.Ready)
	if process := p.currentProcess(); process != nil {
		_ = process.runner.process.Signal(signal)
	}
}

// TestFlat makes 10,000 calls and 50 restarts, and looks for what grows. With the race detector it is a third of that.
func TestFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 10,000 calls and 50 restarts; run without -short")
	}
	// A separate directory: other tests' providers come and go in the temporary directory.
	dir, err := os.MkdirTemp("", "flat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("RUNTIME_DIRECTORY", dir)
	backend := awssmtest.StartTest(t, awssmtest.Options{})
	backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"example"}`)
	p := start(t, awsProvider(t, backend))
	round := func(calls, restarts int) {
		for range restarts {
			for range calls / restarts {
				_ = password(t, p, "lab")
			}
			before := p.Restarts()
			strike(t, p, syscall.SIGKILL)
			eventually(t, 10*time.Second, "the provider was replaced", func() bool { return p.Restarts() > before })
		}
		_ = password(t, p, "lab")
		backend.ResetCalls() // its record of calls is in this process too
		debug.FreeOSMemory() // garbage is no growth
	}
	calls, restarts := 8000, 40
	if raceDetector {
		calls, restarts = 2400, 14
	}
	round(calls/4, restarts/4) // until pools, and the race detector's own memory, have their size
	before := measure(t, p)
	round(calls, restarts)
	after := measure(t, p)
	t.Logf("before %+v, after %+v", before, after)
	if after.files > before.files+3 {
		t.Errorf("open files grew from %d to %d", before.files, after.files)
	}
	if after.goroutines > before.goroutines+10 {
		t.Errorf("goroutines grew from %d to %d", before.goroutines, after.goroutines)
	}
	if after.hostRSS > before.hostRSS+32<<20 {
		t.Errorf("the host's memory grew from %d to %d bytes", before.hostRSS, after.hostRSS)
	}
	if after.dirs > before.dirs {
		t.Errorf("private directories grew from %d to %d", before.dirs, after.dirs)
	}
}

type measured struct {
	files, goroutines, dirs int
	hostRSS                 int64
}

func measure(t *testing.T, p *Provider) measured {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(p.currentProcess().dir.path), "tom-*"))
	if err != nil {
		t.Fatal(err)
	}
	return measured{files: files(t), goroutines: runtime.NumGoroutine(), dirs: len(dirs), hostRSS: rss(os.Getpid())}
}

// rss is a process's resident memory in bytes; 0 where there is no /proc.
func rss(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// TestProvidersMemory holds the provider's own memory flat over many calls.
func TestProvidersMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("it makes 10,000 calls and reads /proc; run on Linux without -short")
	}
	backend := awssmtest.StartTest(t, awssmtest.Options{})
	backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"example"}`)
	options := awsProvider(t, backend)
	options.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: &bytes.Buffer{}})
	p := start(t, options)
	call := func(n int) {
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range n / 8 {
					_ = password(t, p, "lab")
				}
			})
		}
		callers.Wait()
	}
	pid := p.currentProcess().runner.process.ID()
	calls := 10000
	if raceDetector {
		calls = 4000
	}
	idle := rss(pid)
	call(2000)
	before := rss(pid)
	call(calls)
	after := rss(pid)
	t.Logf("idle %d KiB, after 2,000 calls %d KiB, after %d more %d KiB", idle>>10, before>>10, calls, after>>10)
	if after > before+8<<20 {
		t.Errorf("the provider's memory grew from %d to %d bytes", before, after)
	}
	if p.Restarts() != 0 {
		t.Error("it was restarted")
	}
}
