package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

const (
	saqWorkers = 3
	saqDevices = 6
	saqJobs    = 10 // at each device, in each of the two fleets
)

// errParts is returned where the parts of the fleet's demonstration aren't installed.
type errParts struct{ lacks string }

func (e errParts) Error() string {
	return e.lacks + `
what to do:
  install redis-server (Debian: apt-get install redis-server)
  python3 -m venv venv
  venv/bin/pip install ./host-example/python 'saq[redis]==0.25.2' 'netmiko==4.6.0' 'scrapli[asyncssh]==2025.1.30' pydantic-settings
  make demo-fleet PYTHON=$PWD/venv/bin/python3`
}

// saqFleet is three of Tom's workers, or stand-ins for them, on saq and a real Redis, with an agent each.
type saqFleet struct {
	out       io.Writer
	directory string
	program   string // host-example, absolute
	python    string
	source    string // the directory host-example of the repository
	environ   []string
	redisPort int
	backend   *awssmtest.Server
	devices   devices
	server    aaa
	password  string
	version   int
}

// aaa counts as a server does that the devices ask about passwords.
type aaa struct {
	mu                sync.Mutex
	wrong, row, worst int // worst is the longest row of wrong passwords
}

func (a *aaa) answered(accepted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if accepted {
		a.row = 0
		return
	}
	a.wrong++
	a.row++
	a.worst = max(a.worst, a.row)
}

// counted returns what was counted since it was called last.
func (a *aaa) counted() (wrong, worst int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wrong, worst = a.wrong, a.worst
	a.wrong, a.row, a.worst = 0, 0, 0
	return wrong, worst
}

// demonstrateFleet rotates the password of six devices one by one while three workers do jobs there, and kills an agent and a
// provider: with the guard, and then without it. Its lines on stdout differ from run to run.
func demonstrateFleet(ctx context.Context, out io.Writer, program, source, python string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	redis, err := parts(ctx, source, python)
	if err != nil {
		return err
	}
	directory, err := os.MkdirTemp("/tmp", "tom-fleet-") // short: a socket's path has at most 103 bytes
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	backend, err := awssmtest.Start(awssmtest.Options{})
	if err != nil {
		return err
	}
	defer backend.Close()
	f := &saqFleet{out: out, directory: directory, python: python, backend: backend, password: password}
	if f.program, err = filepath.Abs(program); err != nil {
		return err
	}
	if f.source, err = filepath.Abs(source); err != nil {
		return err
	}
	if err := f.prepare(); err != nil {
		return err
	}
	defer func() { f.devices.close() }()
	f.say("Three of Tom's workers (stand-ins with the same interfaces) get jobs from saq, through a real Redis. Each has an agent.")
	stop, err := f.startRedis(ctx, redis)
	if err != nil {
		return err
	}
	defer stop()
	with, err := f.play(ctx, "with the guard", true)
	if err != nil {
		return err
	}
	f.say("The same once more, without the guard: Tom's own adapters log in.")
	without, err := f.play(ctx, "login_guard: off", false, "TOM_WORKER_LOGIN_GUARD=off")
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(table, "\t%s\t%s\n", with.name, without.name)
	for _, row := range []struct {
		name string
		of   func(tally) int
	}{
		{"jobs", func(t tally) int { return t.jobs }},
		{"answered", func(t tally) int { return t.done + t.failed }},
		{"done", func(t tally) int { return t.done }},
		{"wrong passwords shown to devices", func(t tally) int { return t.wrong }},
		{"the most of them in a row", func(t tally) int { return t.worst }},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\n", row.name, row.of(with), row.of(without))
	}
	_ = table.Flush()
	for _, why := range with.why { // on a busy machine
		_, _ = fmt.Fprintf(out, "a job of the fleet with the guard failed: %s\n", why)
	}
	f.say("An AAA server that the devices share locks the account after five wrong passwords in a row, or three.")
	return with.check()
}

// tally is what was counted of one fleet.
type tally struct {
	name                             string
	jobs, done, failed, wrong, worst int
	why                              []string // of the failed jobs
}

// check returns an error if the fleet with the guard has not kept its promises.
func (t tally) check() error {
	if t.done+t.failed != t.jobs || t.worst >= 5 {
		return fmt.Errorf("with the guard %d of %d jobs were answered, and %d wrong passwords were shown in a row", t.done+t.failed, t.jobs, t.worst)
	}
	return nil
}

// parts finds redis-server, and looks whether the Python has what Tom's worker needs.
func parts(ctx context.Context, source, python string) (redis string, err error) {
	redis, err = exec.LookPath("redis-server")
	if err != nil {
		return "", errParts{"this demonstration needs redis-server"}
	}
	look := exec.CommandContext(ctx, python, "-c", "import saq, redis, netmiko, scrapli, asyncssh, pydantic_settings, yaml, tom_credential.agent")
	look.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(source, "python"))
	if said, err := look.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		return "", errParts{fmt.Sprintf("%s isn't a Python that can run Tom's worker: %s", python, cmp.Or(lines[len(lines)-1], err.Error()))}
	}
	return redis, nil
}

func (f *saqFleet) say(text string) { _, _ = fmt.Fprintf(f.out, "# %s\n", text) }

// prepare starts the devices, and writes the settings and the key of the ledger.
func (f *saqFleet) prepare() (err error) {
	for i := range saqDevices {
		device, err := devicetest.Start(devicetest.Options{Name: fmt.Sprintf("lab-sw%d", i+1), Username: "admin", Password: password, Answered: f.server.answered})
		if err != nil {
			return err
		}
		f.devices = append(f.devices, device)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.redisPort = listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return err
	}
	key := filepath.Join(f.directory, "guard.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("made up ", 4)), 0o600); err != nil {
		return err
	}
	settings := fmt.Sprintf("credential_plugin: aws_secrets_manager\nlogin_guard_key_file: %s\nredis_host: 127.0.0.1\nredis_port: %d\n", key, f.redisPort)
	config := filepath.Join(f.directory, "tom_worker_config.yaml")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		return err
	}
	f.environ = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(strings.ToUpper(variable), "TOM_")
	})
	f.environ = append(f.environ, f.backend.Env()...)
	f.environ = append(f.environ, "HOME="+f.directory, "TOM_WORKER_CONFIG_FILE="+config, "TOM_AGENT_PROGRAM="+f.program, "TOM_AGENT_LINGER=1s",
		"PYTHONPATH="+filepath.Join(f.source, "python")+":"+filepath.Join(f.source, "python", "testdata", "tom"))
	return nil
}

func (f *saqFleet) startRedis(ctx context.Context, program string) (stop func(), err error) {
	redis := exec.CommandContext(ctx, program, "--bind", "127.0.0.1", "--port", fmt.Sprint(f.redisPort), "--save", "", "--appendonly", "yes", "--dir", f.directory)
	if err := redis.Start(); err != nil {
		return nil, err
	}
	stop = func() { _ = redis.Process.Kill(); _ = redis.Wait() }
	for {
		line, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.redisPort))
		if err == nil {
			return stop, line.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		}
	}
}

// put gives the secret a new version.
func (f *saqFleet) put(ctx context.Context, password string) error {
	f.version++
	s := secret{"tom/credentials/lab_creds", `{"username": "admin", "password": "` + password + `"}`, fmt.Sprintf("5d2ab6a0-0000-4000-8000-%012d", f.version)}
	if f.version == 1 {
		return fill(ctx, f.backend, []secret{s})
	}
	return put(ctx, f.backend, s)
}

// play starts the workers and has them do jobs. After the first round of them the password is rotated, one device after the
// other; with faults, an agent and a provider are killed during it.
func (f *saqFleet) play(ctx context.Context, name string, faults bool, more ...string) (result tally, err error) {
	result = tally{name: name, jobs: saqJobs * saqDevices}
	if err := f.put(ctx, f.password); err != nil {
		return result, err
	}
	var workers []*tomWorker
	defer func() {
		for _, worker := range workers {
			err = errors.Join(err, worker.end(ctx))
		}
	}()
	for i := range saqWorkers {
		worker, err := f.startWorker(fmt.Sprintf("worker%d", i+1), more...)
		if err != nil {
			return result, err
		}
		workers = append(workers, worker)
	}
	_, _ = fmt.Fprintf(f.out, "$ export %s\n", strings.Join(append([]string{"TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager"}, more...), " "))
	for _, worker := range workers {
		if err := worker.log.await(ctx, "Starting worker ("); err != nil {
			return result, errors.Join(err, errors.New(worker.log.String()))
		}
		_, _ = fmt.Fprintf(f.out, "$ python3 -m tom_credential.tom > %s.log &\n", worker.name)
	}
	submitter, err := f.startSubmitter(ctx)
	if err != nil {
		return result, err
	}
	defer submitter.close()
	if err := submitter.submit(f.ports(1)); err != nil {
		return result, err
	}
	if err := submitter.collect(ctx, saqDevices, &result); err != nil {
		return result, err
	}
	f.say(fmt.Sprintf("%d jobs are done. The password is rotated in stages: in Secrets Manager first, then at one device after the other.", saqDevices))
	next := fmt.Sprintf("made-up-%d", 4720+f.version)
	if err := f.put(ctx, next); err != nil {
		return result, err
	}
	if err := submitter.submit(f.ports(saqJobs - 1)); err != nil {
		return result, err
	}
	for i, device := range f.devices {
		if err := submitter.collect(ctx, saqJobs-1, &result); err != nil {
			return result, err
		}
		device.SetPassword(next)
		_, _ = fmt.Fprintf(f.out, "lab-sw%d has the new password; jobs answered: %d, failed: %d\n", i+1, result.done+result.failed, result.failed)
		if faults && i == 1 {
			err = f.kill("the agent of worker1", workers[0].agent)
		} else if faults && i == 3 {
			err = f.kill("the provider of worker2", workers[1].provider)
		}
		if err != nil {
			return result, err
		}
	}
	f.password = next
	result.wrong, result.worst = f.server.counted()
	_, _ = fmt.Fprintf(f.out, "%d of %d jobs are done\n\n", result.done, result.jobs)
	return result, nil
}

// ports are those of all devices, so many times.
func (f *saqFleet) ports(times int) (ports []int) {
	for range times {
		for _, device := range f.devices {
			ports = append(ports, device.Port())
		}
	}
	return ports
}

func (f *saqFleet) kill(what string, find func() (int, error)) error {
	pid, err := find()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(f.out, "$ kill -KILL %d   # %s\n", pid, what)
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}

// tomWorker is a process of Tom's worker, which has started an agent, which has started a provider.
type tomWorker struct {
	name    string
	command *exec.Cmd
	log     *journal
	sockets string // the directory of its agent's
}

func (f *saqFleet) startWorker(name string, more ...string) (*tomWorker, error) {
	runtime, err := os.MkdirTemp(f.directory, name+"-")
	if err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(runtime, "log"))
	if err != nil {
		return nil, err
	}
	w := &tomWorker{name: name, sockets: filepath.Join(runtime, "tom-agent"), log: &journal{file: file, news: make(chan struct{})}}
	w.command = exec.Command(f.python, "-m", "tom_credential.tom")
	w.command.Env = append(slices.Clone(f.environ), append(more, "XDG_RUNTIME_DIR="+runtime, "TMPDIR="+runtime)...)
	w.command.Dir = f.directory
	w.command.Stdout, w.command.Stderr = w.log, w.log
	w.command.WaitDelay = 30 * time.Second // its agent holds the log open until it has exited
	return w, w.command.Start()
}

func child(parent int) (int, error) {
	pids, err := children(parent)
	if err == nil && len(pids) != 1 {
		err = fmt.Errorf("process %d has %d processes under it, not one", parent, len(pids))
	}
	if err != nil {
		return 0, err
	}
	return pids[0], nil
}

func (w *tomWorker) agent() (int, error) { return child(w.command.Process.Pid) }

func (w *tomWorker) provider() (int, error) {
	agent, err := w.agent()
	if err != nil {
		return 0, err
	}
	return child(agent)
}

// end ends the worker, and waits until its agent has exited too.
func (w *tomWorker) end(ctx context.Context) error {
	defer func() { _ = w.log.file.Close() }()
	_ = w.command.Process.Signal(syscall.SIGTERM)
	if err := w.command.Wait(); errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("the agent of %s has not exited: %w", w.name, err)
	}
	return ctx.Err()
}

// submitter is the process that gives saq its jobs.
type submitter struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	results *bufio.Scanner
	log     strings.Builder
}

func (f *saqFleet) startSubmitter(ctx context.Context) (*submitter, error) {
	s := &submitter{command: exec.CommandContext(ctx, f.python, filepath.Join(f.source, "demo", "submit.py"), fmt.Sprintf("redis://127.0.0.1:%d/0", f.redisPort))}
	s.command.Env, s.command.Dir, s.command.Stderr = f.environ, f.directory, &s.log
	var err error
	if s.stdin, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.results = bufio.NewScanner(stdout)
	return s, s.command.Start()
}

func (s *submitter) submit(ports []int) error {
	return json.NewEncoder(s.stdin).Encode(map[string]any{"ports": ports, "credential": "lab_creds"})
}

// collect waits for so many results.
func (s *submitter) collect(ctx context.Context, n int, into *tally) error {
	for range n {
		if !s.results.Scan() {
			return errors.Join(ctx.Err(), fmt.Errorf("jobs have no result: %s", s.log.String()))
		}
		var result struct{ Status, Error string }
		if err := json.Unmarshal(s.results.Bytes(), &result); err != nil {
			return err
		}
		if result.Status == "complete" {
			into.done++
		} else {
			into.failed++
			into.why = append(into.why, result.Error)
		}
	}
	return nil
}

func (s *submitter) close() {
	_ = s.stdin.Close()
	_ = s.command.Wait()
}
