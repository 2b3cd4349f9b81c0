package guard

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Fleet is what a [Ledger] may offer besides: to know the processes that share it. [Memory] and the ledger of redisledger do.
type Fleet interface {
	// Heartbeat announces a process; it is due every [HeartbeatInterval]. Its Ago is not read.
	Heartbeat(ctx context.Context, m Member) error
	// Leave removes a process that ends.
	Leave(ctx context.Context, instance string) error
	// Members returns the processes that have announced themselves and not left, sorted by host, kind, and who has run longest.
	// Those that fell silent more than [MemberKept] ago aren't among them, nor are silent ones beyond the latest 100.
	Members(ctx context.Context) ([]Member, error)
}

const (
	// HeartbeatInterval is the time between two heartbeats of a process.
	HeartbeatInterval = 10 * time.Second
	// MemberKept is how long a process that fell silent is remembered: so that who comes in the morning sees what died at
	// night.
	MemberKept = 24 * time.Hour

	silentAfter = HeartbeatInterval*3 + HeartbeatInterval/2
	silentKept  = 100
)

// Member is a process that shares a ledger. All of it is seen in clear in a ledger in Redis, so it must name no device and no
// credential.
type Member struct {
	// Instance is a random name of the process.
	Instance string `json:"-"`
	// Kind is worker, agent, or another word for what it does.
	Kind string `json:"kind"`
	// Host is the machine's name, PID the process's number there.
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Version is the program's. Provider is the name of its provider.
	Version         string `json:"version"`
	Provider        string `json:"provider"`
	ProviderVersion string `json:"provider_version"`
	// Ready reports whether it can do its work, Reason why not.
	Ready  bool   `json:"ready"`
	Reason string `json:"reason"`
	// Waiting are its logins that wait for a permit, Permits those that have one.
	Waiting int64 `json:"waiting"`
	Permits int64 `json:"permits"`
	// Uptime is how long it had run at its last heartbeat, Ago how long ago that was by the ledger's clock.
	Uptime time.Duration `json:"-"`
	Ago    time.Duration `json:"-"`
}

// Silent reports whether the process has missed three heartbeats: it was killed, or has lost the ledger.
func (m Member) Silent() bool { return m.Ago > silentAfter }

// SortMembers sorts as [Fleet.Members] does.
func SortMembers(members []Member) {
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.Uptime+b.Ago, a.Uptime+a.Ago), cmp.Compare(a.Instance, b.Instance))
	})
}

// heard is a member, and when it was heard of.
type heard struct {
	Member
	at int64
}

var _ Fleet = (*Memory)(nil)

// Heartbeat implements [Fleet].
func (m *Memory) Heartbeat(_ context.Context, member Member) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members[member.Instance] = heard{member, m.now()}
	return nil
}

// Leave implements [Fleet].
func (m *Memory) Leave(_ context.Context, instance string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.members, instance)
	return nil
}

// Members implements [Fleet].
func (m *Memory) Members(context.Context) ([]Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var members, silent []Member
	for instance, h := range m.members {
		h.Ago = time.Duration(max(now-h.at, 0)) * time.Microsecond
		switch {
		case h.Ago > MemberKept:
			delete(m.members, instance)
		case h.Silent():
			silent = append(silent, h.Member)
		default:
			members = append(members, h.Member)
		}
	}
	slices.SortFunc(silent, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Ago, b.Ago), cmp.Compare(a.Instance, b.Instance)) })
	for _, s := range silent[min(len(silent), silentKept):] {
		delete(m.members, s.Instance)
	}
	members = append(members, silent[:min(len(silent), silentKept)]...)
	SortMembers(members)
	return members, nil
}
