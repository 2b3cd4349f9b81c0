package host

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNoexec launches a pinned provider where the only folder for its copy is mounted noexec. The mount is made in a
// namespace of the child's own.
func TestNoexec(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	folder := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehave+"=noexec", "TMPDIR="+folder, "RUNTIME_DIRECTORY=", "XDG_RUNTIME_DIR=", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") {
		t.Skip("this machine gives root no mount namespace")
	}
	for _, part := range []string{"PROVIDER_REFUSED", "can't be executed", folder, "noexec", "TMPDIR"} {
		if !strings.Contains(string(output), part) {
			t.Errorf("%v\n%s\ndoesn't say %q", err, output, part)
		}
	}
}

func beNoexec() {
	folder := os.Getenv("TMPDIR")
	if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_NOEXEC, "size=1m"); err != nil {
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
	_, err = prepare(resolved, fmt.Sprintf("%x", sha256.Sum256(program)))
	fmt.Println(describe(err))
}
