package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// logFile is where the log of a live worker goes.
const logFile = "worker.log"

// live is a worker that runs, with its stdin open.
type live struct {
	shell   *shell
	command *exec.Cmd
	stdin   io.WriteCloser
	results *bufio.Reader
	log     *journal
}

// start starts a worker that logs to a file. It ends with ctx at the latest.
func (s *shell) start(ctx context.Context, log string, args ...string) (*live, error) {
	_, _ = fmt.Fprintf(s.out, "$ host-example %s 2> %s\n", strings.Join(args, " "), log)
	file, err := os.Create(filepath.Join(s.directory, log))
	if err != nil {
		return nil, err
	}
	w := &live{shell: s, log: &journal{file: file, news: make(chan struct{})}}
	w.command = exec.CommandContext(ctx, s.worker, args...)
	w.command.Dir, w.command.Env, w.command.Stderr = s.directory, s.environ, w.log
	if w.stdin, err = w.command.StdinPipe(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	stdout, err := w.command.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w.results = bufio.NewReader(stdout)
	if err := w.command.Start(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return w, nil
}

// do gives the worker a job and shows its result, which must be a success after so many logins.
func (w *live) do(ctx context.Context, job string, attempts int) error {
	if _, err := io.WriteString(w.stdin, job+"\n"); err != nil {
		return w.problem(ctx, err)
	}
	line, err := w.results.ReadBytes('\n')
	if err != nil {
		return w.problem(ctx, err)
	}
	_, _ = fmt.Fprintf(w.shell.out, "%s\n%s\n", job, line)
	var result struct {
		Status   string
		Attempts int
	}
	if err := json.Unmarshal(line, &result); err != nil || result.Status != "ok" || result.Attempts != attempts {
		return w.problem(ctx, fmt.Errorf("the job's result is %s", line))
	}
	return nil
}

// problem says what the worker said about it.
func (w *live) problem(ctx context.Context, err error) error {
	return errors.Join(err, ctx.Err(), errors.New(w.log.String()))
}

// killProvider ends the provider's process, which is the worker's only child, as hard as can be.
func (w *live) killProvider() error {
	pids, err := children(w.command.Process.Pid)
	if err != nil {
		return err
	}
	if len(pids) != 1 {
		return fmt.Errorf("the worker has %d processes under it, not the provider's alone", len(pids))
	}
	_, _ = fmt.Fprintf(w.shell.out, "$ kill -KILL %d\n\n", pids[0])
	provider, err := os.FindProcess(pids[0])
	if err != nil {
		return err
	}
	return provider.Kill()
}

// end closes the worker's stdin, as Ctrl-D does, and waits until it has ended.
func (w *live) end(ctx context.Context) error {
	if err := w.stdin.Close(); err != nil {
		return err
	}
	if err := w.command.Wait(); err != nil {
		return w.problem(ctx, err)
	}
	return nil
}

// close ends the worker if it still runs.
func (w *live) close() {
	if w.command.ProcessState == nil {
		_ = w.stdin.Close()
		_ = w.command.Process.Kill() // its provider exits when stdin ends
		_ = w.command.Wait()
	}
	_ = w.log.file.Close()
}

// journal is a log: a file, and a place to wait for what will be in it.
type journal struct {
	file *os.File
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{} // closed with the next piece
}

// Write implements io.Writer.
func (j *journal) Write(piece []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(piece)
	close(j.news)
	j.news = make(chan struct{})
	return j.file.Write(piece)
}

// String returns what has been written.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// await returns when the log says something.
func (j *journal) await(ctx context.Context, something string) error {
	for {
		j.mu.Lock()
		there, news := bytes.Contains(j.text.Bytes(), []byte(something)), j.news
		j.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
