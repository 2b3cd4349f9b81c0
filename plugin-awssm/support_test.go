package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// canary is the password of every secret in these tests; no error, help, check or log line may hold it.
const canary = "canary-7f3e9a41"

// userHome is the home directory of the user who runs the tests, for tools that they start; testHome is that of the tests.
var userHome, testHome string

func TestMain(m *testing.M) {
	userHome, _ = os.UserHomeDir()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	home, err := os.MkdirTemp("", "plugin-awssm")
	if err != nil {
		panic(err)
	}
	testHome = home
	os.Setenv("HOME", home)
	os.Setenv("USERPROFILE", home)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(home)
		os.Exit(code)
	}))
}

// logBuffer collects what a provider logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// useKeys puts the default identity of awssmtest into the environment.
func useKeys(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", awssmtest.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", awssmtest.SecretAccessKey)
}

// atServer are settings that reach the server.
func atServer(server *awssmtest.Server) settings {
	s := defaultSettings()
	s.Region = server.DefaultRegion()
	s.EndpointURL = server.URL()
	return s
}

// open makes a provider, and fails the test if its log ever holds the canary.
func open(t *testing.T, s settings) (*awsProvider, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	p, err := newProvider(s, hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log}))
	if err != nil {
		t.Fatalf("newProvider: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		noCanary(t, log.String())
	})
	return p, log
}

// openEverywhere opens a provider whose clients of all regions reach one server: AWS has an endpoint for each region, so that
// no setting can name one for several.
func openEverywhere(t *testing.T, server *awssmtest.Server, s settings) (*awsProvider, *logBuffer) {
	t.Helper()
	p, log := open(t, s)
	for _, r := range p.routes {
		c := r.connected()
		for region, client := range c.secrets {
			c.secrets[region] = secretsmanager.New(client.Options(), func(o *secretsmanager.Options) { o.BaseEndpoint = aws.String(server.URL()) })
		}
	}
	return p, log
}

// start gives a server, and a provider that reads from it with keys from the environment.
func start(t *testing.T, change ...func(*settings)) (*awssmtest.Server, *awsProvider) {
	t.Helper()
	server := awssmtest.StartTest(t, awssmtest.Options{})
	useKeys(t)
	s := atServer(server)
	for _, f := range change {
		f(&s)
	}
	p, _ := open(t, s)
	return server, p
}

// wantReason fails the test unless err is of the reason and keeps the canary to itself.
func wantReason(t *testing.T, err error, reason credential.Reason) *credential.Error {
	t.Helper()
	var e *credential.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v (%T), want %s", err, err, reason)
	}
	noCanary(t, e.Error())
	noCanary(t, strings.Join(e.Help, "\n"))
	for key, value := range e.Metadata {
		noCanary(t, key+value)
	}
	if e.Reason != reason {
		t.Fatalf("reason = %s (%v), want %s", e.Reason, err, reason)
	}
	return e
}

func noCanary(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("a secret leaked: %s", text)
	}
}

func wantContains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

// within gives a context with a deadline.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// awsFiles writes the shared files and points the environment at them. An empty text means no such file.
func awsFiles(t *testing.T, configText, credentialsText string) {
	t.Helper()
	dir := t.TempDir()
	for variable, text := range map[string]string{"AWS_CONFIG_FILE": configText, "AWS_SHARED_CREDENTIALS_FILE": credentialsText} {
		path := filepath.Join(dir, variable)
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv(variable, path)
	}
}

func duration(d time.Duration) provider.Duration { return provider.Duration(d) }

func get(t *testing.T, p *awsProvider, id string) (*credential.Credential, error) {
	t.Helper()
	return p.Get(within(t, 20*time.Second), credential.Request{ID: id})
}

// eventually waits for something that other goroutines or processes bring about.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	for !happened() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: did not happen in 10 s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// noHost is the URL of a host that can't exist: a label of a name has at most 63 characters, so no resolver has to be asked.
var noHost = "http://" + strings.Repeat("x", 64) + ".invalid"
