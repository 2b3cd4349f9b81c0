package conformance

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tree follows the processes that one launch starts, also those that leave the process group, clear their environment and
// outlive their parents. While an exam runs, this process is a subreaper: orphans become its children instead of init's.
type tree struct {
	root int
	born uint64 // when the provider's process started, in ticks since the system did
	dir  string // the launch's own directory: it is in the environment of all that descends from it

	mu    sync.Mutex
	known map[int]uint64 // start times by process id: ids are used again
}

// reaping is shared by all exams of this process.
var reaping struct {
	sync.Mutex
	exams int
	own   map[int]bool // started by this package: no orphans
}

func adoptOrphans() {
	reaping.Lock()
	defer reaping.Unlock()
	if reaping.exams++; reaping.exams == 1 {
		reaping.own = map[int]bool{}
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
}

func leaveOrphans() {
	reaping.Lock()
	defer reaping.Unlock()
	if reaping.exams--; reaping.exams == 0 {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	}
}

func newTree(root int, dir string) *tree {
	reaping.Lock()
	defer reaping.Unlock()
	if reaping.own != nil {
		reaping.own[root] = true
	}
	s, _ := processStat(root)
	return &tree{root: root, born: s.born, dir: dir, known: map[int]uint64{}}
}

// bound limits what a provider may do to the disk with one file, in bytes.
func (t *tree) bound(fileSize uint64) {
	_ = unix.Prlimit(t.root, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: fileSize, Max: fileSize}, nil)
}

// look takes note of the processes that there are, and returns how many there are besides the provider's own. Orphans are
// among them if they were found before.
func (t *tree) look() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.descend(t.root)
	for pid, born := range t.known {
		if s, ok := processStat(pid); ok && s.born == born {
			t.descend(pid)
		}
	}
	return len(t.running())
}

func (t *tree) descend(parent int) {
	for _, pid := range children(parent) {
		if s, ok := processStat(pid); ok && t.known[pid] != s.born {
			t.known[pid] = s.born
			t.descend(pid)
		}
	}
}

// adopt finds the launch's orphans among the children of this process.
func (t *tree) adopt() {
	reaping.Lock()
	own, alone := reaping.own, reaping.exams == 1
	var orphans []int
	for _, pid := range children(os.Getpid()) {
		if !own[pid] {
			orphans = append(orphans, pid)
		}
	}
	reaping.Unlock()
	self, _ := processStat(os.Getpid())
	for _, pid := range orphans {
		s, ok := processStat(pid)
		if !ok || t.known[pid] == s.born {
			continue
		}
		// Children that other code of this process has started are in its session. An orphan that has left no trace of where it
		// came from is in another.
		stray := alone && s.session != self.session && s.born >= t.born
		if s.group == t.root || t.marked(pid) || stray {
			t.known[pid] = s.born
			t.descend(pid)
		}
	}
}

// marked reports whether a process has traces of the launch.
func (t *tree) marked(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if environ, err := os.ReadFile(filepath.Join(proc, "environ")); err == nil && bytes.Contains(environ, []byte(t.dir)) {
		return true
	}
	if dir, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil && strings.HasPrefix(dir, t.dir) {
		return true
	}
	return false
}

// running are the known processes that haven't ended. Zombies that are this process's children are waited for.
func (t *tree) running() []int {
	var all []int
	for pid, born := range t.known {
		s, ok := processStat(pid)
		switch {
		case !ok || s.born != born || s.state == "X":
			delete(t.known, pid)
		case s.state == "Z":
			if s.parent == os.Getpid() {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		default:
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

// left are the processes that are still running, besides the provider's own.
func (t *tree) left() []int {
	t.look()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adopt()
	return t.running()
}

// kill ends all of them. New ones may be started while it does: it looks again, a bounded number of times.
func (t *tree) kill() {
	for n := range 50 {
		time.Sleep(time.Duration(n) * 2 * time.Millisecond) // a killed process takes a moment to be gone, and longer on a busy machine
		left := t.left()
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGSTOP) // all of them first, so that none replaces another
		}
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// arguments are the command lines and, of the processes besides the provider's own, the environments, as far as the system
// shows them.
func (t *tree) arguments() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.descend(t.root)
	var all [][]byte
	read := func(pid int, what string) {
		if text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), what)); err == nil {
			all = append(all, bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
		}
	}
	read(t.root, "cmdline")
	read(t.root, "comm")
	for _, pid := range t.running() {
		read(pid, "cmdline")
		read(pid, "environ")
	}
	return all
}

func children(pid int) []int {
	var all []int
	tasks := filepath.Join("/proc", strconv.Itoa(pid), "task")
	threads, _ := os.ReadDir(tasks)
	for _, thread := range threads {
		text, _ := os.ReadFile(filepath.Join(tasks, thread.Name(), "children"))
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// stat is a part of what /proc/PID/stat has.
type stat struct {
	state                  string
	parent, group, session int
	born                   uint64
}

func processStat(pid int) (stat, bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, false
	}
	end := bytes.LastIndexByte(text, ')') // the program's name before it may hold anything
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 20 {
		return stat{}, false
	}
	s := stat{state: fields[0]}
	s.parent, _ = strconv.Atoi(fields[1])
	s.group, _ = strconv.Atoi(fields[2])
	s.session, _ = strconv.Atoi(fields[3])
	s.born, _ = strconv.ParseUint(fields[19], 10, 64)
	return s, true
}

// followed reports whether the system shows which processes belong together.
func followed() bool {
	_, ok := processStat(os.Getpid())
	return ok
}
