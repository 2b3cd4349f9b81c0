package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/observe/trace/tracetest"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

func startCollector(t *testing.T) *tracetest.Collector {
	t.Helper()
	collector, err := tracetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(collector.Close)
	return collector
}

// family is a trace: its spans by the name of their parent and their own.
type family struct {
	root  tracetest.Span
	spans map[string][]tracetest.Span
}

// traces are those that a collector has, by the root's attribute of this name.
func traces(t *testing.T, collector *tracetest.Collector, by string) map[string]family {
	t.Helper()
	names, found := map[string]string{}, map[string]family{}
	spans := collector.Spans()
	for _, span := range spans {
		names[span.ID] = strings.TrimPrefix(span.Name, "tom.credential.v1.CredentialProvider/")
		if span.Parent == "" {
			found[span.Trace] = family{root: span, spans: map[string][]tracetest.Span{}}
		}
	}
	for _, span := range spans {
		of, ok := found[span.Trace]
		if !ok {
			t.Errorf("span %q has no root", span.Name)
			continue
		}
		path := names[span.ID]
		if span.Parent != "" {
			path = names[span.Parent] + "/" + path
		}
		of.spans[path] = append(of.spans[path], span)
	}
	named := map[string]family{}
	for _, of := range found {
		named[of.root.Attributes[by]] = of
	}
	return named
}

// count says how many spans there are of each kind.
func (f family) count() string {
	var counts []string
	for _, path := range []string{"job", "job/credential", "credential/GetCredential", "job/login", "login/ssh login", "login/GetCredential", "job/ssh command"} {
		counts = append(counts, fmt.Sprint(len(f.spans[path])))
	}
	return strings.Join(counts, " ")
}

// A worker that exports traces, with the real provider, a device whose password changes, and every log line there is: each
// job is one trace, the provider and the audit log name it, and nothing of it is secret.
func TestTracesOfJobs(t *testing.T) {
	t.Parallel()
	collector := startCollector(t)
	s := newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} })
	audit := filepath.Join(t.TempDir(), "audit.log")
	s.rotate(0, "canary-first")
	worker := startProcess(t, t.TempDir(), append(s.environ, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL(), "TOM_WORKER_AUDIT_LOG="+audit), "run", "--log-level", "debug")
	first := worker.do(s.job("1", 0))
	s.rotate(0, "canary-second")
	second := worker.do(strings.Replace(s.job("2", 0), "show version", "enable secret canary-command", 1))
	worker.do(strings.Replace(s.job("3", 0), "c0", "none", 1))
	_, log := worker.end()
	if first.Status != job.StatusOK || second.Attempts != 2 {
		t.Fatalf("got %+v and %+v; the log:\n%s", first, second, log)
	}

	jobs := traces(t, collector, "tom.job.id")
	if len(jobs) != 3 {
		t.Fatalf("%d traces", len(jobs))
	}
	for id, want := range map[string]string{
		"1": "1 1 1 1 1 1 1", // the device isn't known to accept the password, so the version before is looked for
		"2": "1 1 0 1 2 1 1", // the refused password was in the store; the login has it read again
		"3": "1 1 1 0 0 0 0",
	} {
		if got := jobs[id].count(); got != want {
			t.Errorf("job %s has %s spans, want %s: %+v", id, got, want, jobs[id].spans)
		}
	}
	for _, check := range []struct{ id, path, attribute, want string }{
		{"1", "job", "tom.job.status", "ok"},
		{"1", "job", "server.address", "127.0.0.1"},
		{"1", "job/credential", "tom.credential.outcome", "fresh"},
		{"1", "job/credential", "tom.credential.version", first.CredentialVersion},
		{"1", "job/ssh command", "tom.command.number", "1"},
		{"1", "job/ssh command", "tom.command.exit_status", "0"},
		{"2", "job", "tom.job.attempts", "2"},
		{"2", "job/credential", "tom.credential.outcome", "cached"},
		{"2", "login/ssh login", "error.type", "CREDENTIAL_REJECTED"},
		{"2", "login/GetCredential", "tom.credential.version", second.CredentialVersion},
		{"3", "job", "error.type", "CREDENTIAL_NOT_FOUND"},
		{"3", "credential/GetCredential", "rpc.response.status_code", "NOT_FOUND"},
	} {
		if spans := jobs[check.id].spans[check.path]; len(spans) == 0 || spans[0].Attributes[check.attribute] != check.want {
			t.Errorf("job %s, span %s: %s isn't %q: %+v", check.id, check.path, check.attribute, check.want, spans)
		}
	}

	read := "" // the provider's line about the credential that isn't there
	for line := range strings.Lines(log) {
		if strings.Contains(line, "host-example.aws_secrets_manager") && strings.Contains(line, "read failed") {
			read = line
		}
	}
	if want := "trace_id=" + jobs["3"].root.Trace; !strings.Contains(read, want) {
		t.Errorf("no %s in the provider's line %q", want, read)
	}
	if want := "a device refuses the credential: job=2 trace_id=" + jobs["2"].root.Trace; !strings.Contains(log, want) {
		t.Errorf("no line %q in the worker's log", want)
	}
	text, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range auditLines(t, audit) {
		if line.TraceID != jobs[line.Job].root.Trace {
			t.Errorf("the audit line of job %s has trace id %q", line.Job, line.TraceID)
		}
	}
	for where, found := range map[string][]byte{"traces": collector.Raw(), "log": []byte(log), "audit log": text} {
		if bytes.Contains(found, []byte("canary")) || len(found) == 0 {
			t.Errorf("a secret, or nothing at all, is in the %s", where)
		}
	}
}

// The commands for people are traces too, here over gRPC.
func TestTracesOfCommands(t *testing.T) {
	t.Parallel()
	s := newSite(t, 0, 0, nil)
	s.backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"canary"}`)
	for _, run := range []struct {
		command, says, call, status string
	}{
		{"get lab --reveal", "canary", "GetCredential", ""},
		{"get none", "CREDENTIAL_NOT_FOUND", "GetCredential", "NOT_FOUND CREDENTIAL_NOT_FOUND"},
		{"list", "lab", "ListCredentials", ""},
		{"validate", "passed", "Validate", ""},
	} {
		t.Run(run.command, func(t *testing.T) {
			collector := startCollector(t)
			environ := slices.Concat(s.environ, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.GRPC(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_SERVICE_NAME=tom"})
			args := strings.Fields(run.command)
			printed, log := startProcess(t, t.TempDir(), environ, args...).end()
			if !strings.Contains(printed+log, run.says) {
				t.Errorf("it says\n%s%s", printed, log)
			}
			found := traces(t, collector, "")
			if len(found) != 1 {
				t.Fatalf("%d traces", len(found))
			}
			of, root := found[""], "host-example "+args[0]
			if len(of.spans) != 3 || len(of.spans[root]) != 1 || len(of.spans[root+"/provider start"]) != 1 || len(of.spans[root+"/"+run.call]) != 1 {
				t.Errorf("got %+v", of.spans)
			}
			if of.root.Resource["service.name"] != "tom" || of.root.Status != run.status {
				t.Errorf("the root is %+v", of.root)
			}
			if bytes.Contains(collector.Raw(), []byte("canary")) {
				t.Error("a secret is in the traces")
			}
		})
	}
}

// A collector that never answers holds up no job, and the end of the worker for a few seconds only.
func TestCollectorThatHangs(t *testing.T) {
	t.Parallel()
	collector := startCollector(t)
	collector.Hang()
	s := newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} })
	s.rotate(0, "canary")
	const minutes = "600000" // the libraries would wait for so long
	worker := startProcess(t, t.TempDir(), append(s.environ, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL(),
		"OTEL_EXPORTER_OTLP_TIMEOUT="+minutes, "OTEL_BSP_EXPORT_TIMEOUT="+minutes, "OTEL_BSP_MAX_QUEUE_SIZE=4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=1"), "run", "--log-level", "warn")
	for i := range 20 {
		if result := worker.do(s.job(fmt.Sprint(i), 0)); result.Status != job.StatusOK {
			t.Errorf("got %+v", result.Error)
		}
	}
	<-collector.Hanging()
	started := time.Now()
	_, log := worker.end()
	if took := time.Since(started); took > time.Minute {
		t.Errorf("the end took %v", took)
	}
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "the collector didn't take the last spans in time") {
		t.Errorf("the log says\n%s", log)
	}
}

// Providers start in milliseconds, and have no use for what exports traces and metrics.
func TestProvidersLinkNoExporters(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "../plugin-awssm", "./providers/yaml", "../shared/provider", "../shared/host", "../shared/store").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "google.golang.org/grpc/metadata\n") {
		t.Fatalf("the list is not what it should be:\n%s", out)
	}
	for path := range strings.Lines(string(out)) {
		for _, heavy := range []string{"go.opentelemetry.io/", "github.com/prometheus/", "github.com/grpc-ecosystem/"} {
			if strings.HasPrefix(path, heavy) {
				t.Errorf("a provider links %s", path)
			}
		}
	}
}
