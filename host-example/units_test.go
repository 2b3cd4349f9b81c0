package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/config"
)

// unit is what a unit file assigns, by name. A name that comes again adds its value after a space.
func unit(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]string)
	for _, line := range regexp.MustCompile(`(?m)^(\w+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		values[line[1]] = strings.TrimSpace(values[line[1]] + " " + line[2])
	}
	return values
}

// TestUnits looks at what the systemd units must have and systemd doesn't check: what the programs need of them, and what keeps
// passwords from others. Where systemd is, .ci/release has it read them besides.
func TestUnits(t *testing.T) {
	t.Parallel()
	settings, err := config.Load(config.Source{Environ: []string{"TOM_WORKER_CREDENTIAL_PLUGIN=yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, needed := range map[string]map[string]string{
		"tom-worker.service": {"PrivateUsers": "yes", "ExecStart": "/usr/local/bin/host-example run"},
		// In a user namespace the agent would not see the user ids of its clients.
		"tom-agent.service": {"PrivateUsers": "no", "ExecStart": "/usr/local/bin/host-example agent", "Type": "notify"},
	} {
		service := unit(t, name)
		for _, more := range []map[string]string{needed, {
			"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "LimitCORE": "0", "UMask": "0077", "ProtectSystem": "strict", "ProtectProc": "invisible",
			"User": "tom-worker", "KillMode": "mixed", "RestartPreventExitStatus": strconv.Itoa(statusUsage),
		}} {
			for key, value := range more {
				if got, ok := service[key]; !ok || got != value {
					t.Errorf("%s: %s=%s, not %s", name, key, got, value)
				}
			}
		}
		seconds, err := strconv.Atoi(service["TimeoutStopSec"])
		if err != nil || time.Duration(seconds)*time.Second <= settings.ShutdownGrace {
			t.Errorf("%s: TimeoutStopSec=%s is no longer than shutdown_grace, %v", name, service["TimeoutStopSec"], settings.ShutdownGrace)
		}
	}
	// The agent writes its key beside its socket, in a directory that tom-worker.tmpfiles.conf makes.
	directory := path.Dir(unit(t, "tom-agent.socket")["ListenStream"])
	if writable := unit(t, "tom-agent.service")["ReadWritePaths"]; writable != directory {
		t.Errorf("the agent's socket is in %s, and it may write to %s", directory, writable)
	}
	made, err := os.ReadFile("deploy/tom-worker.tmpfiles.conf")
	if err != nil || !regexp.MustCompile(`(?m)^d `+directory+` 0750 tom-worker tom-agents`).Match(made) {
		t.Errorf("%s isn't made: %s, %v", directory, made, err)
	}
}
