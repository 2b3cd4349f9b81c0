package main

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/conformance"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider/providertest"
)

// service is a backend that answers every request in the same way.
func service(t *testing.T, answer http.HandlerFunc) map[string]any {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return map[string]any{"url": server.URL, "token": "a token"}
}

func TestGet(t *testing.T) {
	p := providertest.Serve(t, definition, service(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a token" || r.URL.Path != "/v1/keys/lab" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"key": "lab", "version": "7", "value": {"username": "admin", "password": " spaces ", "port": 22, "list": [1]}}`))
	}))
	got, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	password, _ := got.Password.Get()
	if got.Username != "admin" || password.Reveal() != " spaces " || got.VersionID != "7" || len(got.Extra) != 1 || got.Extra["port"].Reveal() != "22" {
		t.Errorf("got %+v", got) // the secrets print as [REDACTED]
	}
	if strings.Contains(p.Log(), "spaces") {
		t.Error("the log has the password")
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   credential.Reason
	}{
		{"unknown key", 404, `{"error": "no_such_key"}`, credential.CredentialNotFound},
		{"unknown version", 404, `{"error": "no_such_version"}`, credential.VersionNotFound},
		{"deleted", 410, `{"error": "deleted"}`, credential.CredentialDeleted},
		{"a proxy's 404", 404, `<html>not found</html>`, credential.BackendMisconfigured},
		{"a login page", 200, `<html>please sign in</html>`, credential.BackendMisconfigured},
		{"a redirect", 302, ``, credential.BackendMisconfigured},
		{"wrong token", 401, `{}`, credential.BackendUnauthenticated},
		{"denied", 403, `{}`, credential.AccessDenied},
		{"throttled", 429, `{}`, credential.Throttled},
		{"out", 503, `{}`, credential.BackendUnavailable},
		{"no object", 200, `{"value": ["canary"]}`, credential.CredentialMalformed},
		{"no username", 200, `{"value": {"password": "canary"}}`, credential.CredentialMalformed},
		{"a line break", 200, `{"value": {"username": "admin", "password": "canary\n"}}`, credential.CredentialMalformed},
		{"neither password nor key", 200, `{"value": {"username": "admin"}}`, credential.CredentialMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := providertest.Serve(t, definition, service(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			var known *credential.Error
			if errors.As(err, &known) && c.want == credential.Throttled && known.RetryDelay != 7*time.Second {
				t.Errorf("retry after %v", known.RetryDelay)
			}
			if strings.Contains(p.Log()+err.Error(), "canary") {
				t.Error("log or error have the password")
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for _, url := range []string{"ftp://x", "http://", "http://user:canary@host", ""} {
		err := providertest.Start(t, definition).Configure(t.Context(), map[string]any{"url": url, "token": "a token"})
		if !errors.Is(err, credential.SettingsInvalid) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestConformance is the same run as `host-example conformance`.
func TestConformance(t *testing.T) {
	directory := t.TempDir()
	build(t, ".", filepath.Join(directory, "tom-credential-keyvalue"))
	build(t, "./backend", filepath.Join(directory, "backend"))
	text, err := os.ReadFile("fixtures.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := conformance.ParseFixtures(text)
	if err != nil {
		t.Fatal(err)
	}
	conformance.Run(t, conformance.Options{
		Plugin:   filepath.Join(directory, "tom-credential-keyvalue"),
		Settings: map[string]any{"url": startBackend(t, filepath.Join(directory, "backend")), "token": "canary-token-4710"},
		Fixtures: fixtures,
	})
}

func build(t *testing.T, source, path string) {
	t.Helper()
	if output, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, output)
	}
}

// startBackend starts a service and returns its URL.
func startBackend(t *testing.T, path string) string {
	t.Helper()
	command := exec.Command(path, "-listen", "127.0.0.1:0")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // which ends it
		_ = command.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the backend printed no URL: %v", err)
	}
	return strings.TrimSpace(url)
}
