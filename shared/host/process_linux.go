package host

import (
	"os"
	"os/exec"
	"syscall"
)

// processGroup is a provider's own process group: children that it leaves behind are ended with it. Those that made a
// session or a group of their own are out of reach.
type processGroup struct{}

func (processGroup) prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
		// Besides the lifeline, which a provider must read for it to work.
		Pdeathsig: syscall.SIGKILL,
	}
}

func (processGroup) adopt(*os.Process) {}

func (processGroup) kill(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }

func (processGroup) release() {}
