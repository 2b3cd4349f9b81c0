//go:build unix

package python

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
)

const netrcFile = `# made up
machine lab login admin password "canary-<4711>"
machine core login netops account canary-4712 password canary-4713
machine half login admin
machine lines login admin password "canary-4714
x"
default login any password canary-4715
`

func writeNetrc(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// lines is a log that may be written and read at the same time.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start launches a provider of this directory as a worker does.
func start(t *testing.T, file string, settings host.Settings) (*host.Provider, *lines) {
	t.Helper()
	p, log, err := tryStart(t, file, settings)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, log
}

func tryStart(t *testing.T, file string, settings host.Settings) (*host.Provider, *lines, error) {
	t.Helper()
	log := &lines{}
	p, err := host.Start(t.Context(), host.Options{
		Name:         strings.TrimPrefix(filepath.Base(file), "tom-credential-"),
		Dirs:         []string{install(t, file)},
		Environ:      environ(t),
		Settings:     settings,
		StartTimeout: startTime,
		Logger:       hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log, JSONFormat: true}),
	})
	return p, log, err
}

// startTime is long: several tests may start Python at the same time.
const startTime = time.Minute

func setting(name string, value any) host.Settings { return host.Settings{name: {Value: value}} }

// failure reads a credential and returns why that failed, after a look for secrets.
func failure(t *testing.T, p *host.Provider, id string) *credential.Error {
	t.Helper()
	_, err := p.Get(t.Context(), credential.Request{ID: id})
	var e *credential.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v", id, err)
	}
	if strings.Contains(e.Error()+strings.Join(e.Help, ""), "canary") {
		t.Errorf("%s: the error holds a secret: %v", id, e)
	}
	return e
}

func TestNetrc(t *testing.T) {
	t.Parallel()
	path := writeNetrc(t, netrcFile, 0o600)
	p, log := start(t, netrcProvider, setting("file", path))
	found, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := found.Password.Get(); found.Username != "admin" || password.Reveal() != "canary-<4711>" {
		t.Error("lab is another login")
	}
	page, err := p.List(t.Context(), 0, "")
	if err != nil || len(page.Credentials) != 4 {
		t.Errorf("listing: %+v, %v", page, err)
	}

	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		want       credential.Reason
		says       string
	}{
		{"changed", "machine lab login admin password canary-4717", 0o600, "", ""},
		{"open to others", netrcFile, 0o644, credential.BackendMisconfigured, "open to other users"},
		{"not a netrc file", "machine lab login admin\npassword canary-4718 canary-4719\n", 0o600, credential.BackendMisconfigured, "near line 3"},
		{"not UTF-8", "machine lab login admin password \xff\xfe", 0o600, credential.BackendMisconfigured, "not understood"},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		if test.want == "" {
			if found, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
				t.Errorf("%s: %v", test.name, err)
			} else if password, _ := found.Password.Get(); password.Reveal() != "canary-4717" {
				t.Errorf("%s: the old password", test.name)
			}
			continue
		}
		if e := failure(t, p, "lab"); e.Reason != test.want || !strings.Contains(e.Message, test.says) || len(e.Help) == 0 {
			t.Errorf("%s: %s %v", test.name, e.Reason, e)
		}
		report, err := p.Validate(t.Context(), "lab")
		if err != nil || len(report.Checks) != 2 || report.Checks[0].Status != credential.StatusFailed || report.Checks[0].Reason != test.want {
			t.Errorf("%s: Validate: %+v, %v", test.name, report, err)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log holds a secret:\n%s", log)
	}
}

// One file holds author's part and package, so that a digest covers both.
func TestPinnedZipFile(t *testing.T) {
	t.Parallel()
	app := install(t, netrcProvider)
	if err := os.Rename(filepath.Join(app, "tom-credential-netrc"), filepath.Join(app, "__main__.py")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tom-credential-netrc")
	output, err := exec.Command(python(t), "-m", "zipapp", app, "--python", "/usr/bin/env python3", "--output", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := host.Start(t.Context(), host.Options{
		Name: "netrc", Path: file, SHA256: fmt.Sprintf("%x", sha256.Sum256(content)), Environ: environ(t), StartTimeout: startTime,
		Settings: setting("file", writeNetrc(t, netrcFile, 0o600)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
		t.Error(err)
	}
}

// Authors' mistakes reach the host as errors of the contract, without the texts of exceptions, and harm no other call.
func TestAuthorsMistakes(t *testing.T) {
	t.Parallel()
	p, log := start(t, "testdata/tom-credential-specimen", setting("url", "https://localhost"))
	for id, want := range map[string]string{
		"broken": "ValueError", "exiting": "SystemExit", "stopping": "StopIteration", "nothing": "NoneType", "trailing": "holds NUL, CR or LF", "hosts": "Error",
	} {
		if e := failure(t, p, id); e.Reason != credential.Internal || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %s %v", id, e.Reason, e)
		}
	}
	if e := failure(t, p, "throttled"); e.Reason != credential.Throttled || e.RetryDelay != 1500*time.Millisecond {
		t.Errorf("throttled: %+v", e)
	}
	if e := failure(t, p, "absent"); e.Reason != credential.CredentialNotFound || len(e.Help) == 0 || len(e.Metadata["resource"]) > 512 {
		t.Errorf("absent: %+v", e)
	}
	if _, err := p.Get(t.Context(), credential.Request{ID: "noisy"}); err != nil {
		t.Errorf("noisy: %v", err)
	}
	for _, want := range []string{`"printed"`, `"written"`, `"a program says"`, "a warning", "a thread failed", `"caught"`, "get_broken", "left out of a listing"} {
		if want == "left out of a listing" {
			if page, err := p.List(t.Context(), 0, ""); err != nil || len(page.Credentials) != 2 || page.Credentials[1].Description != "the laboratory" {
				t.Errorf("listing: %+v, %v", page, err)
			}
		}
		// An answer may overtake the lines that were written before it: they have their own pipe.
		eventually(t, "the log has "+want, func() bool { return strings.Contains(log.String(), want) })
	}
	text := log.String()
	if strings.Contains(text, "canary") {
		t.Errorf("the log holds a secret:\n%s", text)
	}
	results, err := p.GetBatch(t.Context(), []credential.Request{{ID: "broken"}, {ID: "lab"}, {ID: ""}, {ID: "absent"}})
	if err != nil {
		t.Fatal(err)
	}
	var reasons []credential.Reason
	for _, result := range results {
		reasons = append(reasons, credential.ReasonOf(result.Err))
	}
	if want := []credential.Reason{credential.Internal, "", credential.CredentialIDInvalid, credential.CredentialNotFound}; !slices.Equal(reasons, want) {
		t.Errorf("batch: %v", reasons)
	}
	report, err := p.Validate(t.Context(), "absent")
	if err != nil || len(report.Checks) != 3 {
		t.Fatalf("Validate: %+v, %v", report, err)
	}
	for i, want := range []credential.Status{credential.StatusPassed, credential.StatusWarning, credential.StatusFailed} {
		if report.Checks[i].Status != want {
			t.Errorf("check %d: %+v", i, report.Checks[i])
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	text := func(value string) host.Setting { return host.Setting{Value: value, Text: true} }
	p, _ := start(t, "testdata/tom-credential-specimen", host.Settings{
		"url": text("http://localhost"), "token": text("canary-4716"), "mode": text("slow"), "retries": text("7"), "factor": text("2"),
		"verbose": text("yes"), "regions": text("c, d"), "timeout": text("1m30.5s"), "prefix": text(""),
	})
	found, err := p.Get(t.Context(), credential.Request{ID: "settings"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"url": "http://localhost", "token": "canary-4716", "mode": "slow", "retries": "7", "factor": "2.0", "verbose": "True",
		"regions": "['c', 'd']", "timeout": "0:01:30.500000", "prefix": "",
	} {
		if got := found.Extra[name].Reveal(); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	for _, property := range p.Metadata().Settings() {
		if want := map[string]string{"timeout": `"5s"`, "regions": `["a", "b"]`, "prefix": `"tom/"`, "token": ""}; property.Default != want[property.Name] {
			if _, named := want[property.Name]; named {
				t.Errorf("the default of %s is %s", property.Name, property.Default)
			}
		}
		if property.Secret != (property.Name == "token") || property.Required != (property.Name == "url") || property.EmptyAllowed != (property.Name == "prefix") {
			t.Errorf("setting %+v", property)
		}
	}
	// What only the provider itself can refuse.
	_, _, err = tryStart(t, "testdata/tom-credential-specimen", host.Settings{"url": text("http://localhost"), "mode": text("slow"), "retries": text("0")})
	var e *credential.Error
	if !errors.As(err, &e) || e.Reason != credential.SettingsInvalid || len(e.Violations) != 2 {
		t.Errorf("got %v", err)
	}
}

// A call that waits sees its time come to an end before its caller's does.
func TestTimeLeft(t *testing.T) {
	t.Parallel()
	p, log := start(t, "testdata/tom-credential-specimen", setting("url", "https://localhost"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := p.Get(ctx, credential.Request{ID: "patient"})
	if reason := credential.ReasonOf(err); reason != credential.DeadlineExceeded || ctx.Err() != nil {
		t.Errorf("got %v, after the deadline: %v", err, ctx.Err())
	}
	eventually(t, "the call's end in the log", func() bool { return strings.Contains(log.String(), "patience is over") })
}

// launchEnvironment is what a host tells a provider, of which a test changes something.
func launchEnvironment(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"TOM_CREDENTIAL_PROVIDER": "4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61", "PLUGIN_PROTOCOL_VERSIONS": "1", "PLUGIN_UNIX_SOCKET_DIR": t.TempDir(),
		"PLUGIN_CLIENT_CERT": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t, elliptic.P256())})),
	}
}
