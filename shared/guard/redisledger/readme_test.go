//go:build unix

package redisledger

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// TestReadme types what the document says, with the server's own client: the user that it makes can do all that a worker needs, and
// nothing else; and the keys are where an operator is told to look.
func TestReadme(t *testing.T) {
	p := startRedis(t)
	client := p.cmd.Path[:len(p.cmd.Path)-len(filepath.Base(p.cmd.Path))] + "redis-cli"
	if _, err := os.Stat(client); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no redis-cli beside redis-server, and CI=true")
		}
		t.Skip("no redis-cli beside redis-server")
	}
	document, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	typed := func(line string) string {
		t.Helper()
		output, err := exec.Command("sh", "-c", strings.Replace(line, "redis-cli", client+" -s "+p.socket, 1)).CombinedOutput()
		if err != nil || strings.Contains(string(output), "ERR") {
			t.Fatalf("%s: %v\n%s", line, err, output)
		}
		return string(output)
	}
	var commands []string
	for line := range strings.Lines(string(document)) {
		if line, indented := strings.CutPrefix(line, "    "); indented {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	if len(commands) != 6 || !strings.HasPrefix(commands[5], "ACL SETUSER tom") {
		t.Fatalf("the document has other commands: %q", commands)
	}
	acl := strings.Fields(strings.Replace(commands[5], ">PASSWORD", ">made-up-4711", 1))
	typed("redis-cli '" + strings.Join(acl, "' '") + "'")

	l := open(t, Options{dial: p.dial, Username: "tom", Password: "made-up-4711"})
	request := guard.Request{
		Permit: guard.Permit{1}, Current: guard.Digest{2}, Device: guard.Digest{3}, ID: guard.Digest{4}, Version: guard.Digest{5},
		PreviousKnown: true, Limits: guard.Limits{Budget: 2, Pause: time.Minute, Life: time.Minute},
	}
	if decision, err := l.Begin(t.Context(), request); err != nil || decision.Verdict != guard.Granted {
		t.Fatalf("%+v, %v", decision, err)
	}
	material := strings.TrimSpace(typed(commands[0]))
	digest, found := strings.CutPrefix(material, "tom:{login_guard}:m:")
	if !found || len(digest) != 22 {
		t.Fatalf("found %q", material)
	}
	if hash := typed(strings.ReplaceAll(commands[1], "4y0rGbqGqZ0l6o6sJfT2Qw", digest)); !strings.Contains(hash, "p:") {
		t.Errorf("no permit is seen in %s", hash)
	}
	if err := l.Heartbeat(t.Context(), guard.Member{Instance: "4711", Host: "host-4711"}); err != nil {
		t.Fatal(err)
	}
	if members, err := l.Members(t.Context()); err != nil || len(members) != 1 {
		t.Errorf("%+v, %v", members, err)
	}
	if hash := typed(commands[3]); !strings.Contains(hash, `"host":"host-4711"`) {
		t.Errorf("no member is seen in %s", hash)
	}
	if err := l.Leave(t.Context(), "4711"); err != nil {
		t.Fatal(err)
	}
	for _, answer := range []guard.Answer{guard.Refused, guard.Accepted} { // refusals are counted, and cleared
		if err := l.End(t.Context(), guard.Report{
			Permit: request.Permit, Device: request.Device, Current: request.Current, ID: request.ID, Version: request.Version, Limits: request.Limits,
			Shown: []guard.Shown{{Material: request.Current, Answer: answer}},
		}); err != nil {
			t.Fatal(err)
		}
		request.Permit[0]++
		request.Device[1]++
		if decision, err := l.Begin(t.Context(), request); err != nil || decision.Verdict != guard.Granted {
			t.Fatalf("%+v, %v", decision, err)
		}
	}
	if records, err := l.Snapshot(t.Context()); err != nil || len(records) != 1 || records[0].RefusedDay != 1 {
		t.Errorf("%+v, %v", records, err)
	}
	refused, err := exec.Command(client, "-s", p.socket, "--user", "tom", "--pass", "made-up-4711", "--no-auth-warning", "set", "other", "1").CombinedOutput()
	if !strings.Contains(string(refused), "NOPERM") {
		t.Errorf("the user may write other keys: %s, %v", refused, err)
	}
}
