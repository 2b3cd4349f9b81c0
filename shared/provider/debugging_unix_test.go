//go:build unix

package provider_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// TestDebuggingInTheReadme gives the two commands of README.md's section on debugging, in a directory like the walkthrough's. A
// debugger isn't at hand: the provider runs without one.
func TestDebuggingInTheReadme(t *testing.T) {
	var all []step
	for _, block := range markdowntest.Read(t, "README.md").Section("## Debugging").Blocks() {
		command, output, _ := strings.Cut(strings.TrimPrefix(block.Text, "$ "), "\n")
		all = append(all, step{command, output})
	}
	if len(all) != 2 {
		t.Fatalf("the section has %d blocks, not one for each terminal", len(all))
	}
	alone(t, "127.0.0.1:8300")
	parent := t.TempDir()
	directory := filepath.Join(parent, "keyvalue")
	for source, target := range map[string]string{
		"./scaffold":         filepath.Join(directory, "bin", "tom-credential-keyvalue"),
		"./scaffold/backend": filepath.Join(directory, "bin", "backend"),
		"../../host-example": filepath.Join(parent, "credential-provider", "bin", "host-example"),
	} {
		if output, err := exec.CommandContext(bounded(t), "go", "build", "-o", target, source).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", source, err, output)
		}
	}
	settings, err := os.ReadFile("scaffold/worker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "worker.yaml"), settings, 0o600); err != nil {
		t.Fatal(err)
	}
	sockets, err := os.MkdirTemp("", "d") // not t.TempDir: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	shell := func(command string) *exec.Cmd {
		command = strings.Replace(command, "dlv debug . -- ", "bin/tom-credential-keyvalue ", 1)
		command = strings.Replace(command, "go run ./backend ", "bin/backend ", 1)
		cmd := exec.CommandContext(bounded(t), "sh", "-c", "exec "+command)
		cmd.Dir = directory
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+sockets)
		return cmd
	}

	first := shell(all[0].command)
	terminal, err := os.Create(filepath.Join(parent, "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	first.Stdout, first.Stderr = terminal, terminal
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	printed := func() string {
		text, err := os.ReadFile(terminal.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var file []string
	for file == nil {
		file = regexp.MustCompile(`--unsafe-attach (\S+)\n`).FindStringSubmatch(printed())
		select {
		case err := <-ended:
			t.Fatalf("%s: %v\n%s", all[0].command, err, printed())
		case <-time.After(5 * time.Millisecond): // then look again
		}
	}
	second := shell(strings.Replace(all[1].command, " FILE", " "+file[1], 1))
	var warnings strings.Builder
	second.Stderr = &warnings
	output, err := second.Output()
	if err != nil || string(output) != all[1].output || !strings.Contains(warnings.String(), "UNSAFE") {
		t.Errorf("%s\nprints (%v)\n%s%s", all[1].command, err, output, &warnings)
	}
	if err := first.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Ctrl-C: %v\n%s", err, printed())
	}
}
