//go:build unix

package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// The test binary is its own provider: started with this variable it behaves as the variable says.
const envBehave = "TEST_BEHAVE"

// envPIDs names the file to which every process of an animal appends its process id.
const envPIDs = "TEST_PIDS"

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(envBehave); behaviour != "" {
		behave(behaviour)
		return
	}
	flag.Parse()
	if n := runtime.GOMAXPROCS(0); n < parallelTests && flag.Lookup("test.parallel").Value.String() == fmt.Sprint(n) { // the default
		_ = flag.Set("test.parallel", fmt.Sprint(parallelTests))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for _, f := range endings {
			f()
		}
		os.Exit(code)
	}))
}

// parallelTests is how many tests run side by side at least: most of the time they wait for processes to end.
const parallelTests = 5

// endings run after the last test.
var endings []func()

func atEnd(f func()) { endings = append(endings, f) }

func behave(behaviour string) {
	if behaviour == "listens for another" {
		listenForAnother()
		return
	}
	notePID(os.Getpid())
	switch behaviour {
	case "memory":
		provider.Main(memoryDefinition)
	case "traced":
		provider.Main(tracedDefinition)
	case "host":
		beHost()
	case "host of another user":
		beHostOfAnotherUser()
		return
	case "tracer":
		beTracer()
	case "is another user's":
		serveAsAnotherUser()
	case "is traced":
		serveTraced()
	case "out of descriptors":
		beOutOfDescriptors()
		return
	case "noexec":
		beNoexec()
		return
	}
	if to, ok := printing[behaviour]; ok {
		serveRaw(&raw{get: printMiBs(to)})
		return
	}
	animal, ok := zoo[behaviour]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such behaviour:", behaviour)
		os.Exit(2)
	}
	animal.live()
}

type memorySettings struct {
	Prefix string              `json:"prefix,omitempty" jsonschema:"Comes before every id."`
	Empty  string              `json:"empty,omitempty" jsonschema:"May be empty." empty:"allowed"`
	Token  credential.Redacted `json:"token,omitempty" jsonschema:"A secret."`
	Tries  int                 `json:"tries,omitempty" jsonschema:"How often."`
	Wait   provider.Duration   `json:"wait,omitempty" jsonschema:"How long."`
	Names  []string            `json:"names,omitempty" jsonschema:"Some names."`
	Strict bool                `json:"strict,omitempty" jsonschema:"Whether."`
}

var memoryDefinition = provider.Definition[memorySettings, *memory]{
	Name:        "memory",
	Version:     "1.2.3",
	Description: "makes credentials up",
	Defaults:    memorySettings{Empty: "full", Wait: provider.Duration(5 * time.Second)},
	New: func(s memorySettings, log hclog.Logger) (*memory, error) {
		if s.Prefix == "refuse" {
			return nil, &credential.Error{Reason: credential.SettingsInvalid, Message: "no", Violations: []credential.Violation{{Setting: "prefix", Problem: "is refused by the provider"}}}
		}
		log.Info("configured", "prefix", s.Prefix)
		return &memory{settings: s, log: log}, nil
	},
}

// memory answers what the id says.
type memory struct {
	settings memorySettings
	log      hclog.Logger
}

func (m *memory) Get(ctx context.Context, r credential.Request) (*credential.Credential, error) {
	kind, rest, _ := strings.Cut(r.ID, ":")
	switch kind {
	case "missing":
		return nil, credential.Errorf(credential.CredentialNotFound, "there is no credential %q", r.ID).WithHelp("create it")
	case "exit":
		os.Exit(3)
	case "panic":
		panic("with a value that stays unseen")
	case "wait":
		m.log.Info("waiting")
		<-ctx.Done()
		return nil, ctx.Err()
	case "log":
		m.log.Warn("a secret slipped out", "value", rest)
	case "env":
		return made(r.ID, os.Getenv(rest)), nil
	case "settings":
		return made(r.ID, fmt.Sprintf("%s|%s|%s|%d|%v|%v|%v", m.settings.Prefix, m.settings.Empty, m.settings.Token.Reveal(), m.settings.Tries, time.Duration(m.settings.Wait), m.settings.Names, m.settings.Strict)), nil
	case "descriptors":
		return made(r.ID, descriptors()), nil
	case "pid":
		return made(r.ID, fmt.Sprint(os.Getpid())), nil
	}
	return made(r.ID, "password of "+r.ID), nil
}

func made(id, password string) *credential.Credential {
	return &credential.Credential{ID: id, Username: "admin", Password: credential.Password(password)}
}

func (m *memory) List(context.Context, int, string) (credential.Page, error) {
	return credential.Page{Credentials: []credential.Summary{{ID: "one"}, {ID: "two"}}}, nil
}

// memoryOptions launch the test binary as the memory provider.
func memoryOptions(t *testing.T) Options {
	t.Helper()
	return Options{
		Name:    "memory",
		Path:    os.Args[0],
		Environ: append(os.Environ(), envBehave+"=memory", "GORACE=atexit_sleep_ms=0"),
		PassEnv: []string{envBehave, "GORACE"},
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: testWriter{t}}),
	}
}

func start(t *testing.T, options Options) *Provider {
	t.Helper()
	p, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func password(t *testing.T, p *Provider, id string) string {
	t.Helper()
	got, err := p.Get(t.Context(), credential.Request{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := got.Password.Get()
	return text.Reveal()
}

func jsonLogger(w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: w, JSONFormat: true})
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// syncBuffer is a buffer that a logger and a test may use at the same time.
type syncBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// callersPatience is the deadline of calls that must be answered although processes end: a busy machine takes seconds to start one.
const callersPatience = 30 * time.Second

// eventually waits for something that another process does.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Errorf("not within %v: %s", limit, what)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func notePID(pid int) {
	if path := os.Getenv(envPIDs); path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		defer func() { _ = file.Close() }()
		_, _ = fmt.Fprintln(file, pid)
	}
}

// describe is an error with its reason and help, as a user would see it.
func describe(err error) string {
	var e *credential.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%s: %s %q", e.Reason, e.Message, e.Help)
}
