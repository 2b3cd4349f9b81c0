//go:build unix

package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

func TestGet(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	if got := password(t, p, "lab"); got != "password of lab" {
		t.Errorf("password %q", got)
	}
	_, err := p.Get(t.Context(), credential.Request{ID: "missing:x"})
	var e *credential.Error
	if !errors.As(err, &e) || e.Reason != credential.CredentialNotFound || len(e.Help) != 1 {
		t.Errorf("error %#v", err)
	}
	if !errors.Is(err, credential.CredentialNotFound) {
		t.Errorf("errors.Is doesn't find the reason in %v", err)
	}
}

func TestKilledProcessIsReplacedAndTheCallRepeated(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	for range 3 {
		before := password(t, p, "pid")
		process := p.currentProcess()
		if err := process.runner.process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := password(t, p, "pid"); after == before {
			t.Errorf("the same process %s answered", after)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	m, err := Describe(t.Context(), memoryOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "memory" || m.Version != "1.2.3" || !m.Can(credential.CapabilityList) || m.Can(credential.CapabilityBatch) {
		t.Errorf("metadata %+v", m)
	}
}

// The host's environment, and so its secrets, stay with the host.
func TestEnvironmentOfTheProcess(t *testing.T) {
	t.Setenv("TOM_WORKER_REDIS_PASSWORD", "for the host alone")
	t.Setenv("MEMORY_HINT", "for the provider")
	options := memoryOptions(t)
	options.Environ = nil
	t.Setenv(envBehave, "memory")
	options.PassEnv = []string{envBehave, "MEMORY_*"}
	p := start(t, options)
	for name, want := range map[string]string{
		"TOM_WORKER_REDIS_PASSWORD": "",
		"MEMORY_HINT":               "for the provider",
		"TOM_CREDENTIAL_LIFELINE":   "stdin",
		"TOM_CREDENTIAL_LOG_LEVEL":  "debug",
	} {
		if got := password(t, p, "env:"+name); got != want {
			t.Errorf("%s is %q in the provider, want %q", name, got, want)
		}
	}
}

// A pinned provider is started from the copy that was checked, also after a crash, whatever has become of the file.
func TestPinnedProviderRestartsFromItsCopy(t *testing.T) {
	inFile(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "tom-credential-memory")
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := regular.WriteExecutable(path, bytes.NewReader(program), 0o755); err != nil {
		t.Fatal(err)
	}
	options := memoryOptions(t)
	options.Path = path
	options.SHA256 = fmt.Sprintf("%x  plugins/program", sha256.Sum256(program))
	p := start(t, options)
	before := password(t, p, "pid")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := p.currentProcess().runner.process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if after := password(t, p, "pid"); after == before {
		t.Error("the killed process answered")
	}
	copied := p.exe.copy.dir.path
	_ = p.Close()
	if _, err := os.Stat(copied); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is left behind: %v", err)
	}
}

func TestListAndCapabilities(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	page, err := p.List(t.Context(), 10, "")
	if err != nil || len(page.Credentials) != 2 || page.NextToken != "" {
		t.Errorf("page %+v, error %v", page, err)
	}
	if _, err := p.GetBatch(t.Context(), []credential.Request{{ID: "lab"}}); !errors.Is(err, credential.Unsupported) {
		t.Errorf("a batch without the capability: %v", err)
	}
	report, err := p.Validate(t.Context(), "")
	if err != nil || len(report.Checks) != 0 {
		t.Errorf("report %+v, error %v", report, err)
	}
}

func TestProvidersLogLines(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	options := memoryOptions(t)
	options.Logger = jsonLogger(&lines)
	p := start(t, options)
	secret := password(t, p, "lab")
	if _, err := p.Get(t.Context(), credential.Request{ID: "log:" + secret}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the provider's line arrives", func() bool { return strings.Contains(lines.String(), "slipped out") })
	for line := range strings.Lines(lines.String()) {
		if !strings.Contains(line, "slipped out") {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["@module"] != "memory" || fields["@level"] != "warn" || fields["value"] != redaction {
			t.Errorf("the line arrived as %s", line)
		}
	}
	if strings.Contains(lines.String(), secret) {
		t.Error("the password is in the log")
	}
	if strings.Contains(lines.String(), "plugin address") {
		t.Error("the provider logs debug lines although the host's level is info")
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	if _, err := p.Get(t.Context(), credential.Request{ID: "a\xff"}); !errors.Is(err, credential.CredentialIDInvalid) {
		t.Errorf("an id that isn't UTF-8: %v", err)
	}
	if _, err := p.Get(t.Context(), credential.Request{ID: ""}); !errors.Is(err, credential.CredentialIDInvalid) {
		t.Errorf("an empty id: %v", err)
	}
}
