package provider

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// A host that comes while the process has as many files open as it may doesn't end the debug mode: it is served once there is room.
func TestDebugModeOutOfDescriptors(t *testing.T) {
	l, path := debugged(t, shortDir(t))
	limit := func(to, was *unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(l.command.Process.Pid, unix.RLIMIT_NOFILE, to, was); err != nil {
			t.Fatal(err)
		}
	}
	var before unix.Rlimit
	limit(nil, &before)
	limit(&unix.Rlimit{Cur: 3, Max: before.Max}, nil)
	host := attached(t, l, path)
	host.conn.Connect()
	await(t, "it waits longer each time", func() bool {
		text := l.stderr.String()
		return strings.Contains(text, "too many open files") && strings.Contains(text, "retry_in=5ms") && strings.Contains(text, "retry_in=20ms")
	})
	limit(&before, nil)
	_, err := host.get(t, "lab")
	mustFail(t, err, credential.NotConfigured)
	again := attached(t, l, path)
	_, err = again.get(t, "lab")
	mustFail(t, err, credential.NotConfigured)
}
