//go:build unix

package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// An id at which the provider dies takes it from no other caller: the call is given up after two processes, and for a while it isn't
// made again, however often it is asked for.
func TestCallThatKillsProcesses(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var callers sync.WaitGroup
	var answers atomic.Int64
	for i := range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprintf("lab%d", i)
				one, cancel := context.WithTimeout(t.Context(), callersPatience)
				_, err := p.Get(one, credential.Request{ID: id})
				cancel()
				if err != nil {
					t.Errorf("a caller saw %v", err)
					return
				}
				answers.Add(1)
			}
		})
	}
	eventually(t, 5*time.Second, "there are answers", func() bool { return answers.Load() > 100 })
	for i := range 20 {
		start := time.Now()
		_, err := p.Get(t.Context(), credential.Request{ID: "exit"})
		var e *credential.Error
		if !errors.As(err, &e) || e.Reason != credential.ProviderCrashed || e.RetryDelay <= 0 || !strings.Contains(e.Message, "exit status 3") {
			t.Fatalf("error %s", describe(err))
		}
		if took := time.Since(start); i > 0 && took > time.Second {
			t.Errorf("a call that was given up took %v", took)
		}
	}
	before := answers.Load()
	eventually(t, 5*time.Second, "the others have answers", func() bool { return answers.Load() > before+100 })
	cancel()
	callers.Wait()
	if n := p.Restarts(); n != maxDeaths {
		t.Errorf("%d restarts", n)
	}
}

// What is remembered of such calls has a bound, and an end.
func TestKillersAreForgotten(t *testing.T) {
	var k killers
	for i := range 10 * maxKillers {
		_ = k.add(fmt.Sprint(i), "memory", "exit status 3")
	}
	if n := len(k.calls); n > maxKillers {
		t.Errorf("%d calls are remembered", n)
	}
	last := fmt.Sprint(10*maxKillers - 1)
	if _, err := k.known(last); !errors.Is(err, credential.ProviderCrashed) {
		t.Errorf("error %v", err)
	}
	known := k.calls[last]
	known.until = time.Now()
	k.calls[last] = known
	if deaths, err := k.known(last); err != nil || deaths != maxDeaths {
		t.Errorf("a call is not made again, or with those that others wait for: %d, %v", deaths, err)
	}
	known.forget = time.Now()
	k.calls[last] = known
	if deaths, err := k.known(last); err != nil || deaths != 0 {
		t.Errorf("a call is remembered for ever: %d, %v", deaths, err)
	}
	_ = k.add("", "memory", "x")
	if deaths, err := k.known(""); deaths != 0 || err != nil {
		t.Error("a call without a subject is remembered")
	}
}

// Starts are counted until there is an answer; those that were ended from outside open the breaker only when there are many.
func TestFailedStarts(t *testing.T) {
	for _, c := range []struct{ starts, spared, want int32 }{
		{0, 0, 0}, {1, 0, 1}, {maxStarts, 0, maxStarts}, {maxStarts, 1, maxStarts - 1}, {maxStarts, maxStarts, 1},
		{maxSpared - 1, maxSpared - 1, 1}, {maxSpared, maxSpared, maxSpared},
	} {
		if got := failedStarts(c.starts, c.spared); got != c.want {
			t.Errorf("of %d starts, %d spared: %d, want %d", c.starts, c.spared, got, c.want)
		}
	}
}
