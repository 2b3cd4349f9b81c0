package store

import (
	"context"
	"errors"
	"sync"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// How many calls one Warm makes side by side.
const (
	warmBatches = 4
	warmSingles = 16
)

// Warm sees to it that many credentials are at hand, and returns for each id what [Store.Get] would have returned, in
// their order. It reads those that aren't kept in batches where the provider can do that, else singly but side by side.
// One that fails doesn't fail the others. ctx bounds the waiting; reads that are under way then may go on.
func (s *Store) Warm(ctx context.Context, ids []string) []credential.Result {
	w := &warming{store: s, results: make([]credential.Result, len(ids)), places: make(map[string][]int, len(ids)), singles: make(chan struct{}, warmSingles)}
	var unique []string
	for i, id := range ids {
		if _, seen := w.places[id]; !seen {
			unique = append(unique, id)
		}
		w.places[id] = append(w.places[id], i)
	}
	if batcher, ok := s.source.(BatchSource); ok {
		w.batcher = batcher
		var chunks [][]string
		for len(unique) > 0 {
			n := min(len(unique), credential.MaxBatch)
			chunks, unique = append(chunks, unique[:n]), unique[n:]
		}
		inParallel(chunks, warmBatches, func(chunk []string) { w.chunk(ctx, chunk) })
	} else {
		inParallel(unique, warmSingles, func(id string) { w.single(ctx, id) })
	}
	return w.results
}

// warming is one Warm.
type warming struct {
	store   *Store
	batcher BatchSource
	results []credential.Result
	places  map[string][]int
	// singles bounds the single calls of all chunks together.
	singles chan struct{}
}

func (w *warming) tell(id string, result Result, err error) {
	for _, i := range w.places[id] {
		w.results[i] = credential.Result{Credential: result.Credential, Err: err}
	}
}

func (w *warming) single(ctx context.Context, id string) {
	w.singles <- struct{}{}
	defer func() { <-w.singles }()
	if ctx.Err() != nil {
		w.late(ctx, id)
		return
	}
	result, err := w.store.Get(ctx, id)
	w.tell(id, result, err)
}

// late answers from what is kept, when there is no time for a read.
func (w *warming) late(ctx context.Context, id string) {
	s, r := w.store, credential.Request{ID: id}
	result, known, err := w.look(ctx, r)
	if !known {
		result, err = s.staleInstead(r, callerError(ctx, r))
	}
	w.tell(id, result, err)
}

func (w *warming) look(ctx context.Context, r credential.Request) (Result, bool, error) {
	if err := check(r); err != nil {
		return Result{}, true, err
	}
	w.store.mu.Lock()
	defer w.store.unlock()
	return w.store.look(ctx, r)
}

// chunk brings up to credential.MaxBatch ids. What others are reading already isn't read again, and what is read here can
// be waited for by others: each id has its flight.
func (w *warming) chunk(ctx context.Context, ids []string) {
	if ctx.Err() != nil {
		for _, id := range ids {
			w.late(ctx, id)
		}
		return
	}
	var unread []string
	for _, f := range w.depart(ctx, ids) {
		if result, again, err := w.store.await(ctx, f); again {
			unread = append(unread, f.request.ID)
		} else {
			w.tell(f.request.ID, result, err)
		}
	}
	inParallel(unread, warmSingles, func(id string) { w.single(ctx, id) })
}

// depart answers what it can at once, and returns the flights that will bring the rest.
func (w *warming) depart(ctx context.Context, ids []string) (waiting []*flight) {
	s := w.store
	s.mu.Lock()
	defer s.unlock()
	batchCtx, cancel := s.readContext(ctx)
	var own []*flight
	var left int
	discarded := func() { // under the lock
		if left--; left == 0 {
			cancel()
		}
	}
	for _, id := range ids {
		r := credential.Request{ID: id}
		result, known, err := Result{}, true, check(r)
		if err == nil {
			result, known, err = s.look(ctx, r)
		}
		if known {
			w.tell(id, result, err)
			continue
		}
		if _, under := s.flights[r]; under {
			waiting = append(waiting, s.flightFor(ctx, r))
			continue
		}
		f := s.addFlight(r, discarded)
		s.join(f)
		s.counters.misses++
		own, waiting = append(own, f), append(waiting, f)
	}
	left = len(own)
	if len(own) == 0 {
		cancel()
		return waiting
	}
	s.running.Go(func() {
		defer cancel()
		w.read(batchCtx, own)
	})
	return waiting
}

// read makes one batch call for all flights. If the provider can't do that after all, it discards them, and so a caller that
// waits for one reads singly.
func (w *warming) read(ctx context.Context, flights []*flight) {
	s := w.store
	requests := make([]credential.Request, len(flights))
	for i, f := range flights {
		requests[i] = f.request
	}
	results, err := w.batcher.GetBatch(ctx, requests)
	unsupported := errors.Is(err, credential.Unsupported)
	if err == nil && len(results) != len(flights) {
		err = credential.Errorf(credential.ProviderMisbehaved, "the provider gave %d results to %d requests", len(results), len(flights))
	}
	s.mu.Lock()
	defer s.unlock()
	if !unsupported {
		s.counters.backendCalls++
	}
	for i, f := range flights {
		switch {
		case f.discarded:
		case unsupported:
			s.discard(f)
		case err != nil:
			s.land(ctx, f, nil, err)
		default:
			s.land(ctx, f, results[i].Credential, results[i].Err)
		}
	}
}

// inParallel calls do for each item, so many at a time, and returns when all are done.
func inParallel[T any](items []T, limit int, do func(T)) {
	next := make(chan T)
	var workers sync.WaitGroup
	for range min(limit, len(items)) {
		workers.Go(func() {
			for item := range next {
				do(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	workers.Wait()
}
