package conformance

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listeners counts the TCP ports on which a process listens. known is false where the system doesn't tell.
func listeners(pid int) (count int, known bool) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	entries, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return 0, false
	}
	own := map[string]bool{}
	for _, entry := range entries {
		target, _ := os.Readlink(filepath.Join(proc, "fd", entry.Name()))
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(proc, "net", table)) //nolint:gosec // of /proc
		if err != nil {
			continue
		}
		known = true
		for line := range strings.Lines(string(text)) {
			const listening, state, inode = "0A", 3, 9
			if fields := strings.Fields(line); len(fields) > inode && fields[state] == listening && own[fields[inode]] {
				count++
			}
		}
	}
	return count, known
}
