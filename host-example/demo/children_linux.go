package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// children are the processes that a process has started.
func children(parent int) (pids []int, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// 1234 (the name) S 1: the name may hold anything.
		var pid, of int
		var state string
		_, err1 := fmt.Sscan(string(stat), &pid)
		_, err2 := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &of)
		if err1 == nil && err2 == nil && of == parent {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
