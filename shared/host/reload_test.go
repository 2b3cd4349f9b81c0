//go:build unix

package host

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// A restart that is done just after a reload keeps its hands off the reload's process, which would never be stopped otherwise.
func TestRestartDoesNotOverwriteAReload(t *testing.T) {
	t.Parallel()
	p := &Provider{changed: make(chan struct{})}
	reloaded, restarted := &process{}, &process{}
	if other := p.publish(reloaded); other != nil || p.currentProcess() != reloaded {
		t.Fatalf("published %p, and %p answers calls", reloaded, p.currentProcess())
	}
	if other := p.publish(restarted); other != reloaded || p.currentProcess() != reloaded {
		t.Errorf("the restart has taken the place of the reload's process")
	}
}

// Close leaves nothing behind, also of a reload that is under way.
func TestCloseCutsAReloadShort(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "memory")
	options.StartTimeout = time.Minute
	p := start(t, options)
	hung, hungPIDs := zooOptions(t, "never handshakes")
	p.options.Environ = hung.Environ // of what the reload starts
	result := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { result <- p.Reload(ctx, nil) }()
	eventually(t, 10*time.Second, "the reload has started a process", func() bool {
		text, _ := os.ReadFile(hungPIDs)
		return len(text) > 0
	})
	start := time.Now()
	_ = p.Close()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
	select {
	case err := <-result:
		if !errors.Is(err, credential.Cancelled) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("the reload ended with %v", err)
		}
	case <-time.After(time.Second):
		t.Error("the reload goes on after Close")
		cancel()
		t.Logf("it ended with %v", <-result)
	}
	nothingLeft(t, options, pids)
	nothingLeft(t, options, hungPIDs)
	if err := p.Reload(t.Context(), nil); !errors.Is(err, credential.Cancelled) {
		t.Errorf("a reload after Close: %v", err)
	}
}

// One start timeout covers the handshake and Configure: one that has taken most of it leaves the rest to the other.
func TestStartTimeoutCoversConfigure(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "is slow, then hangs in Configure")
	options.StartTimeout = 3 * time.Second
	start := time.Now()
	_, err := Start(t.Context(), options)
	if took := time.Since(start); took > options.StartTimeout+1500*time.Millisecond {
		t.Errorf("Start took %v with a timeout of %v", took, options.StartTimeout)
	}
	checkReason(t, err, credential.ProviderStartFailed, "not ready after 3s")
	nothingLeft(t, options, pids)
}

// Whatever reason its context gives for it, a call that its caller has cancelled was cancelled.
func TestCancelledWithACause(t *testing.T) {
	t.Parallel()
	p := &Provider{changed: make(chan struct{}), lastEnd: credential.Errorf(credential.ProviderCrashed, "it ended")}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the job was withdrawn"))
	if _, err := p.acquire(ctx); !errors.Is(err, credential.Cancelled) {
		t.Errorf("error %v", err)
	}
}
