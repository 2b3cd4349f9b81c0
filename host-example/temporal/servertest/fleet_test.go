// Package servertest runs workers on a real Temporal server, which takes ten minutes to compile the first time. Workers and the
// agent are the real programs.
package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/temporal"
	"go.temporal.io/server/temporaltest"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// password is what no history may have.
const password = "planted-Secret-93"

var (
	programs       string // the directory of the programs
	server         *temporaltest.TestServer
	temporalClient client.Client
)

func TestMain(m *testing.M) { os.Exit(mainStatus(m)) }

func mainStatus(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "temporal-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(programs) }()
	for program, source := range map[string][2]string{
		"temporal-worker":             {"..", "."},
		"host-example":                {"../../..", "./host-example"},
		"plugins/tom-credential-yaml": {"../../..", "./host-example/providers/yaml"},
	} {
		build := exec.Command("go", "build", "-o", filepath.Join(programs, program), source[1])
		build.Dir = source[0]
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", program, err, out)
			return 1
		}
	}
	set := func(value any) []dynamicconfig.ConstrainedValue {
		return []dynamicconfig.ConstrainedValue{{Value: value}}
	}
	server = temporaltest.NewServer(temporaltest.WithBaseServerOptions(temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): set(true),
		dynamicconfig.MatchingEnableFairness.Key():                  set(true),
		// One partition: each has an order, and four together have a rough one.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  set(1),
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): set(1),
	})), temporaltest.WithBaseClientOptions(client.Options{Logger: quiet{}}))
	temporalClient = server.GetDefaultClient()
	defer server.Stop()
	return m.Run()
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// fleet is a task queue with workers, an agent, and devices.
type fleet struct {
	*testing.T
	dir, queue string
	environ    []string
	devices    []*devicetest.Device
	agent      *process
	submitted  int
}

// newFleet has devices of which each has its own credential, "device-0" and so on. Nothing is started.
func newFleet(t *testing.T, devices int, change func(i int, o *devicetest.Options)) *fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "tf-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	f := &fleet{T: t, dir: dir, queue: t.Name()}
	var known, credentials bytes.Buffer
	for i := range devices {
		options := devicetest.Options{Name: fmt.Sprint("sw", i), Username: "admin", Password: password}
		if change != nil {
			change(i, &options)
		}
		d, err := devicetest.Start(options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		f.devices = append(f.devices, d)
		known.WriteString(d.KnownHost())
		_, _ = fmt.Fprintf(&credentials, "device-%d:\n  username: admin\n  password: %s\n", i, password)
	}
	f.write("known_hosts", known.String())
	f.write("creds.yml", credentials.String())
	f.environ = append(os.Environ(),
		"TOM_WORKER_SSH_KNOWN_HOSTS="+filepath.Join(dir, "known_hosts"), "TOM_WORKER_CREDENTIAL_PLUGIN=yaml", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS="+filepath.Join(programs, "plugins"),
		"TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE="+filepath.Join(dir, "creds.yml"), "TOM_WORKER_LOG_LEVEL=warn", "TOM_WORKER_SSH_LOGIN_TIMEOUT=15s",
		"TOM_AGENT_SOCKET="+filepath.Join(dir, "agent.sock"), "TEMPORAL_ADDRESS="+server.GetFrontendHostPort(), "TEMPORAL_NAMESPACE="+server.GetDefaultNamespace())
	return f
}

func (f *fleet) write(name, text string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// process is a program that runs.
type process struct {
	*exec.Cmd
	f    *fleet
	said lines
	end  func() error // waits
}

// lines are what a process writes.
type lines struct {
	mu   sync.Mutex
	text []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

func (f *fleet) start(program string, environ []string, args ...string) *process {
	f.Helper()
	p := &process{Cmd: exec.Command(filepath.Join(programs, program), args...), f: f}
	p.Dir, p.Env, p.Stderr, p.Stdout = f.dir, append(f.environ[:len(f.environ):len(f.environ)], environ...), &p.said, io.Discard
	if err := p.Start(); err != nil {
		f.Fatal(err)
	}
	p.end = sync.OnceValue(p.Wait)
	f.Cleanup(func() { p.kill() })
	return p
}

// worker starts a worker for some jobs at a time.
func (f *fleet) worker(concurrency int, environ ...string) *process {
	f.Helper()
	return f.start("temporal-worker", append(environ, fmt.Sprint("TOM_WORKER_CONCURRENCY=", concurrency)), "--task-queue", f.queue, "--lease", "2s")
}

// startAgent starts the agent, or another one in its place.
func (f *fleet) startAgent() {
	f.Helper()
	f.agent = f.start("host-example", nil, "agent", "--socket", filepath.Join(f.dir, "agent.sock"))
}

func (p *process) signal(s syscall.Signal) { _ = p.Process.Signal(s) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	_ = p.end()
}

// ends waits for the end and returns the exit status.
func (p *process) ends() int {
	p.f.Helper()
	done := make(chan struct{})
	go func() { _ = p.end(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		p.f.Fatalf("%s doesn't end: %s", p.Path, p.said.String())
	}
	return p.ProcessState.ExitCode()
}

// document is a job at a device, with commands that have its name.
func (f *fleet) document(id string, at, commands int, members string) string {
	var all []string
	for n := range commands {
		all = append(all, fmt.Sprintf(`"show %s.%d"`, id, n+1))
	}
	return fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"device-%d","commands":[%s]%s}`, id, f.devices[at].Port(), at, strings.Join(all, ","), members)
}

// submit starts a job as a workflow.
func (f *fleet) submit(document string, change ...func(*client.StartWorkflowOptions)) client.WorkflowRun {
	f.Helper()
	f.submitted++
	options := client.StartWorkflowOptions{ID: fmt.Sprint(f.queue, "/", f.submitted), TaskQueue: f.queue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}
	for _, c := range change {
		c(&options)
	}
	for tries := 1; ; tries++ { // a server that has too much to do may be asked again: the id is the same
		run, err := temporalClient.ExecuteWorkflow(f.Context(), options, "job", json.RawMessage(document))
		if err == nil {
			return run
		}
		if tries == 20 {
			f.Fatal(err)
		}
	}
}

// result waits for a job's result.
func (f *fleet) result(run client.WorkflowRun) (r job.Result) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 20*time.Minute)
	defer cancel()
	var line json.RawMessage
	if err := run.Get(ctx, &line); err != nil {
		f.Fatalf("job %s has no result: %v", run.GetID(), err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		f.Fatal(err)
	}
	return r
}

// shown is a result as it is printed.
func shown(r job.Result) string {
	line, _ := json.Marshal(r)
	return string(line)
}

// until waits for something to be there.
func (f *fleet) until(what string, there func() bool) {
	f.Helper()
	for end := time.Now().Add(2 * time.Minute); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("not in time: %s", what)
		}
	}
}

// offered waits until a job is at the point where a worker may take it.
func (f *fleet) offered(runs ...client.WorkflowRun) {
	f.Helper()
	for _, run := range runs {
		f.until("job "+run.GetID()+" is offered", func() bool {
			described, err := temporalClient.DescribeWorkflowExecution(f.Context(), run.GetID(), run.GetRunID())
			return err == nil && len(described.GetPendingActivities()) == 1
		})
	}
}
