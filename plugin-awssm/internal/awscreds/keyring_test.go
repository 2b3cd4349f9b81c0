package awscreds

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// mint is a source of credentials whose behaviour a test sets.
type mint struct {
	calls    atomic.Int64
	lifetime time.Duration
	mu       sync.Mutex
	fail     error
	stall    bool
}

func (m *mint) set(fail error, stall bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.stall = fail, stall
}

// mintTimeout is what a mint that stalls takes to give up.
const mintTimeout = 5 * time.Second

// Asking implements Source.
func (m *mint) Asking() (string, time.Duration) { return "the mint", Patience }

// Obtain implements Source.
func (m *mint) Obtain(ctx context.Context) (aws.Credentials, error) {
	n := m.calls.Add(1)
	m.mu.Lock()
	fail, stall := m.fail, m.stall
	m.mu.Unlock()
	if stall {
		select {
		case <-ctx.Done():
		case <-time.After(mintTimeout):
		}
		return aws.Credentials{}, unavailable("stalled")
	}
	if fail != nil {
		return aws.Credentials{}, fail
	}
	creds := aws.Credentials{AccessKeyID: string(rune('A' + n - 1)), SecretAccessKey: "s"}
	if m.lifetime > 0 {
		creds.CanExpire, creds.Expires = true, time.Now().Add(m.lifetime)
	}
	return creds, nil
}

// sourceFunc is a source that is one function.
type sourceFunc func(context.Context) (aws.Credentials, error)

// Asking implements Source.
func (sourceFunc) Asking() (string, time.Duration) { return "a function", Patience }

// Obtain implements Source.
func (f sourceFunc) Obtain(ctx context.Context) (aws.Credentials, error) { return f(ctx) }

// ring makes a keyring in a bubble of false time.
func ring(t *testing.T, m *mint) *Keyring {
	t.Helper()
	k := NewKeyring(m, hclog.NewNullLogger())
	t.Cleanup(k.Close)
	return k
}

func wantKey(t *testing.T, k *Keyring, id string) {
	t.Helper()
	creds, err := k.Retrieve(t.Context())
	if err != nil {
		t.Fatalf("Retrieve: %v", err)
	}
	if creds.AccessKeyID != id {
		t.Fatalf("key %s, want %s", creds.AccessKeyID, id)
	}
}

func TestKeyringOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{}
		k := ring(t, m)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { wantKey(t, k, "A") })
		}
		all.Wait()
		time.Sleep(1000 * time.Hour)
		wantKey(t, k, "A")
		if n := m.calls.Load(); n != 1 {
			t.Errorf("%d attempts for keys that don't expire, want 1", n)
		}
	})
}

func TestKeyringRenewsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{lifetime: time.Hour}
		k := ring(t, m)
		wantKey(t, k, "A")
		time.Sleep(time.Hour - 61*time.Second)
		wantKey(t, k, "A")
		synctest.Wait()
		if n := m.calls.Load(); n != 1 {
			t.Errorf("renewed more than a minute ahead (%d attempts)", n)
		}
		time.Sleep(31 * time.Second)
		wantKey(t, k, "A") // no call waits for a renewal that isn't needed yet
		synctest.Wait()
		wantKey(t, k, "B")
	})
}

func TestKeyringFailedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{lifetime: time.Hour}
		k := ring(t, m)
		wantKey(t, k, "A")
		m.set(unavailable("outage"), false)
		time.Sleep(time.Hour - 20*time.Second)
		for range 10 {
			wantKey(t, k, "A")
			synctest.Wait()
		}
		if n := m.calls.Load(); n != 2 {
			t.Errorf("%d attempts at one moment, want 2: the first and one renewal", n)
		}
		time.Sleep(21 * time.Second)
		_, err := k.Retrieve(t.Context())
		_ = wantReason(t, err, credential.BackendUnavailable)
		m.set(nil, false)
		if _, err := k.Retrieve(t.Context()); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

func TestKeyringStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{lifetime: time.Hour}
		k := ring(t, m)
		m.set(nil, true)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), Patience*3/2)
		defer cancel()
		_, err := k.Retrieve(ctx)
		e := wantReason(t, err, credential.DeadlineExceeded)
		if e.Metadata["stage"] != StageCredentials || time.Since(start) != Patience*3/2 {
			t.Errorf("after %s: %v", time.Since(start), e.Metadata)
		}
		m.set(nil, false)
		wantKey(t, k, "C") // beside the two that are stuck
		if waited := time.Since(start); waited != 2*Patience {
			t.Errorf("the third attempt answered after %s, want %s", waited, 2*Patience)
		}
		time.Sleep(mintTimeout) // those two fail now, which changes nothing
		synctest.Wait()

		wantKey(t, k, "C")

		m.set(nil, true)
		time.Sleep(time.Hour - 20*time.Second)
		start = time.Now()
		for range 5 {
			wantKey(t, k, "C")
		}
		if time.Since(start) != 0 {
			t.Errorf("a stalled renewal held calls for %s", time.Since(start))
		}
	})
}

// TestKeyringSlowFailure: a failure that takes longer than the patience is the caller's.
func TestKeyringSlowFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeyring(sourceFunc(func(ctx context.Context) (aws.Credentials, error) {
			select {
			case <-time.After(2 * Patience):
			case <-ctx.Done():
			}
			return aws.Credentials{}, unavailable("slow")
		}), hclog.NewNullLogger())
		t.Cleanup(k.Close)
		start := time.Now()
		_, err := k.Retrieve(t.Context())
		_ = wantReason(t, err, credential.BackendUnavailable)
		if took := time.Since(start); took != 2*Patience {
			t.Errorf("took %s, want %s", took, 2*Patience)
		}
	})
}

// TestKeyringStallEnds: callers that have waited since before the stall ended get the first credentials that arrive, and what
// arrives late doesn't replace them.
func TestKeyringStallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{lifetime: time.Hour}
		release := make(chan struct{})
		var calls atomic.Int64
		k := NewKeyring(sourceFunc(func(ctx context.Context) (aws.Credentials, error) {
			if n := calls.Add(1); n == 1 {
				<-release // the first one hangs until late, and then succeeds
				return m.Obtain(ctx)
			}
			creds, err := m.Obtain(ctx)
			creds.AccessKeyID = "second"
			return creds, err
		}), hclog.NewNullLogger())
		t.Cleanup(k.Close)
		start := time.Now()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { wantKey(t, k, "second") })
		}
		all.Wait()
		if waited := time.Since(start); waited != Patience {
			t.Errorf("waited %s, want %s", waited, Patience)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
		close(release)
		synctest.Wait()
		wantKey(t, k, "second")
	})
}

// TestKeyringShorterLife: credentials that end sooner than those before them are taken.
func TestKeyringShorterLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{lifetime: time.Minute}
		k := ring(t, m)
		wantKey(t, k, "A")
		m.lifetime = time.Second
		time.Sleep(31 * time.Second)
		wantKey(t, k, "A")
		synctest.Wait()
		wantKey(t, k, "B")
		if n := m.calls.Load(); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
	})
}

func TestKeyringDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{}
		k := ring(t, m)
		wantKey(t, k, "A")
		a, _ := k.Current()
		if !k.drop(a) {
			t.Fatal("the first drop was refused")
		}
		wantKey(t, k, "B")
		if !k.drop(a) {
			t.Error("keys that are no longer held: trying again may help")
		}
		b, _ := k.Current()
		if k.drop(b) {
			t.Error("dropped twice within 30 s")
		}
		wantKey(t, k, "B")
		time.Sleep(dropInterval)
		if !k.drop(b) {
			t.Error("not dropped after 30 s")
		}
		wantKey(t, k, "C")
	})
}

func TestKeyringExpiredByLocalClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{lifetime: time.Nanosecond}
		k := ring(t, m)
		time.Sleep(time.Second)
		wantKey(t, k, "A") // handed out: AWS decides
	})
}

func TestRenewTime(t *testing.T) {
	now := time.Now()
	for lifetime, bounds := range map[time.Duration][2]time.Duration{
		time.Hour:        {time.Hour - time.Minute, time.Hour - 30*time.Second},
		10 * time.Second: {5 * time.Second, 5 * time.Second},
	} {
		for range 100 {
			in := renewTime(aws.Credentials{CanExpire: true, Expires: now.Add(lifetime)}, now).Sub(now)
			if in < bounds[0] || in > bounds[1] {
				t.Fatalf("lifetime %s: renewed after %s, want %v", lifetime, in, bounds)
			}
		}
	}
}

// slowSource takes longer than the usual patience, and says so.
type slowSource struct{ calls atomic.Int64 }

// Asking implements Source.
func (*slowSource) Asking() (string, time.Duration) { return "a slow program", time.Minute }

// Obtain implements Source.
func (s *slowSource) Obtain(context.Context) (aws.Credentials, error) {
	s.calls.Add(1)
	time.Sleep(20 * time.Second)
	return aws.Credentials{AccessKeyID: "slow", SecretAccessKey: "s"}, nil
}

// TestKeyringSlowSource: a source that may take its time is asked once, however long callers wait.
func TestKeyringSlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSource{}
		k := NewKeyring(s, hclog.NewNullLogger())
		t.Cleanup(k.Close)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := k.Retrieve(ctx)
		if e := wantReason(t, err, credential.DeadlineExceeded); !strings.Contains(e.Message, "a slow program") {
			t.Errorf("%q doesn't name the source", e.Message)
		}
		wantKey(t, k, "slow")
		if n := s.calls.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}
