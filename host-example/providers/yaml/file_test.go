package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// yamlFile writes a credential file and returns its provider and its path.
func yamlFile(t *testing.T, text string, log hclog.Logger) (*yamlProvider, string) {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, "inventory", "creds.yml")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, text)
	p, err := newProvider(settings{CredentialFile: "inventory/creds.yml", ProjectRoot: root}, log)
	if err != nil {
		t.Fatal(err)
	}
	return p, path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// password is that of credential x.
func password(t *testing.T, p *yamlProvider) string {
	t.Helper()
	got, err := p.Get(t.Context(), credential.Request{ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := got.Password.Get()
	return text.Reveal()
}

// A change is seen at once, also one that leaves size and times as they were, and a file that is unchanged is not parsed
// again.
func TestReload(t *testing.T) {
	p, path := yamlFile(t, "x: {username: a, password: first}\n", hclog.NewNullLogger())
	if got := password(t, p); got != "first" {
		t.Fatalf("password %q", got)
	}
	now, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "x: {username: a, password: again}\n")
	if err := os.Chtimes(path, now.ModTime(), now.ModTime()); err != nil { // as a coarse clock would have it
		t.Fatal(err)
	}
	if got := password(t, p); got != "again" {
		t.Errorf("password %q after a change within the clock's step", got)
	}

	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	password(t, p)
	before := p.file.last
	if password(t, p); p.file.last != before {
		t.Error("an unchanged file was parsed again")
	}

	// What editors do: another file takes the name.
	write(t, path+".new", "x: {username: a, password: third}\n")
	if err := os.Chtimes(path+".new", old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if got := password(t, p); got != "third" {
		t.Errorf("password %q after a replacement", got)
	}
}

// While another process writes, half of the file isn't taken for all of it: a credential that isn't written yet would be one that
// doesn't exist.
func TestHalfWritten(t *testing.T) {
	p, path := yamlFile(t, "x: {username: a, password: first}\n", hclog.NewNullLogger())
	if got := password(t, p); got != "first" {
		t.Fatalf("password %q", got)
	}
	p.file.quiet, p.file.patience = time.Hour, time.Hour
	write(t, path, "y: {username: a, password: b}\n")
	read := make(chan error, 1)
	go func() {
		_, err := p.Get(t.Context(), credential.Request{ID: "x"})
		read <- err
	}()
	select {
	case err := <-read:
		t.Fatalf("in the middle of a writing: %v", err)
	case <-time.After(5 * look):
	}
	write(t, path, "y: {username: a, password: b}\nx: {username: a, password: second}\n")
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Errorf("after it: %v", err)
	}

	// One who never stops is a backend that can't be read at present: the worker goes on with what it has.
	p.file.patience = 0
	write(t, path, "y: {username: a, password: b}\n")
	if _, err := p.Get(t.Context(), credential.Request{ID: "x"}); credential.ReasonOf(err) != credential.BackendUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  credential.Reason
		says  string
	}{
		{"no file", func(t *testing.T, path string) { remove(t, path) }, credential.BackendMisconfigured, "it doesn't exist"},
		{"no directory", func(t *testing.T, path string) { remove(t, filepath.Dir(path)) }, credential.BackendMisconfigured, "it doesn't exist"},
		{"a directory", func(t *testing.T, path string) {
			remove(t, path)
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, credential.BackendMisconfigured, "not a regular file"},
		{"not YAML", func(t *testing.T, path string) { write(t, path, "x:\n  password: hunter2: "+canary+"\n") }, credential.BackendMisconfigured, "line 2: it is not valid YAML"},
		{"too large", func(t *testing.T, path string) { write(t, path, strings.Repeat("#", maxFile+1)) }, credential.BackendMisconfigured, "more than"},
		{"not allowed", func(t *testing.T, path string) {
			if os.Getuid() == 0 || runtime.GOOS == "windows" {
				t.Skip("to this user every file is open")
			}
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
		}, credential.AccessDenied, "may not read"},
		{"a malformed credential", func(t *testing.T, path string) { write(t, path, "x: {username: "+canary+"}\n") }, credential.CredentialMalformed, "line 1: password is missing"},
		{"another credential", func(t *testing.T, path string) { write(t, path, "y: {username: "+canary+"}\n") }, credential.CredentialNotFound, `no credential "x"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, path := yamlFile(t, "x: {username: a, password: b}\n", hclog.NewNullLogger())
			password(t, p)
			test.spoil(t, path)
			_, err := p.Get(t.Context(), credential.Request{ID: "x"})
			var e *credential.Error
			if !errors.As(err, &e) || e.Reason != test.want || !strings.Contains(e.Message, test.says) || !strings.Contains(e.Message, path) {
				t.Fatalf("got %v (%s)", err, credential.ReasonOf(err))
			}
			if strings.Contains(e.Message+strings.Join(e.Help, ""), canary) {
				t.Error("the error quotes the file")
			}
			report, err := p.Validate(t.Context(), "x")
			if err != nil || !reports(report, test.want) {
				t.Errorf("Validate: %+v, %v", report, err)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// reports reports whether a check failed for this reason, with a remedy.
func reports(report credential.Report, want credential.Reason) bool {
	for _, check := range report.Checks {
		if check.Status == credential.StatusFailed && check.Reason == want && check.Remedy != "" {
			return true
		}
	}
	return false
}

// A call doesn't wait for a read that hangs longer than its caller does.
func TestHangingFileSystem(t *testing.T) {
	p, _ := yamlFile(t, "x: {username: a, password: b}\n", hclog.NewNullLogger())
	<-p.file.turn // as a read would that never comes back
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx, credential.Request{ID: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	var lines bytes.Buffer
	p, path := yamlFile(t, "x: {username: a, password: "+canary+"}\n", hclog.New(&hclog.LoggerOptions{Output: &lines}))
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	password(t, p)
	if lines.Len() > 0 {
		t.Errorf("a warning for a private file: %s", &lines)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		password(t, p)
	}
	if got := lines.String(); strings.Count(got, "open to other users") != 1 || !strings.Contains(got, "chmod 600") || strings.Contains(got, canary) {
		t.Errorf("log: %s", got)
	}
	report, err := p.Validate(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]credential.Status{}
	for _, check := range report.Checks {
		status[check.Name] = check.Status
	}
	if status["permissions"] != credential.StatusWarning || status["file"] != credential.StatusPassed || status["read"] != credential.StatusPassed {
		t.Errorf("checks %v", status)
	}
}

func TestPaths(t *testing.T) {
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, test := range []struct{ name, file, root, want string }{
		{"the working directory", "inventory/creds.yml", "", filepath.Join(directory, "inventory", "creds.yml")},
		{"a project", "inventory/creds.yml", root, filepath.Join(root, "inventory", "creds.yml")},
		{"a relative project", "creds.yml", "lab", filepath.Join(directory, "lab", "creds.yml")},
		{"an absolute file", filepath.Join(root, "creds.yml"), "lab", filepath.Join(root, "creds.yml")},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := newProvider(settings{CredentialFile: test.file, ProjectRoot: test.root}, hclog.NewNullLogger())
			if err != nil || p.file.path != test.want {
				t.Errorf("%q, %v; want %q", p.file.path, err, test.want)
			}
		})
	}
}
