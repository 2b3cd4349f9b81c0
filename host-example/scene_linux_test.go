package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
)

// scene is where a worker with a canary for a password does everything that it can do, and where everything that it leaves
// behind is kept: what it prints, files, traces.
type scene struct {
	*site
	directory string // home, working directory and place for temporary files and core files
	traces    *sink
	printed   bytes.Buffer
}

func newScene(t *testing.T, debuggable string) *scene {
	t.Helper()
	s := &scene{
		site: newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} }),
		// Not in t.TempDir, whose path is too long for a socket's address.
		traces: newSink(t),
	}
	directory, err := os.MkdirTemp("", "scene-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	s.directory = directory
	s.rotate(0, canary)
	s.backend.PutSecret("tom/credentials/malformed", `{"username":"admin","password":["`+canary+`"]}`)
	s.backend.PutSecret("tom/credentials/text", "admin:"+canary)
	if debuggable == "debuggable=1" {
		s.environ = append(s.environ, "TOM_CREDENTIAL_DEBUGGABLE=1", "TOM_WORKER_CREDENTIAL_PLUGIN_PASS_ENV=AWS_*,TOM_CREDENTIAL_DEBUGGABLE,GOTRACEBACK")
	}
	s.environ = append(s.environ,
		"TMPDIR="+directory, "GOTRACEBACK=crash", "GORACE=atexit_sleep_ms=0",
		"TOM_WORKER_AUDIT_LOG="+filepath.Join(directory, "audit.jsonl"),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+s.traces.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
	)
	return s
}

// command is host-example as a shell starts it that allows core files.
func (s *scene) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -c unlimited; exec host-example "$@"`, "sh"}, args...)...)
	command.Dir = s.directory
	command.Env = s.environ
	return command
}

func (s *scene) run(t *testing.T, status int, stdin string, args ...string) string {
	t.Helper()
	return s.runWith(t, nil, status, stdin, args...)
}

// runWith runs a command to its end, keeps what it prints, and returns what it prints on stdout.
func (s *scene) runWith(t *testing.T, variables []string, status int, stdin string, args ...string) string {
	t.Helper()
	command := s.command(t, args...)
	command.Env = append(command.Env, variables...)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run()
	if got := command.ProcessState.ExitCode(); got != status {
		t.Fatalf("%v ended with status %d, not %d\n%s%s", args, got, status, &stdout, &stderr)
	}
	_, _ = fmt.Fprintf(&s.printed, "--- %v\n%s%s", args, &stdout, &stderr)
	return stdout.String()
}

// crash runs a worker until it has the password, looks at its processes, and has both abort.
func (s *scene) crash(t *testing.T, job string) {
	t.Helper()
	command := s.command(t, "run", "--log-level", "trace")
	command.Env = append(command.Env, "TOM_WORKER_METRICS_ADDRESS=127.0.0.1:0")
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr output
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	results := json.NewDecoder(stdout)
	result := func() {
		t.Helper()
		if _, err := io.WriteString(stdin, job); err != nil {
			t.Fatal(err)
		}
		var got struct{ Status string }
		if err := results.Decode(&got); err != nil || got.Status != "ok" {
			t.Fatalf("result %+v, %v\n%s", got, err, &stderr)
		}
	}
	result()
	worker := command.Process.Pid
	providers := children(t, worker)
	if len(providers) == 0 {
		t.Fatal("the worker has no provider")
	}
	look(t, append(providers, worker))
	s.visit(t, stderr.String())
	s.searchFiles(t) // some are there only while they run
	for _, pid := range providers {
		if err := syscall.Kill(pid, syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
	}
	result() // by the next provider
	if err := command.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&s.printed, stdout)
	_ = command.Wait()
	s.printed.WriteString(stderr.String())
	if !strings.Contains(stderr.String(), "SIGABRT") {
		t.Errorf("the worker didn't crash:\n%s", &stderr)
	}
}

// look looks at what others see of processes.
func look(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		for _, name := range []string{"environ", "cmdline"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil {
				t.Logf("%v: no other user sees it", err) // an ordinary user, and a process that isn't dumpable
				continue
			}
			if len(text) == 0 || holdsCanary(text) {
				t.Errorf("the password is in %s of process %d, or nothing is", name, pid)
			}
		}
	}
}

// visit looks at everything that a worker serves over HTTP at the address in its log.
func (s *scene) visit(t *testing.T, log string) {
	t.Helper()
	address := listensAt.FindStringSubmatch(log)
	if address == nil {
		t.Fatalf("the worker serves nothing:\n%s", log)
	}
	defer http.DefaultClient.CloseIdleConnections()
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/quarantines"} {
		response, err := http.Get("http://" + address[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&s.printed, "--- %s\n", path)
		if n, err := io.Copy(&s.printed, response.Body); err != nil || n == 0 {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		_ = response.Body.Close()
	}
}

// children are the processes whose parent is pid.
func children(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		// The name, in parentheses, may hold anything.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

// search looks everywhere.
func (s *scene) search(t *testing.T) {
	t.Helper()
	for number, line := range strings.Split(s.printed.String(), "\n") {
		if holdsCanary([]byte(line)) {
			t.Errorf("printed, in line %d: %s", number+1, line)
		}
	}
	s.searchFiles(t)
	if len(s.traces.received()) == 0 {
		t.Error("no traces were sent")
	}
	if holdsCanary(s.traces.received()) {
		t.Error("the password is in the traces")
	}
}

// searchFiles looks into every file that there is now.
func (s *scene) searchFiles(t *testing.T) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(s.directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if err == nil && holdsCanary(content) {
			t.Errorf("the password is in %s", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("searched %d files: %v", files, err)
	}
}

func (s *scene) cores(t *testing.T) []string {
	t.Helper()
	cores, err := filepath.Glob(filepath.Join(s.directory, "core*"))
	if err != nil {
		t.Fatal(err)
	}
	return cores
}

// holdsCanary reports whether the password is there, as it is or in one of the usual codes.
func holdsCanary(text []byte) bool {
	forms := [][]byte{[]byte(canary), []byte(hex.EncodeToString([]byte(canary)))}
	for shift := range 3 { // wherever it starts in a longer text
		coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + canary))
		forms = append(forms, []byte(coded[4:len(coded)-4]))
	}
	for _, form := range forms {
		if bytes.Contains(text, form) {
			return true
		}
	}
	return false
}
