package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// binary is the worker's executable, built when it is first asked for.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(pluginDir), program)
	return path, build(".", path)
})

// process is host-example as a process.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	input   io.WriteCloser
	output  io.Closer
	results *bufio.Reader
	log     output
}

func startProcess(t *testing.T, directory string, environ []string, args ...string) *process {
	t.Helper()
	p := newProcess(t, directory, environ, args...)
	p.start()
	return p
}

// newProcess prepares a process, whose cmd may still be changed.
func newProcess(t *testing.T, directory string, environ []string, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = directory, environ, &p.log
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.output, p.results = stdout, bufio.NewReader(stdout)
	return p
}

func (p *process) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
}

// do gives the worker a job and waits for its result.
func (p *process) do(jobLine string) (result job.Result) {
	p.t.Helper()
	_, _ = io.WriteString(p.input, jobLine)
	return p.next()
}

// next waits for a result.
func (p *process) next() (result job.Result) {
	p.t.Helper()
	line, err := p.results.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &result)
	}
	if err != nil {
		p.t.Fatalf("no result: %q, %v; the log:\n%s", line, err, &p.log)
	}
	return result
}

// until polls for an event.
func (p *process) until(what string, happened func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("still not: %s; the log:\n%s", what, p.log.String())
		}
	}
}

// end closes the input, waits for the process's end and returns what else it has printed, and its log.
func (p *process) end() (printed, log string) {
	p.t.Helper()
	_ = p.input.Close()
	rest, _ := io.ReadAll(p.results)
	_ = p.cmd.Wait()
	return string(rest), p.log.String()
}

// output is what a process writes, while it is read.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) Len() int { return len(o.String()) }
