package child

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// group is the process's own process group: children that it leaves behind are ended with it.
type group struct{}

func (group) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
		// Besides the lifeline, which a process must read for it to work.
		Pdeathsig: syscall.SIGKILL,
	}
}

func (group) adopt(*os.Process) {}

// await waits until the process has ended, and ends its group before it is reaped: until then no other process can have its
// id.
func (group) await(process *os.Process) bool {
	for {
		err := unix.Waitid(unix.P_PID, process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = syscall.Kill(-process.Pid, syscall.SIGKILL)
	return true
}

// kill kills the process by its own id too: it may have left its group.
func (group) kill(process *os.Process) error {
	_ = syscall.Kill(-process.Pid, syscall.SIGKILL)
	return process.Kill()
}

func (group) release(*os.Process) {}

// keepDescriptors sees to it that a child gets no descriptor that this process has inherited itself, without the flag that Go
// gives to its own.
func keepDescriptors() { _ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }

// whyStuck looks for the reason in /proc.
func whyStuck(pid int, killed error) string {
	if killed != nil {
		if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
				return fmt.Sprintf("%v: it runs as user id %d", killed, stat.Uid)
			}
		}
		return killed.Error()
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "TracerPid" && value != "0":
			return "process " + value + " traces it"
		case name == "State" && strings.HasPrefix(value, "D"):
			return "it waits in the kernel"
		}
	}
	return ""
}
