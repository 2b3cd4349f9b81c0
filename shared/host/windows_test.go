package host

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// envProvider is the YAML provider's executable. .ci/wine runs this test with it, under Wine.
const envProvider = "TEST_PROVIDER"

// TestOnWindows goes through a provider's life: start, answers, a crash, a reload, a pin, the end.
func TestOnWindows(t *testing.T) {
	path := os.Getenv(envProvider)
	if path == "" {
		t.Skipf("%s names no provider", envProvider)
	}
	dir, err := os.MkdirTemp("", "windows")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // Wine doesn't remove everything, which t.TempDir would report
	file := filepath.Join(dir, "creds.yml")
	if err := os.WriteFile(file, []byte("lab:\n  username: admin\n  password: made-up\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Name: "yaml", Path: path, StartTimeout: time.Minute, CallTimeout: time.Minute,
		Settings: Settings{"credential_file": {Value: file}},
		Logger:   hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
	}
	for _, digest := range []string{"", fmt.Sprintf("%x", sha256.Sum256(program))} {
		options.SHA256 = digest
		p, err := Start(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		get := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := p.Get(ctx, credential.Request{ID: "lab"})
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := got.Password.Get(); text.Reveal() != "made-up" {
				t.Error("it gives another password")
			}
		}
		get()
		before := p.currentProcess().runner.process
		before.Kill()
		get()
		if now := p.currentProcess(); now == nil || now.runner.process == before || p.Restarts() != 1 {
			t.Errorf("the killed process was not replaced: %d restarts", p.Restarts())
		}
		if err := p.Reload(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		get()
		last := p.currentProcess().runner.process
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		select {
		case <-last.Exited():
		default:
			t.Error("Close left the process behind")
		}
	}
}
