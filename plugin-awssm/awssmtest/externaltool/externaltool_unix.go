//go:build unix

// Package externaltool finds and runs what other people have written, for tests that compare our work with theirs: moto, which
// implements the same AWS services, and the AWS CLI.
package externaltool

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

// readyWithin is how long a server may take to answer: Python imports a lot on a busy machine.
const readyWithin = 2 * time.Minute

// Moto runs moto_server on a free loopback port until the test ends, and returns its URL. The variable MOTO_SERVER names
// its path. Without it the test is skipped, see [Tool].
func Moto(t TB) string {
	t.Helper()
	path := Tool(t, os.Getenv("MOTO_SERVER"), "MOTO_SERVER", "moto_server", "pip install 'moto[server]'")
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)

	cmd := exec.Command(path, "-H", "127.0.0.1", "-p", port)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}
	serve(t, cmd, "http://"+address+"/moto-api/data.json")
	return "http://" + address
}

// LocalStack runs LocalStack on a free loopback port until the test ends, and returns its URL. The variable
// LOCALSTACK_PYTHON names the Python that has it. Without it the test is skipped; under CI=true it fails.
func LocalStack(t TB) string {
	t.Helper()
	python := os.Getenv("LOCALSTACK_PYTHON")
	if python == "" {
		const message = "LOCALSTACK_PYTHON doesn't name a Python with LocalStack (pip install 'localstack-core[base-runtime]==4.14.0' 'moto-ext==5.1.54' " +
			"'cbor2<5.9' 'pyopenssl<24.3' 'cryptography<44' 'service_identity<24.3')"
		if os.Getenv("CI") == "true" {
			t.Fatalf(message)
		}
		t.Skipf(message)
		return ""
	}
	address := freeAddress(t)
	cmd := exec.Command(python, "-m", "localstack.runtime.main")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "GATEWAY_LISTEN=" + address, "SERVICES=secretsmanager,sts,iam", "AWS_EC2_METADATA_DISABLED=true",
		"DNS_ADDRESS=0", "DISABLE_EVENTS=1", "SKIP_SSL_CERT_DOWNLOAD=1", "SKIP_INFRA_DOWNLOADS=1", // it sends no request
	}
	serve(t, cmd, "http://"+address+"/_localstack/health")
	return "http://" + address
}

// serve runs a server until the test ends, and returns when the URL is answered.
func serve(t TB, cmd *exec.Cmd, url string) {
	t.Helper()
	var output bytes.Buffer
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
	for !answers(url) {
		select {
		case <-ended:
			t.Fatalf("%s ended before it was ready:\n%s", cmd.Path, output.String())
		case <-deadline:
			t.Fatalf("%s was not ready within %v", cmd.Path, readyWithin)
		case <-time.After(20 * time.Millisecond):
		}
	}
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

// answers reports whether a GET is answered with 200, over its own connection.
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
