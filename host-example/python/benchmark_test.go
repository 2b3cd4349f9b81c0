//go:build unix

package python

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// BenchmarkWorker runs benchmark.py: what a worker in Python has of the agent, beside boto3 in its process. The backend takes
// 100 ms for each answer. The peer of a cached read is that of BenchmarkCachedRead. A new agent is to be found within 500 ms.
func BenchmarkWorker(b *testing.B) {
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.Command(python, "-c", "import boto3, grpc, requests").Run() != nil {
		b.Skip("set PYTHON to a Python with boto3, grpcio and requests")
	}
	backend := awssmtest.StartTest(b, awssmtest.Options{Latency: 100 * time.Millisecond})
	for i := range 100 {
		backend.PutSecret(fmt.Sprintf("tom/credentials/id%d", i), `{"username":"admin","password":"made-up"}`)
	}
	other := startPeer(b, backend)
	directory, here := b.TempDir(), "."
	hostExample, _ := built(b)
	if absolute, err := filepath.Abs(here); err == nil {
		here = absolute
	}
	command := exec.Command(python, filepath.Join(here, "benchmark.py"))
	command.Dir = here
	command.Env = append(os.Environ(), backend.Env()...)
	command.Env = append(command.Env, "PYTHONPATH="+here, "PYTHONDONTWRITEBYTECODE=1", "XDG_RUNTIME_DIR="+directory, "TOM_AGENT_LINGER=5s",
		"TOM_AGENT_PROGRAM="+hostExample, "TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager",
		"TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_REGION=us-east-1", "TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_ENDPOINT_URL="+backend.URL(),
		"TEST_ENDPOINT="+backend.URL(), "TEST_HTTP="+other.url, "TEST_HTTP_TOKEN="+other.token, "GRPC_VERBOSITY=NONE", "TURNS="+strconv.Itoa(min(b.N, 20)))
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		b.Fatal(err)
	}
	measured := map[string]float64{}
	for line := range strings.Lines(string(output)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if measured[name], err = strconv.ParseFloat(value, 64); err != nil {
			b.Fatalf("%q: %v", line, err)
		}
	}
	b.Logf("\n%s", output)
	ratio := func(unit, ours, theirs string) { b.ReportMetric(measured[ours]/measured[theirs], unit) }
	ratio("stall-10/boto3-thread", "stall, 10 jobs, agent (ms)", "stall, 10 jobs, boto3 in a thread (ms)")
	ratio("stall-100/boto3-thread", "stall, 100 jobs, agent (ms)", "stall, 100 jobs, boto3 in a thread (ms)")
	ratio("stall-10/boto3", "stall, 10 jobs, agent (ms)", "stall, 10 jobs, boto3 on the loop (ms)")
	ratio("cached-read/requests-to-"+other.name, "cached read, agent (us)", "cached read, requests (us)")
	ratio("start/boto3", "start, agent (ms)", "start, boto3 (ms)")
	ratio("memory/boto3", "memory, agent (MiB)", "memory, boto3 (MiB)")
	b.ReportMetric(measured["new agent found, longest (ms)"], "ms-until-found")
	b.ReportMetric(0, "ns/op")
}
