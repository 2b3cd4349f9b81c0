//go:build unix

package redisledger

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// TestMembersEqualMemory has both ledgers hear the same heartbeats at the same times, and compares the members.
func TestMembersEqualMemory(t *testing.T) {
	servers(t, func(t *testing.T, options Options) {
		r := rand.New(rand.NewPCG(1, 2))
		now := time.Now()
		var clock atomic.Int64
		clock.Store(now.UnixMicro())
		options.now, options.Timeout = clock.Load, time.Minute // the machine may be busy
		theirs, ours := open(t, options), guard.NewMemoryAt(func() time.Time { return now })
		silent, gone := 0, 0
		for range 600 {
			now = now.Add(time.Duration(r.IntN(60)) * time.Second)
			if r.IntN(40) == 0 {
				now = now.Add(time.Duration(r.IntN(26)) * time.Hour)
			}
			clock.Store(now.UnixMicro())
			m := guard.Member{
				Instance: fmt.Sprint("i", r.IntN(200)), Kind: []string{"worker", "agent"}[r.IntN(2)], Host: fmt.Sprint("h ", r.IntN(3), "\"<\n"), PID: r.IntN(99), Version: "1.0.0",
				Provider: "yaml", ProviderVersion: "2", Ready: r.IntN(2) == 0, Reason: "backend: BACKEND_UNAVAILABLE", Waiting: int64(r.IntN(3)), Permits: 1, Uptime: time.Duration(r.IntN(1e6)) * time.Second,
			}
			for _, l := range []guard.Fleet{ours, theirs} {
				var err error
				if m.PID%9 == 0 {
					err = l.Leave(t.Context(), m.Instance)
				} else {
					err = l.Heartbeat(t.Context(), m)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			a, err := ours.Members(t.Context())
			b, err2 := theirs.Members(t.Context())
			if err != nil || err2 != nil || !slices.Equal(a, b) {
				t.Fatalf("%v %v\n%+v\n%+v", err, err2, a, b)
			}
			if len(a) == 0 {
				gone++
			}
			for _, m := range a {
				if m.Silent() {
					silent++
				}
			}
		}
		if silent < 1000 || gone == 600 {
			t.Errorf("%d were silent, in vain %d times", silent, gone)
		}
	})
}

// A member that comes clears away those that are silent for more than a day, also where no one looks; and the hash has a time to live.
func TestMembersDie(t *testing.T) {
	p := startRedis(t)
	now := time.Now()
	var clock atomic.Int64
	clock.Store(now.UnixMicro())
	l := open(t, Options{dial: p.dial, now: clock.Load})
	beat := func(instance string) {
		t.Helper()
		if err := l.Heartbeat(t.Context(), guard.Member{Instance: instance}); err != nil {
			t.Fatal(err)
		}
	}
	beat("a")
	beat("b")
	clock.Store(now.Add(25 * time.Hour).UnixMicro())
	beat("b")
	if keys := command(t, p, "HKEYS tom:{login_guard}:fleet"); !strings.Contains(keys, "a\n") {
		t.Errorf("a heartbeat went through the others: %s", keys)
	}
	beat("c")
	if keys := command(t, p, "HKEYS tom:{login_guard}:fleet"); strings.Contains(keys, "a\n") || !strings.Contains(keys, "b\n") {
		t.Errorf("who has been silent for a day is still there: %s", keys)
	}
	if ttl := command(t, p, "TTL tom:{login_guard}:fleet"); ttl != ":86400\n" && ttl != ":86399\n" && ttl != ":86398\n" {
		t.Errorf("time to live %s", ttl)
	}
	clock.Store(now.Add(-time.Hour).UnixMicro()) // the clock is set back
	if members, err := l.Members(t.Context()); err != nil || len(members) != 2 || members[0].Ago != 0 {
		t.Fatalf("%+v, %v", members, err)
	}
	clock.Store(now.UnixMicro())
	if members, err := l.Members(t.Context()); err != nil || len(members) != 2 || !members[0].Silent() {
		t.Errorf("%+v, %v", members, err)
	}
}

// Workers that are killed and started anew, again and again, leave a hundred silent members at most.
func TestMembersAreBounded(t *testing.T) {
	p := startRedis(t)
	now := time.Now()
	var clock atomic.Int64
	clock.Store(now.UnixMicro())
	l := open(t, Options{dial: p.dial, now: clock.Load})
	for i := range 150 {
		if err := l.Heartbeat(t.Context(), guard.Member{Instance: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	clock.Store(now.Add(time.Hour).UnixMicro())
	if members, err := l.Members(t.Context()); err != nil || len(members) != 100 {
		t.Errorf("%d members, %v", len(members), err)
	}
	if n := command(t, p, "HLEN tom:{login_guard}:fleet"); n != ":100\n" {
		t.Errorf("Redis holds %s", n)
	}
}

// warnings counts lines of the log.
type warnings struct{ n atomic.Int32 }

func (w *warnings) Write(b []byte) (int, error) {
	w.n.Add(1)
	return len(b), nil
}

// Heartbeats without Redis fail, with one warning for all of them; the outage is measured.
func TestHeartbeatsWithoutRedis(t *testing.T) {
	p := startRedis(t)
	var lines warnings
	l := open(t, Options{dial: p.dial, Timeout: time.Second, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	m := guard.Member{Instance: "a"}
	if err := l.Heartbeat(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if o := l.Outage(); o.Err != nil || o.Total != 0 || !o.Since.IsZero() {
		t.Errorf("%+v", o)
	}
	p.kill()
	for range 20 {
		if err := l.Heartbeat(t.Context(), m); !isUnavailable(err) {
			t.Fatal(err)
		}
	}
	until(t, "there is a line", func() bool { return lines.n.Load() > 0 }) // perhaps the listener's
	if o := l.Outage(); o.Err == nil || o.Total <= 0 || o.Since.IsZero() || lines.n.Load() != 1 {
		t.Errorf("%+v, %d lines", o, lines.n.Load())
	}
	p.start(t, p.cmd.Path)
	until(t, "it is heard again", func() bool { return l.Heartbeat(t.Context(), m) == nil })
	until(t, "there is another line", func() bool { return lines.n.Load() > 1 })
	if o := l.Outage(); o.Err != nil || o.Total <= 0 || !o.Since.IsZero() || lines.n.Load() != 2 {
		t.Errorf("%+v, %d lines", o, lines.n.Load())
	}
}
