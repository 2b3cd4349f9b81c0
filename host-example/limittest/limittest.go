//go:build linux || darwin

// Package limittest takes from a test's process the file descriptors that a server would need.
package limittest

import (
	"net"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// DialAtLimit connects to a server in this process, which can open no more files from then on: the client has its descriptor,
// the server gets none for the connection. restore gives back what the process may open; so does the end of the test.
func DialAtLimit(t *testing.T, network, address string) (conn net.Conn, restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore = sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			panic(err)
		}
	})
	t.Cleanup(restore)
	dialer := net.Dialer{Control: func(string, string, syscall.RawConn) error {
		low := limit
		low.Cur = 3
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &low)
	}}
	conn, err := dialer.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, restore
}
