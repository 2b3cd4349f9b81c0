//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// What an agent serves keeps the contract, as far as it can be seen without launching anything.
func TestConformanceOfAnAgent(t *testing.T) {
	t.Parallel()
	s := newAgentSite(t)
	s.write("creds.yml", `
lab: {username: admin, password: "canary-<4711>", enable_password: canary-4712}
core: {username: netops, password: ' canary-4713 "x" '}
keyed: {username: k, private_key: "-----BEGIN\ncanary4714\n"}
broken: {username: admin, password: [canary-4715]}
`)
	s.write("fixtures.yaml", `
credentials:
  lab: {username: admin, password: "canary-<4711>", extra: {enable_password: canary-4712}}
  core: {username: netops, password: ' canary-4713 "x" '}
  keyed: {username: k, extra: {private_key: "-----BEGIN\ncanary4714\n"}}
missing: [absent]
malformed: {broken: [canary-4715]}
`)
	s.start()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) (results map[string]string, err error) {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"conformance", "--output", "json", "--fixtures", filepath.Join(s.dir, "fixtures.yaml")}, args...)...)
		var stdout, stderr bytes.Buffer
		cmd.Env, cmd.Stdout, cmd.Stderr = s.environ, &stdout, &stderr
		err = cmd.Run()
		var report struct {
			Results []struct{ ID, Verdict, Detail string }
		}
		if decoding := json.Unmarshal(stdout.Bytes(), &report); decoding != nil {
			t.Fatalf("%v\n%s%s", decoding, &stdout, &stderr)
		}
		results = map[string]string{}
		for _, result := range report.Results {
			results[result.ID] = result.Verdict
			if result.Verdict == "failed" || result.Verdict == "blocked" {
				t.Logf("%s %s: %s", result.ID, result.Verdict, result.Detail)
			}
		}
		return results, err
	}
	results, err := check("--attach", "unix:"+s.socket)
	if err != nil {
		t.Errorf("it does not conform: %v", err)
	}
	made := 0
	launching := regexp.MustCompile("^CP-(HANDSHAKE|TLS|SHUTDOWN|LIFELINE|PROCESS|LOG|GROWTH|CHANGE)-|SECRECY-002")
	for id, verdict := range results {
		if launching.MatchString(id) != (verdict == "skipped") && launching.MatchString(id) {
			t.Errorf("%s %s: it can't be made", id, verdict)
		}
		if verdict == "passed" {
			made++
		}
	}
	for _, id := range []string{"CP-HEALTH-001", "CP-METADATA-005", "CP-CONFIGURE-007", "CP-GET-001", "CP-GET-006", "CP-BATCH-005", "CP-LIST-003", "CP-ID-001", "CP-VALIDATE-004",
		"CP-CONCURRENT-001", "CP-ENDURANCE-001", "CP-ROBUST-001", "CP-SECRECY-003", "CP-ERROR-003"} {
		if results[id] != "passed" {
			t.Errorf("%s %s", id, results[id])
		}
	}
	t.Logf("%d checks passed", made)

	// What isn't right is found there, too.
	s.write("fixtures.yaml", "credentials: {lab: {username: admin, password: another}}\nmissing: [absent]\n")
	if results, err = check("--attach", "unix:"+s.socket, "--run", "CP-GET-001"); err == nil || results["CP-GET-001"] != "failed" {
		t.Errorf("a wrong password: %v, %v", results, err)
	}
	if results, err = check("--attach", "unix:"+s.socket+".gone", "--run", "CP-GET-00[12]"); err == nil || results["CP-GET-001"] != "failed" {
		t.Errorf("nothing there: %v, %v", results, err)
	}
}
