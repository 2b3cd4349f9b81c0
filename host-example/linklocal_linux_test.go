package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// linkLocal are where the AWS SDK looks for credentials of an instance and of a container.
var linkLocal = []string{"169.254.169.254", "169.254.170.2", "169.254.170.23"}

// TestNothingReachesLinkLocal runs the worker in a separate network, in which a server has the link-local addresses: with
// AWS_EC2_METADATA_DISABLED=true nothing connects to it, even where no credentials are found elsewhere. Without that variable
// something does, so that the server is seen to count.
func TestNothingReachesLinkLocal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("a separate network needs the command ip (iproute2)")
	}
	runtime.LockOSThread() // for good: the thread, whose network it is, ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("a separate network needs root: %v", err)
	}
	arrangements := [][]string{{"link", "set", "lo", "up"}}
	for _, address := range linkLocal {
		arrangements = append(arrangements, []string{"address", "add", address + "/32", "dev", "lo"})
	}
	for _, arguments := range arrangements {
		if output, err := exec.CommandContext(t.Context(), "ip", arguments...).CombinedOutput(); err != nil {
			t.Fatalf("ip %q: %v: %s", arguments, err, output)
		}
	}
	var reached atomic.Int64
	for _, address := range linkLocal {
		listener, err := net.Listen("tcp", address+":80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.NotFoundHandler(), ConnState: func(_ net.Conn, state http.ConnState) { //nolint:gosec // on loopback
			if state == http.StateNew {
				reached.Add(1)
			}
		}}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
	}

	s := newSite(t, 1, 1, admins)
	s.rotate(0, "made-up")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	hostExample := func(environ []string, stdin string, args ...string) string {
		t.Helper()
		var output bytes.Buffer
		command := exec.CommandContext(t.Context(), path, args...)
		command.Env, command.Stdin, command.Stdout, command.Stderr = environ, strings.NewReader(stdin), &output, &output
		_ = command.Run()
		return output.String()
	}
	job := fmt.Sprintf(`{"id":"1","host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"]}`+"\n", s.devices[0][0].Port())
	if got := hostExample(s.environ, job, "run"); !strings.Contains(got, `"status":"ok"`) {
		t.Fatalf("the job: %s", got)
	}
	without := func(environ []string, prefixes ...string) []string {
		return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
			return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
		})
	}
	for _, environ := range [][]string{s.environ, without(s.environ, "AWS_ACCESS", "AWS_SECRET"), without(s.environ, "AWS_ACCESS", "AWS_SECRET", "AWS_REGION", "AWS_DEFAULT")} {
		hostExample(environ, job, "run")
		for _, args := range [][]string{{"get", "c0"}, {"list"}, {"validate", "--id", "c0"}, {"providers", "aws_secrets_manager"}} {
			hostExample(environ, "", args...)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections to link-local addresses", n)
	}
	if hostExample(without(s.environ, "AWS_ACCESS", "AWS_SECRET", "AWS_EC2_METADATA"), "", "get", "c0"); reached.Load() == 0 {
		t.Error("without AWS_EC2_METADATA_DISABLED nothing is reached either: the test sees nothing")
	}
}
