package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// batchBackend reads twenty at a time, as Secrets Manager does, if it can.
type batchBackend struct {
	*backend
	can     bool
	batches [][]credential.Request
	short   bool // it breaks the contract
}

func (b *batchBackend) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	if !b.can {
		return nil, oops(credential.Unsupported)
	}
	b.update(func() { b.batches = append(b.batches, requests); b.running++ })
	defer b.update(func() { b.running-- })
	b.mu.Lock()
	err := b.fault
	stall := b.stall
	b.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case stall:
		<-ctx.Done()
		return nil, ctx.Err()
	case b.short:
		return nil, nil
	}
	select {
	case <-time.After(b.latency * time.Duration((len(requests)+19)/20)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	results := make([]credential.Result, len(requests))
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range requests {
		if cred, ok := b.creds[r.ID]; ok {
			results[i].Credential = cred
		} else {
			results[i].Err = oops(credential.CredentialNotFound)
		}
	}
	return results, nil
}

func batchBubble(t *testing.T, o Options, test func(t *testing.T, b *batchBackend, s *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &batchBackend{backend: newBackend(), can: true}
		s := New(b, o)
		defer s.Close()
		test(t, b, s)
	})
}

func manyIDs(b *backend, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("id", i)
		b.set(ids[i], "password of "+ids[i])
	}
	return ids
}

func wantWarm(t *testing.T, results []credential.Result, ids []string) {
	t.Helper()
	for i, r := range results {
		if r.Err != nil || text(r.Credential) != "password of "+ids[i] {
			t.Fatalf("%s: %v, %v", ids[i], r.Credential, r.Err)
		}
	}
}

func TestWarm(t *testing.T) {
	const latency = 10 * time.Millisecond
	for name, test := range map[string]struct {
		can           bool
		batches       int
		singles, most int
		ratio         float64
	}{
		"in batches": {true, 10, 0, 0, 20},
		"singly":     {false, 0, 1000, warmSingles, 6},
	} {
		t.Run(name, func(t *testing.T) {
			batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
				b.can, b.latency = test.can, latency
				ids := manyIDs(b.backend, 1000)
				start := time.Now()
				wantWarm(t, s.Warm(t.Context(), ids), ids)
				took := time.Since(start)
				if ratio := float64(1000*latency) / float64(took); ratio < test.ratio {
					t.Errorf("%v: %.1f times faster than one at a time, want %v", took, ratio, test.ratio)
				}
				if len(b.batches) != test.batches || b.count() != test.singles || b.most != test.most {
					t.Errorf("%d batches, %d single calls, %d at once", len(b.batches), b.count(), b.most)
				}
				if n := s.Snapshot(); n.BackendCalls != int64(test.batches+test.singles) || n.Size != 1000 || test.can && n.Misses != 1000 {
					t.Errorf("%+v", n)
				}
				wantWarm(t, s.Warm(t.Context(), ids), ids)
				if len(b.batches) != test.batches || b.count() != test.singles {
					t.Error("what is kept was read again")
				}
			})
		})
	}
}

func TestWarmWithAProviderThatKnowsNoBatches(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		ids := manyIDs(b, 40)
		b.latency = time.Second
		start := time.Now()
		wantWarm(t, s.Warm(t.Context(), ids), ids)
		if took := time.Since(start); took != 3*time.Second || b.most != warmSingles {
			t.Errorf("%v, %d at once", took, b.most)
		}
	})
}

func TestWarmAnswersEachID(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		b.set("a", "one")
		b.set("b", "one")
		wantGet(t, s, "b", "fresh one")
		b.set("b", "two")
		results := s.Warm(t.Context(), []string{"a", "missing", "b", "", "a"})
		for i, want := range []string{"fresh one", "error CREDENTIAL_NOT_FOUND", "fresh one", "error CREDENTIAL_ID_INVALID", "fresh one"} {
			if got := told(Result{Credential: results[i].Credential}, results[i].Err); got != want {
				t.Errorf("%d: %s, want %s", i, got, want)
			}
		}
		if len(b.batches) != 1 || len(b.batches[0]) != 2 {
			t.Errorf("asked for %v", b.batches)
		}
		wantGet(t, s, "missing", "error CREDENTIAL_NOT_FOUND") // remembered
		wantGet(t, s, "a", "cached one")
		wantCalls(t, b.backend, 1)
		if got := s.Warm(t.Context(), nil); len(got) != 0 {
			t.Error(got)
		}
	})
}

func TestWarmAndGetShareFlights(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		ids := manyIDs(b.backend, 20)
		b.latency = time.Second
		var all sync.WaitGroup
		all.Go(func() { wantWarm(t, s.Warm(t.Context(), ids[:19]), ids) })
		all.Go(func() { _, _ = s.Get(t.Context(), ids[19]) })
		pass(time.Second / 2)
		all.Go(func() { wantWarm(t, s.Warm(t.Context(), ids), ids) })
		all.Go(func() { _, _ = s.Get(t.Context(), ids[0]) })
		all.Wait()
		if len(b.batches) != 1 || b.count() != 1 {
			t.Errorf("%d batches and %d single calls", len(b.batches), b.count())
		}
	})
}

func TestWarmInAnOutage(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		ids := manyIDs(b.backend, 3)
		wantWarm(t, s.Warm(t.Context(), ids[:2]), ids)
		pass(6 * time.Minute)
		b.fail(oops(credential.Throttled))
		results := s.Warm(t.Context(), ids)
		wantWarm(t, results[:2], ids)
		wantReason(t, results[2].Err, credential.Throttled)
		b.fail(nil)
		b.short = true
		pass(time.Minute)
		wantReason(t, s.Warm(t.Context(), []string{"more"})[0].Err, credential.ProviderMisbehaved)
	})
}

func TestWarmHonoursItsContext(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		ids := manyIDs(b.backend, 1000)
		b.stall = true
		for _, can := range []bool{true, false} {
			b.can = can
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			for _, r := range s.Warm(ctx, ids) {
				wantReason(t, r.Err, credential.DeadlineExceeded)
			}
			cancel()
			if took := time.Since(start); took != time.Second {
				t.Errorf("it took %v", took)
			}
			s.Invalidate()
			synctest.Wait()
			if b.running != 0 {
				t.Errorf("%d calls go on", b.running)
			}
		}
	})
}

// Without time for a read there still is what Get would give: what is kept, and else an error that names the id.
func TestWarmWithoutTime(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		b.set("old", "one")
		wantGet(t, s, "old", "fresh one")
		pass(6 * time.Minute)
		b.set("kept", "one")
		wantGet(t, s, "kept", "fresh one")
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		ids := []string{"cold1", "kept", "", "old", "cold2"}
		for _, source := range []Source{b, b.backend} {
			s.source = source
			results := s.Warm(ctx, ids)
			for i, want := range []string{"error DEADLINE_EXCEEDED", "fresh one", "error CREDENTIAL_ID_INVALID", "fresh one", "error DEADLINE_EXCEEDED"} {
				if got := told(Result{Credential: results[i].Credential}, results[i].Err); got != want {
					t.Errorf("%q: %s, want %s", ids[i], got, want)
				}
				if err := results[i].Err; strings.HasPrefix(ids[i], "cold") && !strings.Contains(err.Error(), ids[i]) {
					t.Errorf("the error of %q is %v", ids[i], err)
				}
			}
		}
		if wantCalls(t, b.backend, 2); len(b.batches) != 0 {
			t.Errorf("asked for %v", b.batches)
		}
		if n := s.Snapshot(); n.Hits != 2 || n.Stale != 2 {
			t.Errorf("%+v", n)
		}
	})
}

func TestABatchHasItsOwnDeadline(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		b.stall = true
		start := time.Now()
		wantReason(t, s.Warm(t.Context(), []string{"a"})[0].Err, credential.DeadlineExceeded)
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestABatchGoesOnWithoutItsCaller(t *testing.T) {
	batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
		b.set("a", "one")
		b.latency = 2 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantReason(t, s.Warm(ctx, []string{"a"})[0].Err, credential.DeadlineExceeded)
		pass(time.Second)
		wantGet(t, s, "a", "cached one")
	})
}
