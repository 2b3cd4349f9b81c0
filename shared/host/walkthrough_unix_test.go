//go:build unix

package host_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// minimal is the program that README.md goes through.
const minimal = "../../host-example/minimal/main.go"

// TestReadmeFromAnEmptyDirectory does what a reader of README.md does, in an empty directory outside the repository. What a
// machine has in its module cache after it has built and tested the repository is enough for it.
func TestReadmeFromAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds a host; run without -short")
	}
	for _, program := range []string{"git", "go", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("README.md needs %s: %v", program, err)
			}
			t.Skipf("README.md needs %s: %v", program, err)
		}
	}
	device(t, "127.0.0.1:8301")
	script, want := "set -e\n", ""
	for _, block := range markdowntest.Read(t, "README.md").Section("## From an empty directory to a login").Blocks() {
		if block.Info != "console" {
			continue
		}
		for line := range strings.Lines(block.Text) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				script += command
			} else {
				want += line
			}
		}
	}
	if strings.Count(script, "\n") < 12 {
		t.Fatalf("only these commands were found in README.md:\n%s", script)
	}
	session := exec.CommandContext(t.Context(), "sh", "-c", script)
	session.Dir, session.Env = t.TempDir(), markdowntest.ReadersEnvironment(t, "../..")
	var stderr strings.Builder
	session.Stderr = &stderr
	got, err := session.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, got, stderr.String())
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, `.*`) // "..." stands for the rest of a line
	if !regexp.MustCompile(`^\s*` + strings.TrimSpace(pattern) + `\s*$`).Match(got) {
		t.Errorf("README.md shows\n%s\nand it prints\n%s", want, got)
	}
}

// device stands for one with an HTTP API and one account.
func device(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		t.Skipf("something else listens at %s", address)
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if username, password, _ := r.BasicAuth(); username != "admin" || password != "your-password" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}

// What README.md shows of the program is in the program, and the fields and reasons that it names exist.
func TestReadmeIsTrue(t *testing.T) {
	readme := markdowntest.Read(t, "README.md")
	program, err := os.ReadFile(minimal)
	if err != nil {
		t.Fatal(err)
	}
	excerpts := 0
	for _, block := range readme.Blocks() {
		if block.Info != "go" {
			continue
		}
		if excerpts++; !strings.Contains(string(program), block.Text) {
			t.Errorf("%s hasn't got\n%s", minimal, block.Text)
		}
	}
	if excerpts < 2 {
		t.Errorf("only %d excerpts were found", excerpts)
	}
	for _, row := range readme.Section("## Options").Table("Field") {
		for _, field := range markdowntest.Code(row[0]) {
			if _, ok := reflect.TypeFor[host.Options]().FieldByName(field); !ok {
				t.Errorf("Options has no field %s", field)
			}
		}
	}
	reasons := fmt.Sprint(credential.Reasons())
	for _, row := range readme.Section("## Errors").Table("Reason") {
		for _, reason := range markdowntest.Code(row[0]) {
			if !strings.Contains(reasons, reason) {
				t.Errorf("there is no reason %s", reason)
			}
		}
	}
}
