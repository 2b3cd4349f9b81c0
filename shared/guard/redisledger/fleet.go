package redisledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

var _ guard.Fleet = (*Ledger)(nil)

// Heartbeat implements [guard.Fleet].
func (l *Ledger) Heartbeat(ctx context.Context, m guard.Member) error {
	about, err := json.Marshal(m)
	if err != nil {
		return err
	}
	// The first one clears away what has been silent for long: where members come and go, and none looks.
	operation := "heartbeat"
	if joined := l.joined.Load(); joined == nil || *joined != m.Instance {
		operation = "join"
	}
	if _, err := l.members(ctx, operation, m.Instance, m.Uptime.Microseconds(), string(about)); err != nil {
		return err
	}
	l.joined.Store(&m.Instance)
	return nil
}

// Leave implements [guard.Fleet].
func (l *Ledger) Leave(ctx context.Context, instance string) error {
	_, err := l.members(ctx, "leave", instance, 0, "")
	return err
}

// Members implements [guard.Fleet].
func (l *Ledger) Members(ctx context.Context) ([]guard.Member, error) {
	list, err := l.members(ctx, "list", "", 0, "")
	if err != nil {
		return nil, err
	}
	members := make([]guard.Member, 0, len(list))
	for _, entry := range list {
		m, err := memberOf(entry)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	guard.SortMembers(members)
	return members, nil
}

func (l *Ledger) members(ctx context.Context, operation, instance string, uptime int64, about string) ([]any, error) {
	value, err := l.run(ctx, membersScript, []string{l.options.Prefix + "fleet"}, l.now(), operation, instance, uptime, about)
	list, _ := value.([]any)
	return list, err
}

// memberOf reads an entry of members.lua.
func memberOf(entry any) (m guard.Member, err error) {
	list, _ := entry.([]any)
	if len(list) != 5 {
		return m, errForeign
	}
	ago, err := strconv.ParseInt(fmt.Sprint(list[1]), 10, 64)
	if err != nil {
		return m, errForeign
	}
	uptime, err := strconv.ParseInt(fmt.Sprint(list[2]), 10, 64)
	if err != nil {
		return m, errForeign
	}
	if err := json.NewDecoder(strings.NewReader(fmt.Sprint(list[3]))).Decode(&m); err != nil {
		return m, errForeign
	}
	m.Instance, m.Ago, m.Uptime = fmt.Sprint(list[0]), time.Duration(ago)*time.Microsecond, time.Duration(uptime)*time.Microsecond
	return m, nil
}

// Outage is how it stands with Redis.
type Outage struct {
	// Err is why the last operation failed; nil if it didn't.
	Err error
	// Since is when the outage started that lasts; zero if there is none. Total is how long all outages have lasted, this one
	// included, as far as operations have noticed.
	Since time.Time
	Total time.Duration
}

// Outage returns whether Redis is reachable at present, as the last operation found, and for how long it was not.
func (l *Ledger) Outage() Outage {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := Outage{Err: l.away, Since: l.awaySince, Total: l.awayTotal}
	if o.Err != nil {
		o.Total += time.Since(o.Since)
	}
	return o
}
