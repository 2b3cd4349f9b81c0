package benchmark

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// envBackend makes this executable the backend, with the secret of one id.
const envBackend = "BENCHMARK_BACKEND"

// distantBackend starts a backend in a process of its own, as far away from the SDK call made in this process as from that
// made in a provider. In this process it would be nearer to the peer. It returns its address and the id that it knows.
func distantBackend(b *testing.B) (url, id string) {
	b.Helper()
	id = "lab0"
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), envBackend+"="+id)
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
	var environment []string
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
	server, err := awssmtest.Start(awssmtest.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer server.Close()
	server.PutSecret(secretName(id), `{"username":"admin","password":"example"}`)
	fmt.Printf("%s\n%s\n\n", server.URL(), strings.Join(server.Env(), "\n"))
	_, _ = io.Copy(io.Discard, os.Stdin)
}
