//go:build unix

package redisledger

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is a real Redis on a Unix socket.
type process struct {
	socket    string
	arguments []string
	cmd       *exec.Cmd
}

// startRedis starts a real Redis, where one is installed. On CI it has to be.
func startRedis(t testing.TB, arguments ...string) *process {
	t.Helper()
	binary := os.Getenv("REDIS_SERVER")
	if binary == "" {
		binary = "redis-server"
	}
	if _, err := exec.LookPath(binary); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no redis-server, and CI=true: install it, or name one in REDIS_SERVER")
		}
		t.Skip("no redis-server: install it, or name one in REDIS_SERVER")
	}
	dir, err := os.MkdirTemp("", "redis") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &process{socket: filepath.Join(dir, "s"), arguments: append([]string{"--port", "0"}, arguments...)}
	p.start(t, binary)
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *process) start(t testing.TB, binary string) {
	t.Helper()
	p.cmd = exec.Command(binary, append(p.arguments, "--unixsocket", p.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(p.socket))...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if conn, err := net.Dial("unix", p.socket); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server doesn't listen")
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = os.Remove(p.socket)
}

func (p *process) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", p.socket)
}

// servers runs a test against a real Redis, and against one that is a library.
func servers(t *testing.T, test func(t *testing.T, options Options)) {
	t.Run("redis", func(t *testing.T) {
		test(t, Options{dial: startRedis(t).dial})
	})
	t.Run("miniredis", func(t *testing.T) {
		test(t, Options{Address: miniredis.RunT(t).Addr()})
	})
}

func open(t testing.TB, options Options) *Ledger {
	t.Helper()
	l := New(options)
	t.Cleanup(func() { _ = l.Close() })
	return l
}
