package main

import (
	"context"
	"sync"
	"time"
)

// batchingPause is how long batches are left alone after AWS has refused one. They may have been allowed since.
const batchingPause = time.Hour

// batching remembers whether AWS takes batches. Its methods may be called concurrently.
type batching struct {
	now func() time.Time

	mu        sync.Mutex
	refusedAt time.Time // zero: not refused, as far as is known
}

// worthTrying reports whether to try a batch. After a refusal that is so once an hour, for one caller: the others go on
// without until it is known.
func (b *batching) worthTrying() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusedAt.IsZero() {
		return true
	}
	now := b.now()
	if now.Sub(b.refusedAt) < batchingPause {
		return false
	}
	b.refusedAt = now
	return true
}

// refused notes a refusal, and reports whether it is the first.
func (b *batching) refused() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.refusedAt.IsZero()
	b.refusedAt = b.now()
	return first
}

// taken notes that AWS has answered a batch.
func (b *batching) taken() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusedAt = time.Time{}
}

// gate lets as many through at once as it has room for.
type gate chan struct{}

// enter waits for room; false means that the time was up first.
func (g gate) enter(ctx context.Context) bool {
	select {
	case g <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// leave makes room again.
func (g gate) leave() { <-g }
