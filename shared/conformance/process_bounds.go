package conformance

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Bounds of what a provider may use up before it is killed.
const (
	maxProcesses = 200
	maxFile      = 64 << 20 // bytes of one file
	maxDisk      = 64 << 20 // bytes in the directories that are its own
)

// Times between two looks at what a process does.
const (
	lookEvery  = 100 * time.Millisecond
	weighEvery = 500 * time.Millisecond
)

// guard watches a process until it ends, and kills it when it uses too much of the machine.
func (p *process) guard() {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for weighed := time.Now(); ; {
		select {
		case <-p.exited:
			return
		case <-look.C:
		}
		count := p.tree.look()
		if time.Since(weighed) > weighEvery {
			count = len(p.tree.left())
		}
		if count > maxProcesses {
			p.trouble(fmt.Sprintf("it had started more than %d processes", maxProcesses))
			return
		}
		if time.Since(weighed) > weighEvery {
			weighed = time.Now()
			if weight(p.dir) > maxDisk {
				p.trouble(fmt.Sprintf("it had filled its directories with more than %d MiB", maxDisk>>20))
				return
			}
		}
	}
}

// trouble kills a process for a reason.
func (p *process) trouble(why string) {
	p.troubled.Store(&why)
	p.child.Kill()
	p.tree.kill()
}

// end describes how a process that has ended ended.
func (p *process) ending() string {
	if why := p.troubled.Load(); why != nil {
		return *why + ", and was killed"
	}
	return p.cmd.ProcessState.String()
}

// weight is how many bytes the files in a directory have, which links out of it don't count for.
func weight(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it may be gone
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// removeAll removes a directory, whatever modes a provider has given to what is in it.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // a directory
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

func (p *process) temporary() string { return filepath.Join(p.dir, "tmp") }

// isolate gives a process its own working directory and home directory. In the home directory is all that the real
// one has, by links; where programs keep their state, only what is in there is linked, so that new files are the launch's.
func (p *process) isolate() error {
	work, home := filepath.Join(p.dir, "work"), filepath.Join(p.dir, "home")
	for _, dir := range []string{work, home} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	p.cmd.Dir = work
	at := slices.IndexFunc(p.cmd.Env, func(variable string) bool { return strings.HasPrefix(variable, "HOME=") })
	if at < 0 {
		return nil
	}
	link(strings.TrimPrefix(p.cmd.Env[at], "HOME="), home, []string{".cache", ".config", ".local", ".local/share", ".local/state"})
	p.cmd.Env = slices.DeleteFunc(p.cmd.Env, func(variable string) bool {
		return strings.HasPrefix(variable, "XDG_CACHE_HOME=") || strings.HasPrefix(variable, "XDG_STATE_HOME=")
	})
	p.cmd.Env = append(p.cmd.Env, "HOME="+home)
	return nil
}

// link links what is in one directory into another. Those of inner become directories whose content is linked.
func link(from, to string, inner []string) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		var deeper []string
		own := false
		for _, path := range inner {
			first, rest, more := strings.Cut(path, "/")
			if first != entry.Name() {
				continue
			}
			own = true
			if more {
				deeper = append(deeper, rest)
			}
		}
		if info, err := os.Stat(source); own && err == nil && info.IsDir() && os.Mkdir(target, 0o700) == nil {
			link(source, target, deeper)
			continue
		}
		_ = os.Symlink(source, target)
	}
}
