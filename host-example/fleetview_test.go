//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tom-worker/credential-provider/host-example/observe/admin"
)

// glance runs "host-example fleet" and returns its status and output.
func glance(t *testing.T, environ []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	status = run(t.Context(), append([]string{"fleet"}, args...), nil, &out, &log, environ)
	return status, out.String(), log.String()
}

// seen is what "host-example fleet --output json" shows.
func seen(t *testing.T, environ []string, args ...string) (fleet admin.Fleet) {
	t.Helper()
	status, stdout, stderr := glance(t, environ, append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(stdout), &fleet); err != nil || status != statusDone {
		t.Fatalf("status %d: %s%s", status, stdout, stderr)
	}
	return fleet
}

// sharing returns the settings with which a site's workers share a Redis.
func sharing(t *testing.T, s *site, redis *miniredis.Miniredis) []string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "guard.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("key "), 8), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(s.environ), "TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE="+key,
		"TOM_WORKER_REDIS_HOST="+redis.Host(), "TOM_WORKER_REDIS_PORT="+redis.Port())
}

// TestFleetAtAGlance shows workers and an agent that share a Redis, one of which is killed, and a credential with a wrong password; from Redis, from
// a worker, without the backend and without Redis.
func TestFleetAtAGlance(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	s := newSite(t, 1, 4, admins)
	environ := sharing(t, s, redis)
	if status, stdout, stderr := glance(t, environ); status != statusDone || stdout != "" || !strings.Contains(stderr, "no worker and no agent runs") {
		t.Errorf("an empty fleet: status %d, %s%s", status, stdout, stderr)
	}
	s.backend.PutSecret("tom/credentials/c0", `{"username":"admin","password":"made-up-4711"}`)
	for _, d := range s.devices[0] {
		d.SetPassword("another one")
	}
	killed, p := startWatched(t, environ...), startWatched(t, environ...)
	socket := filepath.Join(t.TempDir(), "s", "agent.sock")
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	agent := startProcess(t, t.TempDir(), environ, "agent", "--socket", socket)
	for i, d := range s.devices[0] {
		if got := []*watched{killed, p}[i%2].job(fmt.Sprint(i), d.Port(), "c0"); got.Error == nil {
			t.Fatalf("%+v", got)
		}
	}
	p.until("all are there", func() bool { return len(seen(t, environ).Members) == 3 })
	fleet := seen(t, environ)
	for i, m := range fleet.Members {
		if kind := []string{"agent", "worker", "worker"}[i]; m.Kind != kind || !m.Ready || m.Silent || m.Version != version || m.Provider != "aws_secrets_manager" || m.PID == 0 || m.Host == "" {
			t.Errorf("%+v", m)
		}
	}
	want := admin.Credential{CredentialID: "c0", Refused: 2, WrongPasswords: 2, Failed: 2, Budget: 2, Devices: 2, Quarantined: true}
	check := func(name string, list []admin.Credential) {
		t.Helper()
		if len(list) != 1 {
			t.Errorf("%s: %+v", name, list)
			return
		}
		got := list[0]
		if got.RetrySeconds < 1 || got.Material == "" {
			t.Errorf("%s: %+v", name, got)
		}
		got.RetrySeconds, got.Material = 0, ""
		if got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	check("from Redis", fleet.Credentials)
	own := seen(t, nil, "--address", strings.TrimPrefix(p.url, "http://"))
	check("from a worker", own.Credentials)
	if len(own.Members) != 3 || own.Unavailable != "" {
		t.Errorf("%+v", own)
	}

	// One is killed, and a minute passes.
	_ = killed.cmd.Process.Kill()
	_ = killed.cmd.Wait()
	redis.SetTime(time.Now().Add(time.Minute))
	p.until("the others are heard again", func() bool {
		fleet = seen(t, environ)
		silent := slices.DeleteFunc(slices.Clone(fleet.Members), func(m admin.Member) bool { return !m.Silent })
		return len(fleet.Members) == 3 && len(silent) == 1
	})
	status, stdout, stderr := glance(t, environ)
	lines := strings.Split(stdout, "\n")
	if status != statusDone || len(lines) != 8 || !strings.HasPrefix(lines[0], "HOST") ||
		!regexp.MustCompile(`^c0 +2 +2 +2 of 2 +quarantined, \dm\d+s left$`).MatchString(lines[6]) {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	silent := 0
	for _, line := range lines[1:4] {
		if line[strings.Index(lines[0], "HEALTH"):][:6] == "silent" {
			silent++
			if !strings.HasSuffix(line, "-         -") {
				t.Errorf("%q", line)
			}
		}
	}
	if silent != 1 {
		t.Errorf("%d are silent:\n%s", silent, stdout)
	}

	// The backend is unavailable: digests stand for ids.
	s.backend.Close()
	cut := seen(t, environ)
	want.CredentialID = ""
	check("without the backend", cut.Credentials)

	// Who ends removes itself, and while Redis is away the page says so, and shows the worker.
	if err := agent.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = agent.cmd.Wait()
	if fleet = seen(t, environ); len(fleet.Members) != 2 {
		t.Errorf("%+v", fleet.Members)
	}
	address := redis.Addr()
	redis.Close()
	code, page := p.get("/")
	if code != 200 || !strings.Contains(page, "The ledger of logins is unavailable") || !strings.Contains(page, `<th scope="row" class="id">`) || strings.Count(page, "<td data-label=\"Kind\">worker") != 1 {
		t.Errorf("status %d:\n%s", code, page)
	}
	if own := seen(t, nil, "--address", strings.TrimPrefix(p.url, "http://")); own.Unavailable == "" || len(own.Members) != 1 || len(own.Credentials) != 1 {
		t.Errorf("%+v", own)
	}
	if got := p.samples()["tom_credential_ledger_unavailable"]; got != 1 {
		t.Errorf("tom_credential_ledger_unavailable is %v", got)
	}
	if n := strings.Count(p.log.String(), "redis with the ledger of logins is unreachable"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, p.log.String())
	}
	status, stdout, stderr = glance(t, environ)
	if status != statusFailed || stdout != "" || !strings.Contains(stderr, "reason: LEDGER_UNAVAILABLE") || !strings.Contains(stderr, address) || !strings.Contains(stderr, "redis_host") {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
	p.leave()
}

// A fleet of one: its ledger is in memory.
func TestFleetOfOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 1, admins)
	s.rotate(0, "a password")
	p := startWatched(t, append(s.environ, `TOM_WORKER_FLEET_LINKS=["SAQ=http://queue.example:8080/"]`)...)
	if got := p.job("1", s.devices[0][0].Port(), "c0"); got.Error != nil {
		t.Fatalf("%+v", got.Error)
	}
	fleet := seen(t, nil, "--address", strings.TrimPrefix(p.url, "http://"))
	if len(fleet.Members) != 1 || fleet.Members[0].PID != p.cmd.Process.Pid || len(fleet.Credentials) != 0 || fleet.Others != 1 {
		t.Errorf("%+v", fleet)
	}
	if code, page := p.get("/"); code != 200 || !strings.Contains(page, `<a href="http://queue.example:8080/" rel="noreferrer">SAQ</a>`) || !strings.Contains(page, "No device has refused") {
		t.Errorf("status %d:\n%s", code, page)
	}
	p.leave()
	var completed bytes.Buffer
	if run(t.Context(), []string{"__complete", "fleet", "--output", ""}, nil, &completed, io.Discard, nil); !strings.HasPrefix(completed.String(), "text\njson\n") {
		t.Errorf("completed:\n%s", completed.String())
	}
}
