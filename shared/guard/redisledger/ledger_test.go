//go:build unix

package redisledger

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

func request(permit, device, material int) guard.Request {
	q := guard.Request{
		Device: digest('d', device), Current: digest('m', material), ID: digest('i', 1), Version: digest('v', 1), PreviousKnown: true,
		Limits: guard.Limits{Budget: 2, Pause: 15 * time.Minute, Life: 30 * time.Second},
	}
	q.Permit[0] = byte(permit)
	return q
}

func reportOf(q guard.Request, a guard.Answer) guard.Report {
	return guard.Report{Permit: q.Permit, Device: q.Device, Current: q.Current, ID: q.ID, Version: q.Version, Shown: []guard.Shown{{Material: q.Current, Answer: a}}, Limits: q.Limits}
}

// command sends one command and returns the answer's lines.
func command(t *testing.T, p *process, line string) string {
	t.Helper()
	conn, err := net.Dial("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "%s\r\nPING\r\n", line)
	var answer strings.Builder
	for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != "+PONG"; {
		answer.WriteString(lines.Text() + "\n")
	}
	return answer.String()
}

// Redis that is killed, started empty, stopped for a while, or that refuses to write: logins wait, reports are delivered later,
// scripts loaded again.
func TestRedisComesBack(t *testing.T) {
	for _, fault := range []string{"killed and restarted empty", "scripts flushed", "stopped", "without its replica", "out of memory"} {
		t.Run(fault, func(t *testing.T) {
			p := startRedis(t)
			l := open(t, Options{dial: p.dial, Timeout: 300 * time.Millisecond})
			q := request(1, 1, 1)
			if d, err := l.Begin(t.Context(), q); err != nil || d.Verdict != guard.Granted {
				t.Fatal(d, err)
			}
			switch fault {
			case "killed and restarted empty":
				p.kill()
				if _, err := l.Begin(t.Context(), request(2, 2, 1)); !isUnavailable(err) {
					t.Errorf("without redis: %v", err)
				}
				if err := l.End(t.Context(), reportOf(q, guard.Refused)); err != nil {
					t.Errorf("a report without redis: %v", err)
				}
				p.start(t, "redis-server")
			case "scripts flushed":
				command(t, p, "SCRIPT FLUSH")
				if err := l.End(t.Context(), reportOf(q, guard.Refused)); err != nil {
					t.Error(err)
				}
			case "stopped":
				_ = p.cmd.Process.Signal(syscall.SIGSTOP)
				if _, err := l.Begin(t.Context(), request(2, 2, 1)); !isUnavailable(err) {
					t.Errorf("with redis stopped: %v", err)
				}
				if err := l.End(t.Context(), reportOf(q, guard.Refused)); err != nil {
					t.Errorf("a report with redis stopped: %v", err)
				}
				_ = p.cmd.Process.Signal(syscall.SIGCONT)
			default:
				refuse, allow := "min-replicas-to-write 1", "min-replicas-to-write 0"
				if fault == "out of memory" { // with the policy that keeps all records
					refuse, allow = "maxmemory 1", "maxmemory 0"
					command(t, p, "CONFIG SET maxmemory-policy noeviction")
				}
				command(t, p, "CONFIG SET "+refuse)
				if d, err := l.Begin(t.Context(), request(2, 2, 2)); !isUnavailable(err) {
					t.Errorf("redis %s: %v, %v", fault, d, err)
				}
				if err := l.End(t.Context(), reportOf(q, guard.Refused)); err != nil {
					t.Errorf("a report to redis %s: %v", fault, err)
				}
				command(t, p, "CONFIG SET "+allow)
			}
			// The refusal arrives in any case: the device is paused.
			for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				d, err := l.Begin(t.Context(), request(3, 1, 1))
				if err == nil && d.Verdict == guard.Paused {
					return
				}
				if err == nil {
					_ = l.End(t.Context(), guard.Report{Permit: request(3, 1, 1).Permit, Device: digest('d', 1), Current: digest('m', 1), Limits: q.Limits})
				}
				if time.Since(start) > 20*time.Second {
					t.Fatalf("%v, %v", d, err)
				}
			}
		})
	}
}

func isUnavailable(err error) bool {
	return err != nil && strings.Contains(err.Error(), guard.ErrUnavailable.Error())
}

// Every key has a time to live, and all are of one hash tag.
func TestKeysDie(t *testing.T) {
	p := startRedis(t)
	l := open(t, Options{dial: p.dial})
	for i := range 6 {
		q := request(i, i, i%2)
		q.Previous = digest('m', 5)
		if d, err := l.Begin(t.Context(), q); err == nil && d.Verdict == guard.Granted {
			_ = l.End(t.Context(), reportOf(q, guard.Answer(1+i%3)))
		}
	}
	_ = l.Forget(t.Context(), digest('m', 1))
	keys := strings.Fields(command(t, p, "KEYS *"))
	found := 0
	for _, key := range keys {
		if !strings.HasPrefix(key, "tom:") {
			continue
		}
		found++
		if !strings.HasPrefix(key, "tom:{login_guard}:") {
			t.Errorf("key %s", key)
		}
		if ttl := command(t, p, "TTL "+key); strings.HasPrefix(ttl, ":-") {
			t.Errorf("%s: time to live %s", key, ttl)
		}
	}
	if found < 3 {
		t.Errorf("keys: %q", keys)
	}
}

// Own: without Redis a worker goes on with what it knew, and with proven material only.
func TestOwnLedgerWithoutRedis(t *testing.T) {
	p := startRedis(t)
	l := open(t, Options{dial: p.dial, WithoutRedis: Own, Timeout: 300 * time.Millisecond})
	ctx := context.Background()
	q := request(1, 1, 1)
	if _, err := l.Begin(ctx, q); err != nil {
		t.Fatal(err)
	}
	if err := l.End(ctx, reportOf(q, guard.Accepted)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Snapshot(ctx); err != nil { // newer than the one that came with the subscription
		t.Fatal(err)
	}
	p.kill()
	q = request(2, 1, 1)
	if d, err := l.Begin(ctx, q); err != nil || d.Verdict != guard.Granted {
		t.Errorf("proven material: %+v, %v", d, err)
	}
	if d, err := l.Begin(ctx, request(3, 2, 1)); err != nil || d.Verdict != guard.Held {
		t.Errorf("a second login at a time: %+v, %v", d, err)
	}
	if d, err := l.Begin(ctx, request(4, 1, 2)); err != nil || d.Verdict != guard.Closed {
		t.Errorf("unproven material: %+v, %v", d, err)
	}
	if err := l.End(ctx, reportOf(q, guard.Refused)); err != nil {
		t.Fatal(err)
	}
	if d, err := l.Begin(ctx, request(5, 3, 1)); err != nil || d.Verdict == guard.Granted {
		t.Errorf("after a refusal: %+v, %v", d, err)
	}
}

// What one worker learns, another one hears of.
func TestNewsReachOthers(t *testing.T) {
	servers(t, func(t *testing.T, options Options) {
		a, b := open(t, options), open(t, options)
		deadline := time.Now().Add(20 * time.Second)
		for i := 1; time.Now().Before(deadline); i++ {
			news := b.Watch(digest('m', 1))
			q := request(i, i, 1)
			if d, err := a.Begin(t.Context(), q); err != nil || d.Verdict != guard.Granted {
				t.Fatal(d, err)
			}
			if err := a.End(t.Context(), reportOf(q, guard.Refused)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-news:
				for ; time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					look := request(99, i, 1)
					look.Age = time.Minute
					if d := b.Look(look); d.Verdict == guard.ReadAgain {
						return // it knows of the failure without having asked
					}
				}
			case <-time.After(2 * time.Second): // the subscription may not stand yet
				_ = a.Forget(t.Context(), digest('m', 1))
			}
		}
		t.Error("no news")
	})
}
