//go:build unix && !linux

package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// children are the processes that a process has started.
func children(parent int) (pids []int, err error) {
	list, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	for line := range strings.Lines(string(list)) {
		var pid, of int
		if _, err := fmt.Sscan(line, &pid, &of); err == nil && of == parent {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
