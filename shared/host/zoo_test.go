//go:build unix

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// animal is a hostile provider and what a host must make of it.
type animal struct {
	live func()
	// start is the reason with which Start fails; empty if it succeeds.
	start credential.Reason
	// says must be in the error.
	says string
	// get is the reason with which Get fails; empty if it succeeds.
	get credential.Reason
	// help must be in the error's help.
	help string
	// heavy animals keep a small machine busy for seconds: they get more time, and may miss health checks in between.
	heavy bool
}

var zoo = map[string]animal{
	"never handshakes":                 {live: func() { forever() }, start: credential.ProviderStartFailed, says: "not ready after"},
	"handshakes after 30 s":            {live: func() { time.Sleep(30 * time.Second); serveMemory() }, start: credential.ProviderStartFailed, says: "not ready after"},
	"prints garbage":                   {live: func() { fmt.Println("Hello! I am a plugin."); forever() }, start: credential.ProviderIncompatible, says: "Hello!"},
	"prints 1 MB":                      {live: func() { _, _ = os.Stdout.Write(bytes.Repeat([]byte("x"), 1<<20)); forever() }, start: credential.ProviderIncompatible, says: "handshake line"},
	"speaks another version":           {live: func() { fmt.Println("1|2|unix|/tmp/x|grpc|x"); forever() }, start: credential.ProviderIncompatible, says: `version "2"`},
	"speaks another core":              {live: func() { fmt.Println("2|1|unix|/tmp/x|grpc|x"); forever() }, start: credential.ProviderIncompatible, says: "core protocol"},
	"speaks net/rpc":                   {live: func() { fmt.Println("1|1|unix|/tmp/x|netrpc|x"); forever() }, start: credential.ProviderIncompatible, says: "netrpc"},
	"listens elsewhere":                {live: func() { fmt.Println("1|1|unix|/tmp/x|grpc|x"); forever() }, start: credential.ProviderIncompatible, says: "not in the directory"},
	"listens to the world":             {live: func() { fmt.Println("1|1|tcp|192.0.2.1:80|grpc|x"); forever() }, start: credential.ProviderIncompatible, says: "loopback"},
	"ignores AutoMTLS":                 {live: func() { _ = os.Unsetenv(wire.EnvClientCert); serveRaw(&raw{}) }, start: credential.ProviderIncompatible, says: "mutual TLS"},
	"exits 0 at once":                  {live: func() {}, start: credential.ProviderStartFailed, says: "exit status 0"},
	"panics at start":                  {live: func() { panic("no such luck") }, start: credential.ProviderStartFailed, says: "no such luck"},
	"forks and exits":                  {live: func() { spawn("sleep", "1000"); os.Exit(0) }, start: credential.ProviderStartFailed, says: "exit status 0"},
	"is slow, then hangs in Configure": {live: func() { time.Sleep(2 * time.Second); serveRaw(&raw{configure: forever}) }, start: credential.ProviderStartFailed, says: "not ready after"},
	"has another name":                 {live: func() { serveRaw(&raw{name: "vault"}) }, start: credential.ProviderIncompatible, says: `"vault"`},
	"has a broken schema":              {live: func() { serveRaw(&raw{schema: "{"}) }, start: credential.ProviderMisbehaved, says: "schema"},
	"stops after the handshake":        {live: func() { go stopSelf(); serveMemory() }, start: credential.ProviderStartFailed, says: "not ready after"},

	"is go-plugin's own": {live: func() { serveRaw(&raw{}) }},
	"crashes go-plugin's parser": {live: func() {
		go write(`{"@message":1}`, `{"@level":{},"@timestamp":7}`, `null`, `[]`, `"x"`, "\x00\xff")
		serveMemory()
	}},
	"logs 10 MB a second": {live: func() { go flood(); serveMemory() }},
	"logs 70 KB lines": {live: func() {
		go write(strings.Repeat("x", 70<<10), `{"@message":"`+strings.Repeat("y", 70<<10)+`"}`)
		serveMemory()
	}},
	"prints after the handshake": {live: func() { serveRaw(&raw{get: printFirst(os.Stdout)}) }},
	"leaves a grandchild":        {live: func() { spawn("sleep", "1000"); serveMemory() }},
	"ignores SIGTERM and Shutdown": {live: func() {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		_ = os.Unsetenv(wire.EnvLifeline)
		serveRaw(&raw{})
		forever()
	}},

	"never answers": {live: func() {
		serveRaw(&raw{get: func(context.Context, string) (*credentialv1.Credential, error) { forever(); return nil, nil }})
	}, get: credential.DeadlineExceeded},
	"answers too late":       {live: func() { serveRaw(&raw{get: answerLate}) }, get: credential.DeadlineExceeded},
	"answers for another id": {live: func() { serveRaw(&raw{get: answerFor("another")}) }, get: credential.ProviderMisbehaved, says: "another id"},
	"answers nothing": {live: func() {
		serveRaw(&raw{get: func(context.Context, string) (*credentialv1.Credential, error) { return nil, nil }})
	}, get: credential.ProviderMisbehaved},
	"answers 40 MB":            {live: func() { serveRaw(&raw{get: answerHuge}) }, get: credential.ProviderMisbehaved, heavy: true},
	"answers invalid UTF-8":    {live: func() { serveRaw(&raw{get: answerInvalid}) }, get: credential.ProviderMisbehaved},
	"answers invalid messages": {live: func() { serveRaw(&raw{}, grpc.ForceServerCodec(brokenCodec{})) }, start: credential.ProviderMisbehaved},
	"has no reasons":           {live: func() { serveRaw(&raw{get: fail(codes.NotFound)}) }, get: credential.ProviderMisbehaved, says: "NotFound"},
	"says UNAVAILABLE":         {live: func() { serveRaw(&raw{get: fail(codes.Unavailable)}) }, get: credential.ProviderMisbehaved, says: "Unavailable"},
}

// TestZoo launches every animal. Each gets its own clear reason in time, the host lives, and nothing is left behind.
func TestZoo(t *testing.T) {
	for name, animal := range zoo {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options, pids := zooOptions(t, name)
			start := time.Now()
			p, err := Start(t.Context(), options)
			if took := time.Since(start); took > options.StartTimeout+10*time.Second {
				t.Errorf("Start took %v", took)
			}
			if animal.start != "" {
				if err == nil {
					_ = p.Close()
				}
				checkReason(t, err, animal.start, animal.says)
				checkRemedy(t, err, animal.help)
				nothingLeft(t, options, pids)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			deadline := 2 * time.Second
			if animal.heavy {
				deadline = 30 * time.Second
			}
			calls := 3
			if animal.heavy {
				calls = 1
			}
			for range calls {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				start := time.Now()
				got, err := p.Get(ctx, credential.Request{ID: "lab"})
				cancel()
				if took := time.Since(start); took > deadline+2*time.Second {
					t.Errorf("Get took %v with a deadline of %v", took, deadline)
				}
				if animal.get != "" {
					checkReason(t, err, animal.get, animal.says)
				} else if err != nil || got.Username != "admin" {
					t.Errorf("Get: %v, %v", got, err)
				}
			}
			if n := p.Restarts(); n != 0 && !animal.heavy {
				t.Errorf("it was restarted %d times", n)
			}
			start = time.Now()
			_ = p.Close()
			if took := time.Since(start); took > drainTimeout+shutdownTimeout+2*time.Second+5*time.Second {
				t.Errorf("Close took %v", took)
			}
			nothingLeft(t, options, pids)
		})
	}
}

func zooOptions(t *testing.T, name string) (Options, string) {
	t.Helper()
	pids := filepath.Join(shortDir(t), "pids")
	options := memoryOptions(t)
	options.Environ = append(os.Environ(), envBehave+"="+name, envPIDs+"="+pids, "GORACE=atexit_sleep_ms=0")
	options.PassEnv = []string{envBehave, envPIDs, "GORACE"}
	options.StartTimeout, options.CallTimeout = 30*time.Second, time.Minute // a busy machine takes seconds
	if a := zoo[name]; a.says == "not ready after" || a.start == anyFailure {
		options.StartTimeout = 4 * time.Second
	}
	options.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &bytes.Buffer{}})
	return options, pids
}

func checkReason(t *testing.T, err error, want credential.Reason, says string) {
	t.Helper()
	if want == anyFailure {
		want = credential.ReasonOf(err)
	}
	if err == nil || !errors.Is(err, want) {
		t.Errorf("error %v (%s), want %s", err, credential.ReasonOf(err), want)
	}
	if err != nil && len(err.Error()) > longest {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	if err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("error %q doesn't say %q", err, says)
	}
}

// checkRemedy looks for what to do, and for the host's own doing given as the reason.
func checkRemedy(t *testing.T, err error, want string) {
	t.Helper()
	var e *credential.Error
	if !errors.As(err, &e) {
		return
	}
	if help := strings.Join(e.Help, " "); !strings.Contains(help, want) {
		t.Errorf("help %q doesn't say %q", help, want)
	}
	if strings.Contains(e.Message, "signal: killed") {
		t.Errorf("the error says what the host did itself: %q", e.Message)
	}
}

// nothingLeft checks that every process that wrote down its id is gone, with its group.
func nothingLeft(t *testing.T, options Options, pids string) {
	t.Helper()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatalf("the animal never ran: %v", err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, 2*time.Second, fmt.Sprintf("process %d of %s is gone", pid, options.Name), func() bool {
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || state(pid) == "Z"
		})
	}
}

// state is what /proc says of a process: Z has ended and only has to be waited for, which is up to init; T is
// stopped. It is empty where there is no such process.
func state(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// forever stays alive. An empty select would be found out as a deadlock where there is no cgo.
func forever() { time.Sleep(time.Hour) }

func serveMemory() { provider.Main(memoryDefinition) }

func spawn(name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // it holds the pipes
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	notePID(cmd.Process.Pid)
}

// stopSelf stops the process as soon as it listens.
func stopSelf() {
	for {
		if sockets, _ := filepath.Glob(filepath.Join(os.Getenv(wire.EnvSocketDir), "plugin*")); len(sockets) > 1 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			return
		}
	}
}

// stderr is the real one: go-plugin replaces os.Stderr.
var stderr = os.Stderr

func write(lines ...string) {
	for {
		for _, line := range lines {
			_, _ = fmt.Fprintln(stderr, line)
		}
		time.Sleep(time.Millisecond)
	}
}

func flood() {
	line := []byte(`{"@level":"info","@message":"` + strings.Repeat("flood ", 170) + `"}` + "\n")
	for range time.Tick(time.Millisecond) {
		for range 10 {
			_, _ = stderr.Write(line)
		}
	}
}

// printFirst answers when a megabyte without a line's end has been printed.
func printFirst(stdout *os.File) func(context.Context, string) (*credentialv1.Credential, error) {
	return func(ctx context.Context, id string) (*credentialv1.Credential, error) {
		_, err := stdout.Write(bytes.Repeat([]byte("y"), 1<<20))
		if err != nil {
			return nil, err
		}
		return answerFor(id)(ctx, id)
	}
}

// raw is a provider without our SDK, served with go-plugin's own AutoMTLS.
type raw struct {
	credentialv1.UnimplementedCredentialProviderServer
	name, schema, label string
	capabilities        []string
	get                 func(context.Context, string) (*credentialv1.Credential, error)
	configure           func()
}

func serveRaw(service *raw, options ...grpc.ServerOption) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         plugin.PluginSet{wire.PluginName: &wire.Plugin{Service: service}},
		GRPCServer: func(theirs []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(append(theirs, grpc.MaxSendMsgSize(1<<30)), options...)...)
		},
	})
}

// serveForged prints a certificate that is not its own.
func serveForged() {
	cert, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	config, err := wire.ServerTLS(cert, os.Getenv(wire.EnvClientCert))
	if err != nil {
		panic(err)
	}
	other, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	listener, address := listenUnix()
	go func() {
		_ = grpc.NewServer(grpc.Creds(tlsCredentials(config))).Serve(listener)
	}()
	fmt.Printf("1|1|unix|%s|grpc|%s\n", address, base64Raw(other.Certificate[0]))
	forever()
}

func (r *raw) GetMetadata(context.Context, *credentialv1.GetMetadataRequest) (*credentialv1.GetMetadataResponse, error) {
	name := r.name
	if name == "" {
		name = "memory"
	}
	return &credentialv1.GetMetadataResponse{Name: name, SettingsSchema: r.schema, Capabilities: r.capabilities, PreviousVersionLabel: r.label}, nil
}

func (r *raw) Configure(context.Context, *credentialv1.ConfigureRequest) (*credentialv1.ConfigureResponse, error) {
	if r.configure != nil {
		r.configure()
	}
	return &credentialv1.ConfigureResponse{}, nil
}

func (r *raw) GetCredential(ctx context.Context, in *credentialv1.GetCredentialRequest) (*credentialv1.GetCredentialResponse, error) {
	get := r.get
	if get == nil {
		get = answerFor(in.GetCredentialId())
	}
	found, err := get(ctx, in.GetCredentialId())
	return &credentialv1.GetCredentialResponse{Credential: found}, err
}

func (r *raw) BatchGetCredentials(ctx context.Context, in *credentialv1.BatchGetCredentialsRequest) (*credentialv1.BatchGetCredentialsResponse, error) {
	out := &credentialv1.BatchGetCredentialsResponse{}
	for _, request := range in.GetRequests() {
		answer, err := r.GetCredential(ctx, request)
		if err != nil {
			return nil, err
		}
		out.Results = append(out.Results, &credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Credential{Credential: answer.GetCredential()}})
	}
	return out, nil
}

func answerFor(id string) func(context.Context, string) (*credentialv1.Credential, error) {
	return func(context.Context, string) (*credentialv1.Credential, error) {
		password := "password"
		return &credentialv1.Credential{CredentialId: id, Username: "admin", Password: &password}, nil
	}
}

func answerLate(ctx context.Context, id string) (*credentialv1.Credential, error) {
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond)
	return answerFor(id)(ctx, id)
}

var huge = sync.OnceValue(func() string { return strings.Repeat("x", 40<<20) })

func answerHuge(_ context.Context, id string) (*credentialv1.Credential, error) {
	password := huge()
	return &credentialv1.Credential{CredentialId: id, Username: "admin", Password: &password}, nil
}

func answerInvalid(_ context.Context, id string) (*credentialv1.Credential, error) {
	password := "\xff\xfe"
	return &credentialv1.Credential{CredentialId: id, Username: "admin", Password: &password}, nil
}

func fail(code codes.Code) func(context.Context, string) (*credentialv1.Credential, error) {
	return func(context.Context, string) (*credentialv1.Credential, error) { return nil, status.Error(code, "no") }
}
