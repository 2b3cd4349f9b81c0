//go:build unix && !linux

package child

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// group is the process's own process group: children that it leaves behind are ended with it.
type group struct{}

func (group) prepare(cmd *exec.Cmd) {
	// There is no signal for a parent's death here: the lifeline alone tells a process that its parent is gone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func (group) adopt(*os.Process) {}

// await can't wait without reaping here.
func (group) await(*os.Process) bool { return false }

// kill kills the process by its own id too: it may have left its group.
func (group) kill(process *os.Process) error {
	_ = syscall.Kill(-process.Pid, syscall.SIGKILL)
	return process.Kill()
}

func (group) release(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }

// keepDescriptors sees to it that a child gets no descriptor that this process has inherited itself, without the flag that Go
// gives to its own.
func keepDescriptors() {
	open, _ := filepath.Glob("/dev/fd/[0-9]*")
	for _, path := range open {
		if fd, err := strconv.Atoi(filepath.Base(path)); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

func whyStuck(_ int, killed error) string {
	if killed != nil {
		return killed.Error()
	}
	return ""
}
