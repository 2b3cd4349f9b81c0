package benchmark

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// envBackend makes this executable the backend, with the secret of one id.
const envBackend = "BENCHMARK_BACKEND"

// envTLS makes it one over TLS, with this latency.
const envTLS = "BENCHMARK_TLS"

// distantBackend starts a backend in its own process, as far away from the SDK call made in this process as from that
// made in a provider. In this process it would be nearer to the peer. It returns its address and the id that it knows.
func distantBackend(b *testing.B) (url, id string) { return startBackend(b) }

// distantTLSBackend is one over TLS, which takes its time to answer, as AWS does.
func distantTLSBackend(b *testing.B, latency time.Duration) (url, id string) {
	return startBackend(b, envTLS+"="+latency.String())
}

func startBackend(b *testing.B, environment ...string) (url, id string) {
	b.Helper()
	id = "lab0"
	command := exec.Command(os.Args[0])
	command.Env = append(append(os.Environ(), envBackend+"="+id), environment...)
	command.Stderr = os.Stderr
	lifeline, err := command.StdinPipe()
	must(b, err)
	output, err := command.StdoutPipe()
	must(b, err)
	must(b, command.Start())
	b.Cleanup(func() {
		_ = lifeline.Close()
		_ = command.Wait()
	})
	environment = nil
	for lines := bufio.NewScanner(output); lines.Scan() && lines.Text() != ""; {
		if url == "" {
			url = lines.Text()
			continue
		}
		environment = append(environment, lines.Text())
	}
	if url == "" {
		b.Fatal("the backend didn't start")
	}
	point(b, id, environment)
	return url, id
}

// serveBackend is the other process: it prints its address and environment, and lives as long as its standard input.
func serveBackend(id string) {
	latency, err := time.ParseDuration(os.Getenv(envTLS))
	server, err := awssmtest.Start(awssmtest.Options{Latency: latency, TLS: err == nil})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer server.Close()
	server.PutSecret(secretName(id), `{"username":"admin","password":"example"}`)
	environment := server.Env()
	if authority := server.CAPEM(); authority != nil {
		bundle := filepath.Join(os.TempDir(), fmt.Sprintf("benchmark-%d.pem", os.Getpid()))
		if err := os.WriteFile(bundle, authority, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		defer os.Remove(bundle)
		environment = append(environment, "AWS_CA_BUNDLE="+bundle)
	}
	fmt.Printf("%s\n%s\n\n", server.URL(), strings.Join(environment, "\n"))
	_, _ = io.Copy(io.Discard, os.Stdin)
}
