//go:build unix

package redisledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/guard/simulate"
)

var logins = flag.Int("logins", 20000, "logins of the random test with a ledger in Redis; a tenth of them without redis-server")

// network is what lies between workers and Redis, in virtual time: reading what isn't there yet takes no time where an answer
// must come, and sleeps where news may come.
type network struct {
	dial func(ctx context.Context) (net.Conn, error)
	mu   sync.Mutex
	down bool
	open []net.Conn
}

// cut ends all connections and refuses new ones, or lets them be.
func (n *network) cut(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	for _, c := range n.open {
		_ = c.Close()
	}
	n.open = nil
}

func (n *network) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.New("the network is down")
	}
	real, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := real.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &virtual{Conn: real, raw: raw}
	n.open = append(n.open, c)
	return c, nil
}

// virtual is a connection without deadlines, which would be in real time.
type virtual struct {
	net.Conn
	raw        syscall.RawConn
	mu         sync.Mutex
	subscribed bool
}

func (c *virtual) SetDeadline(time.Time) error      { return nil }
func (c *virtual) SetReadDeadline(time.Time) error  { return nil }
func (c *virtual) SetWriteDeadline(time.Time) error { return nil }

func (c *virtual) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.subscribed = c.subscribed || strings.Contains(string(b), "\r\nsubscribe\r\n")
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *virtual) Read(b []byte) (n int, err error) {
	for {
		c.mu.Lock()
		subscribed := c.subscribed
		c.mu.Unlock()
		var failed error
		err = c.raw.Read(func(fd uintptr) bool {
			n, failed = syscall.Read(int(fd), b)
			return subscribed || !errors.Is(failed, syscall.EAGAIN)
		})
		switch {
		case err != nil:
			return 0, err
		case errors.Is(failed, syscall.EAGAIN):
			time.Sleep(time.Second)
		case failed != nil:
			return 0, failed
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// TestPromises is that of package simulate, with the ledger in Redis, which is cut off, and restarted empty.
func TestPromises(t *testing.T) {
	const each = 250
	dial, clear, runs := server(t)
	for seed := range uint64(max(runs/each, 2)) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			clear()
			synctest.Test(t, func(t *testing.T) {
				n := &network{dial: dial}
				var jumped time.Duration
				var mu sync.Mutex
				now := func() int64 {
					mu.Lock()
					defer mu.Unlock()
					return time.Now().Add(jumped).UnixMicro()
				}
				checker := simulate.NewChecker()
				c := simulate.Chaos(seed, min(each, runs), checker, simulate.Faults{
					Lose:  func() { n.cut(true); clear(); n.cut(false) },
					Stop:  func() { n.cut(true) },
					Start: func() { n.cut(false) },
					Jump: func(d time.Duration) {
						mu.Lock()
						defer mu.Unlock()
						jumped += d
					},
				})
				var ledgers []*Ledger
				c.Ledgers = func(worker int) guard.Ledger {
					l := New(Options{Address: "192.0.2.1:6379", dial: n.Dial, now: now})
					ledgers = append(ledgers, l)
					return checker.Watch(l, worker)
				}
				r := simulate.Run(c)
				for _, l := range ledgers {
					_ = l.Close()
				}
				for _, v := range slices.Compact(checker.Violations()) {
					t.Error(v)
				}
				if checker.Grants == 0 {
					t.Errorf("no logins of %d jobs", r.Jobs)
				}
			})
		})
	}
}

// server is a real Redis, or one that is a library where there is none.
func server(t *testing.T) (dial func(context.Context) (net.Conn, error), clear func(), runs int) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		p := startRedis(t)
		return func(ctx context.Context) (net.Conn, error) { return p.dial(ctx, "", "") }, func() { flush(t, p) }, *logins
	}
	m := miniredis.RunT(t)
	dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", m.Addr())
	}
	return dial, m.FlushAll, *logins / 10
}

// flush drops all data, over its own connection.
func flush(t *testing.T, p *process) {
	conn, err := net.Dial("unix", p.socket)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("FLUSHALL\r\n"))
	answer := make([]byte, 64)
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "+OK") {
		t.Errorf("FLUSHALL: %q, %v", answer[:n], err)
	}
}
