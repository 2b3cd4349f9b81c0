//go:build unix

package conformance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processGroup is a provider's own process group, by which its children are found.
type processGroup struct{}

func (processGroup) prepare(cmd *exec.Cmd)    { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
func (processGroup) kill(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }

// left says whether a process of the group is still running. known is false where that can't be told.
func (processGroup) left(process *os.Process) (left, known bool) {
	if errors.Is(syscall.Kill(-process.Pid, 0), syscall.ESRCH) {
		return false, true
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(stats) == 0 {
		return true, true
	}
	for _, path := range stats { // some of them may have ended and only wait for somebody to take note
		state, group := procStat(path)
		if group == process.Pid && state != "Z" && state != "X" {
			return true, true
		}
	}
	return false, true
}

// procStat reads a process's state and group from its line in /proc.
func procStat(path string) (state string, group int) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest) // state, parent, group
	if len(fields) < 3 {
		return "", 0
	}
	group, _ = strconv.Atoi(fields[2])
	return fields[0], group
}

// arguments are the command lines of the group's processes, as far as the system shows them.
func (processGroup) arguments(process *os.Process) [][]byte {
	var all [][]byte
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if _, group := procStat(path); group == process.Pid {
			if line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")); err == nil {
				all = append(all, line)
			}
		}
	}
	return all
}
