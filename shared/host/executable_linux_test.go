package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// other is a user id that is neither root's nor this user's.
const other = 65533

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("CI runs this test as root")
	}
	t.Skip("only root can give files to another user")
}

// access is one thing that lets another user change what is executed.
type access struct {
	name string
	// give gives it, at one of the directories or files between the root and the executable.
	give func(t *testing.T, path string)
	says string
	// file and dir report where it matters.
	file, dir, link bool
}

var accesses = []access{
	{"owner", func(t *testing.T, path string) { must(t, os.Lchown(path, other, 0)) }, fmt.Sprint("user id ", other), true, true, true},
	{"mode of others", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o757)) }, "writable by", true, true, false},
	{"access list of a user", func(t *testing.T, path string) { setACL(t, path, aclUser, other, 7) }, "access control list", false, true, false},
	{"access list of a group", func(t *testing.T, path string) { setACL(t, path, aclGroup, other, 7) }, "access control list", false, true, false},
	{"access list on the file", func(t *testing.T, path string) { setACL(t, path, aclUser, other, 7) }, "writable by", true, false, false},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setACL gives path an access control list with one entry besides its mode.
func setACL(t *testing.T, path string, tag uint16, id uint32, perm uint16) {
	t.Helper()
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 7, ^uint32(0)}, {tag, perm, id}, {4, 5, ^uint32(0)}, {aclMask, 7, ^uint32(0)}, {0x20, 5, ^uint32(0)}} {
		if e.tag == aclGroup && tag == aclGroup { // entries are in the order of their tags
			list = binary.LittleEndian.AppendUint16(list, 4)
			list = binary.LittleEndian.AppendUint16(list, 5)
			list = binary.LittleEndian.AppendUint32(list, ^uint32(0))
		}
		if e.tag == 4 && tag == aclGroup {
			continue
		}
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.perm)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	if err := unix.Setxattr(path, "system.posix_acl_access", list, 0); err != nil {
		if errors.Is(err, unix.ENOTSUP) {
			t.Skip("this file system has no access control lists")
		}
		t.Fatal(err)
	}
}

// tree makes root/a/b/c/tom-credential-x, and a link to its directory in root/links.
func tree(t *testing.T, content string) (root, path string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "a", "b", "c")
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.Mkdir(filepath.Join(root, "links"), 0o755))
	must(t, os.Symlink("../a/b", filepath.Join(root, "links", "b")))
	path = filepath.Join(dir, "tom-credential-x")
	must(t, regular.WriteExecutable(path, strings.NewReader(content), 0o755))
	must(t, os.Chmod(path, 0o755))
	return root, path
}

func checked(path, search string) error {
	run, err := (&executable{origin: path, search: search}).check()
	if err == nil {
		run.close()
	}
	return err
}

// Whatever lets another user change what is executed, anywhere on the way to it, is found.
func TestEveryWayToTheFileIsChecked(t *testing.T) {
	needRoot(t)
	places := []struct {
		path string // below the root
		kind string
	}{{"a", "dir"}, {"a/b", "dir"}, {"a/b/c", "dir"}, {"links", "dir"}, {"links/b", "link"}, {"a/b/c/tom-credential-x", "file"}}
	for _, access := range accesses {
		for _, place := range places {
			if place.kind == "dir" && !access.dir || place.kind == "file" && !access.file || place.kind == "link" && !access.link {
				continue
			}
			t.Run(access.name+" at "+place.path, func(t *testing.T) {
				root, _ := tree(t, "#!/bin/sh\n")
				through := filepath.Join(root, "links", "b", "c", "tom-credential-x")
				must(t, checked(through, ""))
				access.give(t, filepath.Join(root, place.path))
				err := checked(through, "")
				var refusal *credential.Error
				if !errors.As(err, &refusal) || refusal.Reason != credential.ProviderRefused || !strings.Contains(err.Error(), access.says) || len(refusal.Help) == 0 {
					t.Errorf("error %s", describe(err))
				}
			})
		}
	}
}

// A script is what its interpreter makes of it: that one is checked in the same way, found through env and through links.
func TestInterpretersAreChecked(t *testing.T) {
	needRoot(t)
	root, interpreter := tree(t, "#!/bin/sh\n")
	name, dir := filepath.Base(interpreter), filepath.Dir(interpreter)
	for line, search := range map[string]string{
		"#!" + interpreter: "",
		"#! " + filepath.Join(root, "links/b/c", name) + " -x": "",
		"#!/usr/bin/env " + name:                               "/nonexistent:" + dir,
		"#!/usr/bin/env -S A=b " + name + " -x":                dir + ":/usr/bin",
	} {
		t.Run(line, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "tom-credential-script")
			must(t, os.WriteFile(script, []byte(line+"\n"), 0o755)) //nolint:gosec // it is a program
			must(t, checked(script, search))
			must(t, os.Chmod(interpreter, 0o757))
			defer func() { must(t, os.Chmod(interpreter, 0o755)) }()
			if err := checked(script, search); !errors.Is(err, credential.ProviderRefused) || !strings.Contains(err.Error(), "interpreter") {
				t.Errorf("error %s", describe(err))
			}
		})
	}
	for line, search := range map[string]string{
		"#!usr/bin/sh":                      "/usr/bin", // the system starts at the working directory
		"#!/bin/sh\r":                       "/usr/bin", // another file than /bin/sh
		"#!/bin/sh\v/x":                     "/usr/bin",
		"#!x/usr/bin/sh":                    "/usr/bin",
		"#!/usr/bin/env ./sh":               "/usr/bin",
		"#!/usr/bin/env sh":                 ":/usr/bin",
		"#!/usr/bin/env -S PATH=/tmp sh":    "/usr/bin",
		"#!/usr/bin/env -S -C /tmp sh":      "/usr/bin",
		"#!/usr/bin/env -S --chdir=/tmp sh": "/usr/bin",
		"#!/usr/bin/env -u HOME sh":         "/usr/bin",
	} {
		script := filepath.Join(t.TempDir(), "tom-credential-script")
		must(t, os.WriteFile(script, []byte(line+"\n"), 0o755)) //nolint:gosec // it is a program
		var refusal *credential.Error
		if err := checked(script, search); !errors.As(err, &refusal) || refusal.Reason != credential.ProviderRefused || len(refusal.Help) == 0 {
			t.Errorf("%s: error %s", line, describe(err))
		}
	}
	script := filepath.Join(t.TempDir(), "tom-credential-script")
	must(t, os.WriteFile(script, []byte("#!/nonexistent/python3\n"), 0o755)) //nolint:gosec // it is a program
	if err := checked(script, ""); !errors.Is(err, credential.ProviderRefused) || !strings.Contains(err.Error(), "/nonexistent/python3") {
		t.Errorf("error %s", describe(err))
	}
	must(t, os.WriteFile(script, []byte("#!"+script+"\n"), 0o755)) //nolint:gosec // it is a program
	if err := checked(script, ""); !errors.Is(err, credential.ProviderRefused) {
		t.Errorf("a script that is its own interpreter: %s", describe(err))
	}
}

// A sticky directory protects what is in it from others, and not from its owner.
func TestStickyDirectories(t *testing.T) {
	needRoot(t)
	root, path := tree(t, "#!/bin/sh\n")
	must(t, os.Chmod(filepath.Join(root, "a"), 0o777|os.ModeSticky))
	must(t, checked(path, ""))
	must(t, os.Lchown(filepath.Join(root, "a"), other, 0))
	if err := checked(path, ""); !errors.Is(err, credential.ProviderRefused) {
		t.Errorf("error %s", describe(err))
	}
}

// The file is checked at every start: a crash doesn't execute what lies there by then.
func TestRestartIsChecked(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "tom-credential-memory")
	copyFile(t, os.Args[0], path)
	options := memoryOptions(t)
	options.Path = path
	p := start(t, options)
	_ = password(t, p, "lab")
	must(t, os.Lchown(dir, other, 0))
	signalProcess(t, p, syscall.SIGKILL)
	eventually(t, 10*time.Second, "the start is refused", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.lastEnd != nil && strings.Contains(p.lastEnd.Error(), fmt.Sprint("user id ", other))
	})
	must(t, os.Lchown(dir, 0, 0))
	eventually(t, 2*retryBroken, "it is started again", p.Ready)
}

// What is executed is the file that was opened for the check, also when another one lies at its path by then.
func TestExecutedByDescriptor(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tom-credential-x")
	copyFile(t, "/bin/true", path)
	exe := &executable{origin: path}
	run, err := exe.open()
	must(t, err)
	defer run.close()
	must(t, os.Remove(path))
	copyFile(t, "/bin/false", path)
	process, err := os.StartProcess(run.path, []string{run.name}, &os.ProcAttr{})
	must(t, err)
	state, err := process.Wait()
	if err != nil || !state.Success() {
		t.Errorf("the other file was executed: %v, %v", state, err)
	}
}
