package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// TestScripts runs the sessions of testdata. In each one host-example is a process, which launches the real
// provider, which reads from a Secrets Manager in memory that belongs to the session. Besides testscript's commands there are
//
//	status N command...       run a command that must end with this exit status
//	secret NAME FILE          put the text of a file into the Secrets Manager
//	binary NAME FILE          the same, as a binary value
//	secret-size NAME BYTES    a credential whose password makes the secret so large
//	many NAME COUNT           so many credentials, NAME1 and so on
//	rotate NAME FILE          put a new version
//	fault html|stall          let reads fail: with a web page, or never answered
//	stalled                   wait until a read is stalled
//	checksum VARIABLE FILE    set a variable to the SHA-256 of a file
//	appears VARIABLE PATTERN  wait until there is a file of this name, and set a variable to its path
//	gone                      no process of a provider from the session's directory is left (Linux)
//
// and the variables PLUGINS (the directory with the AWS provider), EXAMPLES (the directory with the providers that stand for third
// parties'), BACKEND (the Secrets Manager's URL) and NOWHERE (a URL at which nothing listens), and as host:port LISTENING (the
// Secrets Manager) and CLOSED (no server).
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":      checkStatus,
			"secret":      putSecret,
			"binary":      putBinary,
			"secret-size": putLargeSecret,
			"many":        putMany,
			"rotate":      rotate,
			"fault":       inject,
			"stalled":     waitForStall,
			"checksum":    checksum,
			"appears":     appears,
			"gone":        gone,
		},
	})
}

// session is what a script's commands act on.
type session struct {
	backend *awssmtest.Server
	stall   *awssmtest.Injection
}

type sessionKey struct{}

func setup(env *testscript.Env) error {
	backend, err := awssmtest.Start(awssmtest.Options{})
	if err != nil {
		return err
	}
	env.Defer(backend.Close)
	env.Values[sessionKey{}] = &session{backend: backend}

	// A port that was free a moment ago, and is closed.
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	env.Setenv("HOME", env.WorkDir)
	env.Setenv("PLUGINS", pluginDir)
	env.Setenv("EXAMPLES", exampleDir)
	env.Setenv("BACKEND", backend.URL())
	env.Setenv("NOWHERE", closed.URL)
	env.Setenv("LISTENING", strings.TrimPrefix(backend.URL(), "http://"))
	env.Setenv("CLOSED", strings.TrimPrefix(closed.URL, "http://"))
	for _, variable := range backend.Env() {
		name, value, _ := strings.Cut(variable, "=")
		env.Setenv(name, value)
	}
	env.Setenv("TOM_WORKER_CREDENTIAL_PLUGIN_DIRS", pluginDir)
	return nil
}

func here(ts *testscript.TestScript) *session { return ts.Value(sessionKey{}).(*session) }

func usage(ts *testscript.TestScript, neg bool, ok bool, text string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", text)
	}
}

func checkStatus(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "status N command...")
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s ended with status %d, not %s", args[1], got, args[0])
	}
}

func checksum(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "checksum VARIABLE FILE")
	ts.Setenv(args[0], fmt.Sprintf("%x", sha256.Sum256([]byte(ts.ReadFile(args[1])))))
}

func putSecret(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "secret NAME FILE")
	here(ts).backend.PutSecret(args[0], strings.TrimSuffix(ts.ReadFile(args[1]), "\n"))
}

func putBinary(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "binary NAME FILE")
	here(ts).backend.PutBinary(args[0], []byte(ts.ReadFile(args[1])))
}

func putLargeSecret(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "secret-size NAME BYTES")
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	const frame = `{"username":"admin","password":""}`
	here(ts).backend.PutSecret(args[0], strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1))
}

func putMany(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "many NAME COUNT")
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i := range count {
		here(ts).backend.PutSecret(args[0]+strconv.Itoa(i+1), `{"username":"admin","password":"x"}`)
	}
}

func rotate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "rotate NAME FILE")
	here(ts).backend.Rotate(args[0], strings.TrimSuffix(ts.ReadFile(args[1]), "\n"))
}

func inject(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "fault html|stall")
	s := here(ts)
	switch args[0] {
	case "html":
		s.backend.Inject(awssmtest.Fault{Service: "secretsmanager", Body: "<html><body>Welcome to the proxy</body></html>"})
	case "stall":
		s.stall = s.backend.Inject(awssmtest.Fault{Operation: "GetSecretValue", Stall: true})
	default:
		ts.Fatalf("no fault %q", args[0])
	}
}

// eventually polls for an event.
func eventually(ts *testscript.TestScript, what string, happened func() bool) {
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("still not: %s", what)
		}
	}
}

func waitForStall(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 0, "stalled")
	eventually(ts, "a read is stalled", func() bool { return here(ts).stall.Waiting() > 0 })
}

func appears(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "appears VARIABLE PATTERN")
	eventually(ts, "there is a file "+args[1], func() bool {
		found, err := filepath.Glob(args[1])
		ts.Check(err)
		if len(found) > 0 {
			ts.Setenv(args[0], found[0])
		}
		return len(found) > 0
	})
}

func gone(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 0, "gone")
	work := ts.Getenv("WORK") + string(filepath.Separator)
	eventually(ts, "the provider's process is gone", func() bool {
		links, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil || len(links) == 0 {
			ts.Fatalf("no processes in /proc: %v", err)
		}
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, work) {
				return false
			}
		}
		return true
	})
}
