package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Devices that want a code besides the password don't quarantine it and get it once, a device whose lines are taken for a moment is tried once
// more, and one behind another is reached, in one run.
func TestRunAtDevices(t *testing.T) {
	const code, again, busy, bastion, behind, closed = 0, 1, 2, 3, 4, 5
	s := newSite(t, 1, 6, func(_, d int) devicetest.Options {
		options := devicetest.Options{Name: fmt.Sprintf("r%d", d), Username: "admin"}
		switch d {
		case code, again:
			options.Methods, options.Rounds = []string{"keyboard-interactive"}, true
			options.Prompts = []devicetest.Prompt{{Text: "Password: "}, {Text: "Verification code: "}}
		case busy:
			options.Busy = 1
		case bastion:
			options.Forwards = true
		}
		return options
	})
	s.rotate(0, "first password")
	devices := s.devices[0]
	line := func(id string, at int, jump string) string {
		return fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"]%s}`+"\n", id, devices[at].Port(), jump)
	}
	through := func(at int) string {
		return fmt.Sprintf(`,"jump":{"host":"127.0.0.1","port":%d}`, devices[at].Port())
	}
	jobs := line("code", code, "") + line("another code", again, "") + line("too soon", code, "") + line("busy", busy, "") + line("behind", behind, through(bastion)) + line("closed", behind, through(closed))
	var out, log bytes.Buffer
	environ := slices.Concat(s.environ, []string{"TOM_WORKER_CONCURRENCY=1", "TOM_WORKER_LOG_LEVEL=warning"})
	if status := run(t.Context(), []string{"run"}, io.NopCloser(strings.NewReader(jobs)), &out, &log, environ); status != statusDone && status != statusFailed {
		t.Fatalf("exit status %d\n%s", status, log.String())
	}
	results := map[string]job.Result{}
	for text := range strings.Lines(out.String()) {
		var result job.Result
		if err := json.Unmarshal([]byte(text), &result); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		results[result.ID] = result
	}
	for _, id := range []string{"code", "another code"} {
		if e := results[id].Error; e == nil || e.Reason != device.LoginUnsupported || !strings.Contains(e.Message, "Verification code:") {
			t.Errorf("%s: got %+v", id, results[id].Error)
		}
	}
	if e := results["too soon"].Error; e == nil || e.Reason != credential.CredentialRejected {
		t.Errorf("the device that asks for a code is shown the password again: %+v", e)
	}
	for id, at := range map[string]int{"busy": busy, "behind": behind} {
		if result := results[id]; result.Status != job.StatusOK || result.Outputs[0].Output != fmt.Sprintf("version of r%d\n", at) {
			t.Errorf("%s: got %+v (%+v)", id, result, result.Error)
		}
	}
	if e := results["closed"].Error; e == nil || e.Reason != device.Unreachable || !strings.Contains(e.Message, devices[closed].Address()) {
		t.Errorf("closed: got %+v", e)
	}
	if strings.Contains(out.String()+log.String(), "first password") {
		t.Error("the password is in the results or in the log")
	}
}
