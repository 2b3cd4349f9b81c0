package main

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/text"
)

// The kinds of members of a fleet.
const (
	kindWorker = "worker"
	kindAgent  = "agent"
)

// presence is this process as a member of its fleet.
type presence struct {
	*serving
	instance, kind, host string
	started              time.Time

	mu   sync.Mutex
	last admin.Fleet // what the ledger said last
}

func newPresence(s *serving, kind string) *presence {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &presence{serving: s, instance: rand.Text(), kind: kind, host: host, started: time.Now()}
}

// maxName bounds what members say of themselves, in bytes.
const maxName = 100

// member is what the others see.
func (p *presence) member() guard.Member {
	provider, counters, failing := p.provider.Metadata(), p.guard.Counters(), p.observers.health.Failing()
	return guard.Member{
		Instance: p.instance, Kind: p.kind, Host: text.Truncate(p.host, maxName), PID: os.Getpid(), Version: text.Truncate(version, maxName),
		Provider: text.Truncate(provider.Name, maxName), ProviderVersion: text.Truncate(provider.Version, maxName),
		Ready: failing == "", Reason: failing, Waiting: counters.Waiting, Permits: counters.Permits, Uptime: time.Since(p.started),
	}
}

// announce has the ledger know of this process until ctx is done. While the ledger is unavailable that fails, of which the ledger
// itself has one line in the log, and holds up nothing.
func (p *presence) announce(ctx context.Context) {
	every := time.NewTicker(guard.HeartbeatInterval)
	defer every.Stop()
	for {
		if err := p.fleet.Heartbeat(ctx, p.member()); err != nil {
			p.log.Debug("no heartbeat", "error", err)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = p.fleet.Leave(end, p.instance) // else it is silent for a day
			return
		}
	}
}

// show returns the fleet as this process sees it: while the ledger is unavailable itself, and what the ledger said last.
func (p *presence) show(ctx context.Context) admin.Fleet {
	own := p.member()
	fleet, err := p.ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		fleet = p.last
		fleet.Unavailable, fleet.Members, fleet.Ledger = err.Error(), admin.MembersOf([]guard.Member{own}), p.ledgerName()
		if fleet.At.IsZero() {
			fleet.At, fleet.Credentials = time.Now(), []admin.Credential{}
		}
		return fleet
	}
	p.last = fleet
	return fleet
}

// ask asks the ledger. Of itself the process knows more than its last heartbeat said.
func (p *presence) ask(ctx context.Context) (admin.Fleet, error) {
	members, err := p.fleet.Members(ctx)
	if err != nil {
		return admin.Fleet{}, err
	}
	statuses, err := p.guard.Snapshot(ctx)
	if err != nil {
		return admin.Fleet{}, err
	}
	members = slices.DeleteFunc(members, func(m guard.Member) bool { return m.Instance == p.instance })
	members = append(members, p.member())
	guard.SortMembers(members)
	fleet := admin.Fleet{Ledger: p.ledgerName(), At: time.Now(), Members: admin.MembersOf(members)}
	fleet.Credentials, fleet.Others = p.logins().Troubled(ctx, statuses, nil)
	return fleet, nil
}

// ledgerName is where the ledger is, for display.
func (l *loaded) ledgerName() string {
	if l.config.LoginGuard != config.GuardRedis {
		return "memory of this worker"
	}
	return "Redis at " + net.JoinHostPort(l.config.RedisHost, strconv.Itoa(l.config.RedisPort))
}
