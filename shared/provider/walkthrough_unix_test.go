//go:build unix

package provider_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// The walkthrough is a shell session in the README's first section, and this is its convention. In a block that is marked
// "console" a line that starts with "$ " is a command; all commands of the section are run by one shell, in their order, and each must
// succeed. The lines after a command are what it prints to standard output: a line "..." stands for any number of lines,
// and times and digests may differ. A command without such lines may print anything. A block that is marked "console offline"
// stands for the block before it where there is no network.
const walkthrough = "## From an empty directory to a green run"

// step is one command with the output that is documented.
type step struct{ command, output string }

func steps(d markdowntest.Document, offline bool) []step {
	var all []step
	before := 0 // how many steps there are without those of the block before
	for _, block := range d.Section(walkthrough).Blocks() {
		switch {
		case block.Info == "console":
			before = len(all)
		case block.Info == "console offline" && offline:
			all = all[:before]
		default:
			continue
		}
		for line := range strings.Lines(block.Text) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, step{command: command})
			} else if n := len(all); n > 0 {
				all[n-1].output += line
			}
		}
	}
	return all
}

// TestWalkthrough does what a reader of README.md does, in an empty directory outside the repository. Where `go mod tidy`
// has no network, it goes the way without one: what is in the module cache once the repository has been tested is enough.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"git", "go", "sh", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("the walkthrough needs %s: %v", program, err)
			}
			t.Skipf("the walkthrough needs %s: %v", program, err)
		}
	}
	document := markdowntest.Read(t, "README.md")
	all := steps(document, !online(t))
	if len(all) < 15 {
		t.Fatalf("only %d commands were found in README.md", len(all))
	}
	alone(t, "127.0.0.1:8300")
	walk(t, all)
}

// TestWalkthroughWithoutNetwork goes the other way as far as the provider's build.
func TestWalkthroughWithoutNetwork(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"git", "go", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the walkthrough needs %s, which TestWalkthrough reports: %v", program, err)
		}
	}
	document := markdowntest.Read(t, "README.md")
	online, offline := steps(document, false), steps(document, true)
	if slices.Equal(online, offline) {
		t.Fatal("README.md has no block for machines without a network")
	}
	builds := slices.IndexFunc(offline, func(s step) bool { return strings.HasPrefix(s.command, "go vet ") })
	walk(t, offline[:builds+1], "GOPROXY=off", "GOFLAGS=")
}

// online reports whether go can fetch what the scaffold's module needs.
func online(t *testing.T) bool {
	t.Helper()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if err := os.CopyFS(directory, os.DirFS("scaffold")); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"init", "example.com/keyvalue"}, {"edit", "-replace=github.com/tom-worker/credential-provider=" + repository}, {"tidy"}} {
		command := exec.CommandContext(bounded(t), "go", append([]string{"mod"}, arguments...)...)
		command.Dir = directory
		if output, err := command.CombinedOutput(); err != nil {
			t.Logf("without a network: %s", output)
			return false
		}
	}
	return true
}

// walk runs commands in one shell, with further variables, and compares what they print.
func walk(t *testing.T, all []step, variables ...string) {
	t.Helper()
	var script strings.Builder
	for _, s := range all {
		// The marks are on both sides of each command's output.
		_, _ = fmt.Fprintf(&script, "printf '\\036'\n%sstatus=$?\nprintf '\\036%%d' $status\n[ $status = 0 ] || exit 1\n", s.command)
	}
	file := filepath.Join(t.TempDir(), "session.sh")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	session := exec.CommandContext(bounded(t), "sh", file)
	session.Dir = t.TempDir()
	session.Env = markdowntest.ReadersEnvironment(t, "../..", append(variables, "AWS_EC2_METADATA_DISABLED=true", "GORACE=atexit_sleep_ms=0")...)
	session.Stdout, session.Stderr = &stdout, &stderr
	session.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	session.Cancel = func() error { return syscall.Kill(-session.Process.Pid, syscall.SIGKILL) }
	session.WaitDelay = time.Second
	ended := session.Run()

	parts := strings.Split(stdout.String(), "\x1e")[1:]
	for i, s := range all {
		if 2*i+1 >= len(parts) || parts[2*i+1] != "0" {
			t.Fatalf("%s\ndoesn't work (%v). It prints\n%s\n%s", s.command, ended, strings.Join(parts[min(2*i, len(parts)):], " "), stderr.String())
		}
		if s.output != "" && !shown(s.output).MatchString(settle(parts[2*i])) {
			t.Errorf("%s\nprints\n%s\nwhere README.md shows\n%s", s.command, parts[2*i], s.output)
		}
	}
}

// shown is what output may be where the document has this.
func shown(text string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(settle(text))
	return regexp.MustCompile(`^` + strings.ReplaceAll(pattern, "\\.\\.\\.\n", "(?:.*\n)*") + `\n?$`)
}

var (
	seconds = regexp.MustCompile(`\d+\.\d+s\b`)
	digest  = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// settle takes out of a text what differs from run to run.
func settle(text string) string {
	return digest.ReplaceAllString(seconds.ReplaceAllString(text, "1.000s"), strings.Repeat("0", 64))
}

// bounded ends before the test's time is up, so that a command that hangs can be told.
func bounded(t *testing.T) context.Context {
	t.Helper()
	deadline, ok := t.Deadline()
	if !ok {
		return t.Context()
	}
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(-20*time.Second))
	t.Cleanup(cancel)
	return ctx
}

// alone waits until no other run of this test uses the address that the scaffold's files name, and no other process does.
func alone(t *testing.T, address string) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "tom-credential-walkthrough.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() }) // and with it the lock is gone
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the stand-in of the scaffold can't listen: %v; free the port", err)
	}
	_ = listener.Close()
}

var scaffoldLink = regexp.MustCompile(`\(scaffold/([^)]+)\)`)

// TestScaffoldInTheReadme: every excerpt is in the file that it is said to be from, and the table has every file.
func TestScaffoldInTheReadme(t *testing.T) {
	readme := markdowntest.Read(t, "README.md")
	excerpts := 0
	for _, block := range readme.Blocks() {
		if strings.HasPrefix(block.Info, "console") {
			continue
		}
		link := scaffoldLink.FindStringSubmatch(block.Before)
		if link == nil {
			t.Errorf("of which file is this? %s", block.Text)
			continue
		}
		excerpts++
		content, err := os.ReadFile(filepath.Join("scaffold", link[1]))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(content), block.Text) {
			t.Errorf("%s hasn't got\n%s", link[1], block.Text)
		}
	}
	if excerpts < 5 {
		t.Errorf("only %d excerpts were found", excerpts)
	}

	var named, there []string
	for _, row := range readme.Section("## The scaffold's files").Table("File") {
		named = append(named, scaffoldLink.FindStringSubmatch(row[0])[1])
	}
	err := filepath.WalkDir("scaffold", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			there = append(there, strings.TrimPrefix(path, "scaffold/"))
		}
		return err
	})
	slices.Sort(named)
	if err != nil || !slices.Equal(named, there) {
		t.Errorf("the table has %v, the directory %v, %v", named, there, err)
	}
}
