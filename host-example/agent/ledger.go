package agent

import (
	"context"
	"sync"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// Ledger is a guard's ledger that remembers, for the agent's logins, what was granted: a sealed permit has it, so that an agent
// that is started later can report on it.
func Ledger(ledger guard.Ledger) guard.Ledger { return &noting{ledger} }

type noting struct{ guard.Ledger }

// grantKey is the key of a login's *grant in its context.
type grantKey struct{}

// grant is the request that the ledger has granted last to a login.
type grant struct {
	mu      sync.Mutex
	request guard.Request
}

// Begin implements guard.Ledger.
func (n *noting) Begin(ctx context.Context, request guard.Request) (guard.Decision, error) {
	decision, err := n.Ledger.Begin(ctx, request)
	if g, ok := ctx.Value(grantKey{}).(*grant); ok && err == nil && decision.Verdict == guard.Granted {
		g.mu.Lock()
		g.request = request
		g.mu.Unlock()
	}
	return decision, err
}

func (g *grant) get() guard.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.request
}
