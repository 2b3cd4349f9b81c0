//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// workshop is a worker whose stdin stays open, and a device that holds its commands.
type workshop struct {
	*testing.T
	*process
	site *site
	held chan func()
}

func openWorkshop(t *testing.T, grace string, variables ...string) *workshop {
	t.Helper()
	w := &workshop{T: t, held: make(chan func())}
	w.site = newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin", Held: w.held} })
	w.site.rotate(0, "a password")
	w.process = newProcess(t, t.TempDir(), slices.Concat(w.site.environ, variables, []string{"TOM_WORKER_SHUTDOWN_GRACE=" + grace}), "run")
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.start()
	// Who waits for what never comes finds the outputs at their end.
	patience := time.AfterFunc(2*time.Minute, func() { _ = w.cmd.Process.Kill() })
	t.Cleanup(func() {
		patience.Stop()
		if t.Failed() {
			t.Logf("the log:\n%s", &w.log)
		}
	})
	return w
}

func (w *workshop) line(text string) { _, _ = io.WriteString(w.input, text+"\n") }

func (w *workshop) job(id string) {
	w.line(fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"],"timeout":"1h"}`, id, w.site.devices[0][0].Port()))
}

// inFlight gives the worker the job "in flight", and returns when that is at the device. It goes on when release is called.
func (w *workshop) inFlight() (release func()) {
	w.Helper()
	w.job("in flight")
	select {
	case release = <-w.held:
	case <-time.After(time.Minute):
		w.Fatal("no job has started")
	}
	if runtime.GOOS == "linux" && w.site.provider(w.T) == nil {
		w.Fatal("no provider runs")
	}
	return release
}

// signal sends a signal as an init system does, or, of an interrupt, as a terminal does: to the whole process group.
func (w *workshop) signal(signal syscall.Signal) {
	w.Helper()
	to := w.cmd.Process.Pid
	if signal == syscall.SIGINT {
		to = -to
	}
	if err := syscall.Kill(to, signal); err != nil {
		w.Fatal(err)
	}
}

// want reads results, in any order.
func (w *workshop) want(want ...string) {
	w.Helper()
	var got []string
	for range want {
		result := w.next()
		text := result.ID + " " + string(result.Status)
		if result.Error != nil {
			text += " " + string(result.Error.Reason)
		}
		got = append(got, text)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Fatalf("results: %q, want %q", got, want)
	}
}

// wantStatus waits for the worker's end, without further results, and for the provider's.
func (w *workshop) wantStatus(want int) {
	w.Helper()
	if rest, _ := io.ReadAll(w.results); len(rest) > 0 {
		w.Errorf("more results: %s", rest)
	}
	_ = w.cmd.Wait()
	if state := w.cmd.ProcessState; state.ExitCode() != want {
		w.Errorf("the worker ended with %v, want exit status %d", state, want)
	}
	w.gone()
}

// gone waits until the provider's process is gone.
func (w *workshop) gone() {
	w.Helper()
	if runtime.GOOS == "linux" {
		w.until("the provider's process is gone", func() bool { return w.site.provider(w.T) == nil })
	}
}

// TestSignalsToEnd ends workers with jobs in flight, and with an input that stays open.
func TestSignalsToEnd(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "Ctrl-C": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("without a job", func(t *testing.T) {
				t.Parallel()
				w := openWorkshop(t, "1h")
				w.line("no job")
				w.want(" invalid JOB_INVALID") // it runs
				w.signal(signal)
				w.wantStatus(statusDone)
			})
			t.Run("jobs in flight end", func(t *testing.T) {
				t.Parallel()
				w := openWorkshop(t, "1h")
				release := w.inFlight()
				w.job("waits")
				w.signal(signal)
				w.want("waits not_started JOB_NOT_STARTED")
				w.job("late")
				w.line("no job")
				w.want("late not_started JOB_NOT_STARTED", " invalid JOB_INVALID")
				release()
				w.want("in flight ok")
				w.wantStatus(statusDone)
			})
			t.Run("the grace period is over", func(t *testing.T) {
				t.Parallel()
				w := openWorkshop(t, "50ms")
				w.inFlight()
				w.job("waits")
				w.signal(signal)
				w.want("waits not_started JOB_NOT_STARTED", "in flight failed JOB_INTERRUPTED")
				w.wantStatus(statusDone)
			})
			t.Run("a second one", func(t *testing.T) {
				t.Parallel()
				w := openWorkshop(t, "1h")
				w.inFlight()
				w.job("waits")
				w.signal(signal)
				w.want("waits not_started JOB_NOT_STARTED")
				w.signal(signal)
				w.want("in flight failed JOB_INTERRUPTED")
				w.wantStatus(statusDone)
			})
			t.Run("a third one", func(t *testing.T) {
				t.Parallel()
				w := openWorkshop(t, "1h")
				w.inFlight()
				w.job("waits")
				w.signal(signal)
				w.want("waits not_started JOB_NOT_STARTED")
				// The results are no longer read: the worker can't exit.
				flooded := make(chan struct{})
				go func() {
					defer close(flooded)
					for {
						if _, err := io.WriteString(w.input, strings.Repeat("no job\n", 100)); err != nil {
							return
						}
					}
				}()
				w.signal(signal)
				w.until("the job in flight is broken off", func() bool { return w.site.devices[0][0].Sessions() == 0 })
				w.signal(signal)
				_ = w.cmd.Wait()
				state := w.cmd.ProcessState
				if status, ok := state.Sys().(syscall.WaitStatus); !ok || status.Signal() != signal { // -1 if it wasn't a signal
					t.Errorf("the worker ended with %v, want its end by the signal", state)
				}
				_ = w.input.Close()
				<-flooded
				w.gone()
			})
		})
	}
}

// TestSignalsToEndDuringAReload: who wants the worker to end doesn't wait for a provider that never is ready.
func TestSignalsToEndDuringAReload(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string]int{"the end of stdin": 0, "two signals": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorkshop(t, "1h", "TOM_WORKER_CREDENTIAL_PLUGIN_START_TIMEOUT=1h")
			release := w.inFlight()
			if signals > 0 {
				w.job("waits")
			}
			script := filepath.Join(w.site.plugins, "tom-credential-aws_secrets_manager")
			// Beside it first: a program that runs can't be written to.
			if err := regular.WriteExecutable(script+".new", strings.NewReader("#!/bin/sh\n: >"+script+".started\nexec sleep 600\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(script+".new", script); err != nil {
				t.Fatal(err)
			}
			w.signal(syscall.SIGHUP)
			w.until("the new provider has started", func() bool { _, err := os.Stat(script + ".started"); return err == nil })
			if signals == 0 {
				release()
				w.want("in flight ok")
				_ = w.input.Close()
			} else {
				w.signal(syscall.SIGTERM)
				w.want("waits not_started JOB_NOT_STARTED")
				w.signal(syscall.SIGTERM)
				w.want("in flight failed JOB_INTERRUPTED")
			}
			w.wantStatus(statusDone)
		})
	}
}

// TestUnreadResults ends the worker when the reader of its results is gone, as in "host-example run | head -1".
func TestUnreadResults(t *testing.T) {
	t.Parallel()
	w := openWorkshop(t, "1h")
	release := w.inFlight()
	w.job("waits")
	if err := w.output.Close(); err != nil {
		t.Fatal(err)
	}
	release()
	w.wantStatus(statusFailed)
	if log := w.log.String(); !strings.Contains(log, "write a result") || !strings.Contains(log, "reason: STREAM_FAILED\n") {
		t.Errorf("the worker says: %s", log)
	}
	if commands := w.site.devices[0][0].Commands(); len(commands) != 1 {
		t.Errorf("the device was given %q", commands)
	}
}
