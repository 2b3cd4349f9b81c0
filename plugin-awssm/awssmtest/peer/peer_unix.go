//go:build unix

// Package peer finds and runs what other people have written, for tests that compare our work with theirs: moto, which
// implements the same AWS services, and the AWS CLI.
package peer

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// TB is what is needed of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	TempDir() string
}

// Tool returns the path of a program: path if it isn't empty, which is the value of the environment variable, else what is
// on PATH under the name. Without it the test is skipped with advice on how to install it; under CI=true it fails.
func Tool(t TB, path, variable, name, install string) string {
	t.Helper()
	if path != "" {
		return path
	}
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	const message = "%s is not on PATH and %s is not set; install it (%s), or set %s to its path"
	if os.Getenv("CI") == "true" {
		t.Fatalf(message, name, variable, install, variable)
	}
	t.Skipf(message, name, variable, install, variable)
	return ""
}

// readyWithin is how long moto may take to answer: Python imports a lot on a busy machine.
const readyWithin = time.Minute

// Moto runs moto_server on a free loopback port until the test ends, and returns its URL. The variable MOTO_SERVER names
// its path. Without it the test is skipped, see [Tool].
func Moto(t TB) string {
	t.Helper()
	path := Tool(t, os.Getenv("MOTO_SERVER"), "MOTO_SERVER", "moto_server", "pip install 'moto[server]'")
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)

	var output bytes.Buffer
	cmd := exec.Command(path, "-H", "127.0.0.1", "-p", port)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it starts ends with it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})

	deadline := time.After(readyWithin)
	for !answers("http://" + address + "/moto-api/data.json") {
		select {
		case <-ended:
			t.Fatalf("moto_server ended before it was ready:\n%s", output.String())
		case <-deadline:
			t.Fatalf("moto_server was not ready within %v", readyWithin)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return "http://" + address
}

func freeAddress(t TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// answers says whether a GET is answered with 200, over a connection of its own.
func answers(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
