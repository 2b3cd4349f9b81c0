//go:build unix

package main

import (
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// refusing is a worker with a wrong password, and devices that take their time to refuse it: until release is called.
type refusing struct {
	*process
	site  *site
	asked chan func()
}

func newRefusing(t *testing.T, devices int) *refusing {
	t.Helper()
	r := &refusing{asked: make(chan func())}
	r.site = newSite(t, 1, devices, func(int, int) devicetest.Options {
		return devicetest.Options{Username: "admin", Password: "right", Asked: r.asked}
	})
	r.site.backend.PutSecret("tom/credentials/c0", `{"username":"admin","password":"wrong"}`)
	r.process = startProcess(t, t.TempDir(), r.site.environ, "run")
	return r
}

func (r *refusing) job(device int, timeout string) {
	_, _ = fmt.Fprintf(r.input, `{"id":"1","host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"],"timeout":%q}`+"\n", r.site.devices[0][device].Port(), timeout)
}

// shown is how often the devices were shown the password, and fails if one of them was more than once.
func (r *refusing) shown() (all int) {
	r.t.Helper()
	for i, d := range r.site.devices[0] {
		d.Close() // it has counted then
		times := d.Refused()["wrong"]
		if times > 1 {
			r.t.Errorf("device %d was shown the wrong password %d times; the log:\n%s", i, times, &r.log)
		}
		all += times
	}
	return all
}

// TestAWrongPasswordIsShownOnce counts at the devices, whatever happens while one of them has the password.
func TestAWrongPasswordIsShownOnce(t *testing.T) {
	t.Parallel()
	t.Run("the jobs' time is up", func(t *testing.T) {
		r := newRefusing(t, 1)
		go func() {
			for {
				select {
				case release := <-r.asked:
					time.AfterFunc(time.Second, release) // as many devices do
				case <-t.Context().Done():
					return
				}
			}
		}()
		for range 4 {
			r.job(0, "300ms")
			if result := r.next(); result.Error == nil || result.Error.Reason != credential.CredentialRejected {
				t.Errorf("got %+v", result.Error)
			}
		}
		if shown := r.shown(); shown != 1 {
			t.Errorf("the password was shown %d times", shown)
		}
	})
	t.Run("the provider is killed", func(t *testing.T) {
		const devices = 6
		r := newRefusing(t, devices)
		for i := range devices * 3 {
			r.job(i%devices, "1m")
		}
		release := <-r.asked // the others wait for what becomes of this one
		if !r.site.kill(t) {
			t.Fatal("no provider runs")
		}
		release()
		go func() {
			for {
				select {
				case release := <-r.asked:
					release()
				case <-t.Context().Done():
					return
				}
			}
		}()
		for range devices * 3 {
			if result := r.next(); result.Error == nil || result.Error.Reason != credential.CredentialRejected {
				t.Errorf("got %+v", result.Error)
			}
		}
		if shown := r.shown(); shown != 2 {
			t.Errorf("%d devices were shown the password", shown)
		}
	})
	t.Run("the worker is told to end", func(t *testing.T) {
		for signals, want := range map[int]credential.Reason{1: credential.CredentialRejected, 2: job.Interrupted} {
			r := newRefusing(t, 1)
			r.job(0, "1m")
			r.job(0, "1m")
			release := <-r.asked
			var reasons []credential.Reason
			for range signals {
				if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if len(reasons) == 0 { // a second one too soon would be none
					reasons = append(reasons, r.next().Error.Reason)
				}
			}
			if signals == 1 {
				release()
			}
			reasons = append(reasons, r.next().Error.Reason)
			release()
			if !slices.Equal(reasons, []credential.Reason{job.NotStarted, want}) {
				t.Errorf("%d signals: %v", signals, reasons)
			}
			if rest, _ := io.ReadAll(r.results); len(rest) > 0 {
				t.Errorf("more results: %s", rest)
			}
			_ = r.cmd.Wait()
			if shown := r.shown(); shown > 1 {
				t.Errorf("the password was shown %d times", shown)
			}
		}
	})
}
