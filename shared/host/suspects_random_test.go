//go:build unix

package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// It is a provider that dies at some ids, and writes down at which.
func init() { zoo["dies at some ids"] = animal{live: serveMortal} }

func serveMortal() {
	serveRaw(&raw{capabilities: []string{"BATCH"}, get: func(ctx context.Context, id string) (*credentialv1.Credential, error) {
		kind, rest, _ := strings.Cut(id, ":")
		switch kind {
		case "poison":
			noteID("poison", id)
			os.Exit(3)
		case "slow":
			noteID("slow", id)
			wait, _, _ := strings.Cut(rest, ":")
			delay, err := time.ParseDuration(wait)
			if err != nil {
				return nil, err
			}
			time.Sleep(delay)
		}
		return answerFor(id)(ctx, id)
	}})
}

// noteID writes down that a call has come to a provider.
func noteID(kind, id string) {
	file, err := os.OpenFile(os.Getenv(envPIDs)+"."+kind, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer func() { _ = file.Close() }()
	_, _ = fmt.Fprintln(file, id)
}

// deathsAt is how many processes have died at each id.
func deathsAt(t *testing.T, pids string) map[string]int { return noted(t, pids, "poison") }

// noted is how often each id of a kind was asked for.
func noted(t *testing.T, pids, kind string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(pids + "." + kind)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	deaths := map[string]int{}
	for id := range strings.FieldsSeq(string(text)) {
		deaths[id]++
	}
	return deaths
}

// Processes are killed and stopped from outside, and die at ids, all at random and at once. No call for another id fails, however
// often it was in flight when a process ended, and no id ends more than maxDeaths processes and a separate one.
func TestBystanders(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	options, pids := zooOptions(t, "dies at some ids")
	options.StartTimeout, options.CallTimeout = 0, time.Minute
	p := start(t, options)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var callers sync.WaitGroup
	for i := range 6 {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		callers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("slow:%dms:%d-%d", random.IntN(400)*(i%3), i, n) // each third caller is fast
				if _, err := p.Get(t.Context(), credential.Request{ID: id}); err != nil {
					t.Errorf("a bystander saw %s", describe(err))
					return
				}
			}
		})
	}
	// One after the other: with more of them no process would live until its first answer, which is what the breaker is for.
	var poisons sync.WaitGroup
	poisons.Go(func() {
		random := rand.New(rand.NewPCG(seed, 100))
		for n := range 8 {
			id := fmt.Sprint("poison:", n)
			if _, err := p.Get(t.Context(), credential.Request{ID: id}); !errors.Is(err, credential.ProviderCrashed) {
				t.Errorf("the call for %s ended with %v", id, err)
			}
			<-time.After(time.Duration(random.IntN(100)) * time.Millisecond)
		}
	})
	random := rand.New(rand.NewPCG(seed, 1000))
	for i := range 12 {
		signal := []os.Signal{syscall.SIGKILL, syscall.SIGTERM}[random.IntN(2)]
		if i == 5 {
			signal = syscall.SIGSTOP
		}
		if process := p.currentProcess(); process != nil {
			_ = process.runner.process.Signal(signal)
		}
		<-time.After(time.Duration(random.IntN(200)) * time.Millisecond)
	}
	poisons.Wait()
	cancel()
	callers.Wait()
	for id, deaths := range deathsAt(t, pids) {
		if deaths > maxDeaths+1 {
			t.Errorf("%d processes died at %s", deaths, id)
		}
	}
}

// An id at which the provider dies takes no other one of its batch along, and is not asked for again.
func TestBatchWithACallThatKills(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "dies at some ids")
	options.StartTimeout = 0
	p := start(t, options)
	var requests []credential.Request
	for i := range 10 {
		requests = append(requests, credential.Request{ID: fmt.Sprint("lab", i)})
	}
	requests[7].ID = "poison:x"
	for range 2 {
		results, err := p.GetBatch(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		for i, result := range results {
			if died := errors.Is(result.Err, credential.ProviderCrashed); died != (i == 7) || !died && result.Err != nil {
				t.Errorf("%s: %v", requests[i].ID, result.Err)
			}
		}
	}
	if n := p.Restarts(); n != maxDeaths {
		t.Errorf("%d restarts", n)
	}
	if deaths := deathsAt(t, pids)["poison:x"]; deaths > maxDeaths+2 { // of the batch, and its own
		t.Errorf("%d processes died at it", deaths)
	}
}

// Close ends the separate process of a call as well, and the call with it.
func TestCloseEndsATrial(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "dies at some ids")
	p := start(t, options)
	request := credential.Request{ID: "slow:1m:x"}
	p.killers.remember(subject(request), killer{deaths: maxDeaths})
	result := make(chan error, 1)
	go func() {
		_, err := p.Get(t.Context(), request)
		result <- err
	}()
	eventually(t, 30*time.Second, "there are two processes", func() bool {
		text, _ := os.ReadFile(pids)
		return len(strings.Fields(string(text))) == 2
	})
	begin := time.Now()
	_ = p.Close()
	if err := <-result; !errors.Is(err, credential.Cancelled) {
		t.Errorf("the call ended with %s", describe(err))
	}
	if took := time.Since(begin); took > drainTimeout+2*stopTimeout+killTimeout {
		t.Errorf("Close took %v", took)
	}
	nothingLeft(t, options, pids)
}

// Processes that are killed from outside say nothing about the calls that were in flight: none is tried, or suspected for later.
func TestKillsFromOutsideAreNoSuspicion(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "dies at some ids")
	options.CallTimeout = time.Minute
	p := start(t, options)
	request := credential.Request{ID: "slow:3s:x"}
	result := make(chan error, 1)
	go func() {
		_, err := p.Get(t.Context(), request)
		result <- err
	}()
	const kills = maxDeaths + 2
	for i := range kills {
		eventually(t, 30*time.Second, "the call is in flight", func() bool {
			return noted(t, pids, "slow")[request.ID] == i+1
		})
		_ = p.currentProcess().runner.process.Signal([]os.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2])
		eventually(t, 30*time.Second, "it was replaced", func() bool { return p.Restarts() == int64(i+1) })
	}
	if err := <-result; err != nil {
		t.Errorf("the call ended with %s", describe(err))
	}
	if deaths, err := p.killers.known(subject(request)); deaths != 0 || err != nil {
		t.Errorf("the call is remembered with %d deaths, %v", deaths, err)
	}
	text, err := os.ReadFile(pids)
	if n := len(strings.Fields(string(text))); err != nil || n != 1+kills {
		t.Errorf("%d processes were started for %d kills (%v)", n, kills, err)
	}
}

// A call in a separate process has its deadline too, whatever that process does.
func TestTrialsHaveDeadlines(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "dies at some ids")
	p := start(t, options)
	request := credential.Request{ID: "slow:1m:x"}
	p.killers.remember(subject(request), killer{deaths: maxDeaths})
	const deadline = 4 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	begin := time.Now()
	_, err := p.Get(ctx, request)
	if took := time.Since(begin); !errors.Is(err, credential.DeadlineExceeded) || took > deadline+1500*time.Millisecond {
		t.Errorf("after %v: %s", took, describe(err))
	}
	other := credential.Request{ID: "lab"}
	p.killers.remember(subject(other), killer{deaths: maxDeaths})
	if _, err := p.Get(t.Context(), other); err != nil {
		t.Errorf("the next one: %s", describe(err))
	}
	_ = p.Close()
	nothingLeft(t, options, pids)
}

// A process that was killed from outside stays one, also when its host makes sure of its end; one that its host kills is none.
func TestWhoKilledAProcess(t *testing.T) {
	t.Parallel()
	options, _ := zooOptions(t, "dies at some ids")
	p := start(t, options)
	for outside, kill := range map[bool]func(*process){
		true:  func(of *process) { _ = of.runner.process.Signal(syscall.SIGKILL) },
		false: func(of *process) { of.runner.kill() },
	} {
		eventually(t, 30*time.Second, "a process is ready", p.Ready)
		victim := p.currentProcess()
		kill(victim)
		<-victim.runner.ended
		victim.runner.kill()
		if got := victim.endedFromOutside(); got != outside {
			t.Errorf("ended from outside: %v, want %v", got, outside)
		}
		eventually(t, 30*time.Second, "it was replaced", func() bool { return p.currentProcess() != nil && p.currentProcess() != victim })
	}
}
