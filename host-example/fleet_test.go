//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestFleet has six workers share a ledger, each with two jobs at once and the same wrong password: together they show it as often
// as login_lockout_budget allows. The quarantine is listed and lifted without asking a worker, and all of them hear of it.
func TestFleet(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	key := filepath.Join(t.TempDir(), "guard.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("key "), 8), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, 1, 12, admins)
	audited := filepath.Join(t.TempDir(), "audit.log")
	port, _ := strconv.Atoi(redis.Port())
	environ := append(slices.Clone(s.environ), "TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE="+key,
		"TOM_WORKER_REDIS_HOST="+redis.Host(), fmt.Sprint("TOM_WORKER_REDIS_PORT=", port), "TOM_WORKER_AUDIT_LOG="+audited)
	s.backend.PutSecret("tom/credentials/c0", `{"username":"admin","password":"made-up-4711"}`)
	for _, d := range s.devices[0] {
		d.SetPassword("another one")
	}
	const workers = 6
	var fleet []*process
	for range workers {
		fleet = append(fleet, startProcess(t, t.TempDir(), environ, "run"))
	}
	submit := func(worker, device int) {
		t.Helper()
		_, _ = fmt.Fprintf(fleet[worker].input, `{"id":"1","host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"],"timeout":"90s"}`+"\n", s.devices[0][device].Port())
	}
	for device := range s.devices[0] {
		submit(device%workers, device)
	}
	for device := range s.devices[0] {
		if result := fleet[device%workers].next(); result.Error == nil || result.Error.Reason != credential.CredentialRejected {
			t.Errorf("worker %d: %+v", device%workers, result)
		}
	}
	shown := 0
	for _, d := range s.devices[0] {
		for _, n := range d.Refused() {
			shown += n
		}
	}
	if shown != 2 {
		t.Errorf("the devices were shown the wrong password %d times", shown)
	}
	command := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), append([]string{"quarantine"}, args...), nil, &stdout, &stderr, environ); status != statusDone {
			t.Errorf("%v ended with %d: %s%s", args, status, &stdout, &stderr)
		}
		return stdout.String()
	}
	if listed := command("list"); !strings.Contains(listed, "c0           2 devices    none for ") {
		t.Errorf("listed:\n%s", listed)
	}
	for _, d := range s.devices[0] {
		d.SetPassword("made-up-4711")
	}
	command("lift", "c0")
	if lines, _ := os.ReadFile(audited); !strings.Contains(string(lines), `"event":"quarantine_lifted"`) {
		t.Errorf("the audit log has\n%s", lines)
	}
	for worker, p := range fleet { // they hear of it in a moment
		p.until(fmt.Sprintf("worker %d does a job after the lift", worker), func() bool {
			submit(worker, worker)
			return p.next().Error == nil
		})
	}
	// One device that refuses it, and no quarantine.
	s.devices[0][7].SetPassword("by hand")
	submit(0, 7)
	fleet[0].until("the refusal is listed", func() bool { return strings.Contains(command("list"), "c0           1 device ") })
}
