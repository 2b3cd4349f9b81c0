//go:build unix

package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/internal/document"
)

// The walkthrough is a shell session in the README's first section, and this is its convention. In a block that is marked
// "console" a line that begins with "$ " is a command; all commands of the section are run by one shell, in their order, and each must
// succeed. The lines after a command are what it prints to standard output: a line "..." stands for any number of lines,
// and times and digests may differ. A command without such lines may print anything.
const walkthrough = "## From an empty folder to a green run"

// published is where the walkthrough clones from. Here git is told to take this working tree instead.
const published = "https://github.com/tom-worker/credential-provider"

// step is one command with what it is said to print.
type step struct{ command, output string }

func steps(d document.Document) []step {
	var all []step
	for _, block := range d.Section(walkthrough).Blocks() {
		if block.Info != "console" {
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

// TestWalkthrough does what a reader of README.md does, in an empty folder outside the repository. What a machine has in its
// module cache after it has built and tested the repository is enough for it: it needs no network.
func TestWalkthrough(t *testing.T) {
	for _, program := range []string{"git", "go", "sh", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("the walkthrough needs %s: %v", program, err)
			}
			t.Skipf("the walkthrough needs %s: %v", program, err)
		}
	}
	all := steps(document.Read(t, "README.md"))
	if len(all) < 15 {
		t.Fatalf("only %d commands were found in README.md", len(all))
	}
	alone(t, "127.0.0.1:8300")

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
	session.Env = readersEnvironment(t)
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

// alone waits until no other run of this test uses the address that the scaffold's files name, and nobody else does.
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

// readersEnvironment is that of a person with a home of their own, who has git and Go set up as this machine has.
func readersEnvironment(t *testing.T) []string {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "LANG=C", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url." + snapshot(t) + ".insteadOf", "GIT_CONFIG_VALUE_0=" + published,
		"AWS_EC2_METADATA_DISABLED=true", "GORACE=atexit_sleep_ms=0"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

// snapshot makes a repository of the working tree, with what isn't committed yet.
func snapshot(t *testing.T) string {
	t.Helper()
	const root = "../.."
	list, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("this isn't a git working tree, so nothing can be cloned: %v", err)
	}
	folder := filepath.Join(t.TempDir(), "snapshot")
	for name := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		}
		target := filepath.Join(folder, name)
		info, infoErr := os.Stat(filepath.Join(root, name))
		if err := errors.Join(err, infoErr, os.MkdirAll(filepath.Dir(target), 0o755)); err != nil { //nolint:gosec // what is public anyway
			t.Fatal(err)
		}
		if err := os.WriteFile(target, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	for _, arguments := range [][]string{
		{"init", "--quiet"},
		{"add", "--all", "--force"},
		{"-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "the working tree"},
	} {
		if output, err := exec.Command("git", append([]string{"-C", folder}, arguments...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strconv.Quote(strings.Join(arguments, " ")), err, output)
		}
	}
	return folder
}

var scaffoldLink = regexp.MustCompile(`\(scaffold/([^)]+)\)`)

// TestScaffoldInTheReadme: every excerpt is in the file that it is said to be from, and the table has every file.
func TestScaffoldInTheReadme(t *testing.T) {
	readme := document.Read(t, "README.md")
	excerpts := 0
	for _, block := range readme.Blocks() {
		if block.Info == "console" {
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
		t.Errorf("the table has %v, the folder %v, %v", named, there, err)
	}
}
