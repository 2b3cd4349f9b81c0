package host

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNoexec looks at providers where the only directory for anything is mounted noexec. The mount is made in a namespace of the
// child's own.
func TestNoexec(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehave+"=noexec", "TMPDIR="+dir, "RUNTIME_DIRECTORY=", "XDG_RUNTIME_DIR=", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Skip("this machine gives root no mount namespace")
	}
	for _, part := range []string{
		"sealed: <nil>", // a copy in memory needs no directory
		"in a file: PROVIDER_REFUSED", "can't be executed", dir + ": mounted noexec", "TMPDIR",
		"unpinned: PROVIDER_REFUSED", "is on a file system mounted noexec", "remount,exec",
	} {
		if !strings.Contains(string(output), part) {
			t.Errorf("%v\n%s\ndoesn't say %q", err, output, part)
		}
	}
}

func beNoexec() {
	dir := os.Getenv("TMPDIR")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOEXEC, "size=10m"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		panic(err)
	}
	resolved, err := filepath.EvalSymlinks("/bin/true")
	if err != nil {
		panic(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(program))
	_, err = prepare(context.Background(), resolved, digest, "")
	fmt.Println("sealed:", describe(err))
	makeSealed = func(string, []byte) *os.File { return nil }
	_, err = prepare(context.Background(), resolved, digest, "")
	fmt.Println("in a file:", describe(err))
	there := filepath.Join(dir, "tom-credential-x")
	if err := os.WriteFile(there, program, 0o755); err != nil { //nolint:gosec // it is a program
		panic(err)
	}
	_, err = (&executable{origin: there}).check()
	fmt.Println("unpinned:", describe(err))
}
