package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const canary = "canary-7d41-made-up-password"

// TestNoSecretIsLeftBehind looks for a password in everything that the worker and its provider print, write, send or show to
// others on the machine, in good times and when they crash.
func TestNoSecretIsLeftBehind(t *testing.T) {
	t.Parallel()
	s := newScene(t, "debuggable=0")
	jobs := func(id string) string {
		return fmt.Sprintf(`{"id":"1","host":"127.0.0.1","port":%d,"credential_id":%q,"commands":["show version"]}`+"\n", s.devices[0][0].Port(), id)
	}

	// What is asked for is given: this is how a canary is found.
	if got := s.run(t, 0, "", "get", "c0", "--reveal"); !strings.Contains(got, canary) {
		t.Fatalf("get --reveal gave %s", got)
	}
	s.printed.Reset()

	for _, level := range []string{"info", "trace"} {
		for _, output := range []string{"text", "json"} {
			s.run(t, 0, "", "get", "c0", "--output", output, "--log-level", level)
			s.run(t, 0, "", "list", "--output", output, "--log-level", level)
			s.run(t, 0, "", "validate", "--id", "c0", "--output", output, "--log-level", level)
			s.run(t, 1, "", "get", "malformed", "--output", output, "--log-level", level)
			s.run(t, 1, "", "get", "text", "--output", output, "--log-level", level)
		}
		s.run(t, 0, "", "get", "c0", "--field", "username", "--log-level", level, "--log-format", "json")
		s.run(t, 2, "", "get", "c0", "--field", "password", "--log-level", level)
		if got := s.run(t, 0, jobs("c0"), "run", "--log-level", level); !strings.Contains(got, `"status":"ok"`) {
			t.Fatalf("the job: %s", got)
		}
	}
	// A device that refuses it.
	s.devices[0][0].SetPassword("another one")
	if got := s.run(t, 0, jobs("c0"), "run", "--log-level", "trace"); !strings.Contains(got, "CREDENTIAL_REJECTED") {
		t.Fatalf("the job: %s", got)
	}
	s.devices[0][0].SetPassword(canary)

	// A provider that panics, prints its secret, or crashes with it in its last words.
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	vault := []string{"TOM_WORKER_CREDENTIAL_PLUGIN=vault", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir, "TOM_WORKER_PLUGIN_VAULT_ADDRESS=x", "TOM_WORKER_PLUGIN_VAULT_TOKEN_FILE=" + token, "TOM_WORKER_CREDENTIAL_PLUGIN_CALL_TIMEOUT=3s"}
	for _, level := range []string{"info", "trace"} {
		s.runWith(t, vault, 0, "", "get", "good", "--log-level", level)
		s.runWith(t, vault, 0, "", "get", "print", "--log-level", level)
		s.runWith(t, vault, 1, "", "get", "panic", "--log-level", level)
		s.runWith(t, vault, 1, "", "get", "crash", "--log-level", level)
		s.runWith(t, vault, 1, "", "validate", "--log-level", level)
	}

	// A worker that has the password in its memory: what others see of it, and what is left when it and its provider are
	// made to crash.
	s.crash(t, jobs("c0"))
	s.crashAgent(t)

	s.search(t)
	if cores := s.cores(t); len(cores) > 0 {
		t.Errorf("core files: %v", cores)
	}
}

// TestACanaryIsFound: without the protection there are core files here, and a search finds the canary in them.
func TestACanaryIsFound(t *testing.T) {
	t.Parallel()
	s := newScene(t, "debuggable=1")
	s.crash(t, fmt.Sprintf(`{"id":"1","host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"]}`+"\n", s.devices[0][0].Port()))
	cores := s.cores(t)
	if len(cores) == 0 {
		t.Skip("this machine writes no core files into the working directory")
	}
	for _, core := range cores {
		if content, err := os.ReadFile(core); err == nil && holdsCanary(content) {
			return
		}
	}
	t.Error("no core file has the password: this search would find nothing")
}
