package simulate

import (
	"context"
	"sync/atomic"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// replaceable is a ledger in memory that can lose all it knows.
type replaceable struct{ memory atomic.Pointer[guard.Memory] }

func (r *replaceable) Begin(ctx context.Context, q guard.Request) (guard.Decision, error) {
	return r.memory.Load().Begin(ctx, q)
}
func (r *replaceable) Look(q guard.Request) guard.Decision { return r.memory.Load().Look(q) }
func (r *replaceable) End(ctx context.Context, report guard.Report) error {
	return r.memory.Load().End(ctx, report)
}
func (r *replaceable) Forget(ctx context.Context, m ...guard.Digest) error {
	return r.memory.Load().Forget(ctx, m...)
}
func (r *replaceable) Snapshot(ctx context.Context) ([]guard.Record, error) {
	return r.memory.Load().Snapshot(ctx)
}
func (r *replaceable) Watch(m guard.Digest) <-chan struct{} { return r.memory.Load().Watch(m) }
func (r *replaceable) Close() error                         { return nil }
