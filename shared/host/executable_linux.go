package host

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// openChecked resolves and checks a file and keeps it open: it is executed by its descriptor, so it is the file that was
// checked. what names it in messages. The error is fs.ErrNotExist or a refusal.
func openChecked(what, path string, refuse func(string, ...any) *credential.Error) (*runnable, error) {
	resolved, err := follow(what, path, refuse)
	if err != nil {
		return nil, err
	}
	// With O_PATH it need not be readable, and a named pipe doesn't block.
	fd, err := unix.Open(resolved, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, refuse("%s can't be opened: %v", what, err).WithHelp("%s", openRemedy(err, resolved))
	}
	file := os.NewFile(uintptr(fd), resolved)
	info, err := file.Stat()
	if err == nil {
		err = checkFile(what, resolved, info, refuse)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &runnable{path: resolved, name: resolved, files: []*os.File{file}}, nil
}

// head is the start of a file: of the open one, or of an interpreter's.
func (r *runnable) head(path string) []byte {
	if path == r.path && len(r.files) > 0 {
		path = descriptorPath(r.files[0].Fd())
	}
	file, err := os.Open(path) //nolint:gosec // it has been checked
	if err != nil {
		return nil // what can't be read is no script either
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, maxShebang)
	n, _ := io.ReadFull(file, head)
	return head[:n]
}

// script decides how the file is executed. A program is executed by its descriptor. A script's interpreter opens the script by
// the path that it is given, and looks beside it for what belongs to it, so a script is executed by its path: only root and this
// user could have changed anything on the way to it.
func (r *runnable) script(isScript bool) {
	if by := descriptorPath(r.files[0].Fd()); !isScript && mayExecute(by) {
		r.path = by
	}
}

func descriptorPath(fd uintptr) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// onNoexec reports whether a file's file system is mounted noexec.
func onNoexec(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Flags&unix.ST_NOEXEC != 0
}

// Tags of an entry of a POSIX access control list, as they are in the extended attribute.
const (
	aclUser  = 0x02
	aclGroup = 0x08
	aclMask  = 0x10
	aclWrite = 0x02
)

// checkAccessList refuses what an access control list lets another user or group write to. NFSv4 lists aren't read.
func checkAccessList(name, path string, refuse func(string, ...any) *credential.Error) error {
	list := make([]byte, 64<<10)
	n, err := unix.Lgetxattr(path, "system.posix_acl_access", list)
	if err != nil || n < 4 {
		return nil //nolint:nilerr // there is none
	}
	type entry struct {
		tag, perm uint16
		id        uint32
	}
	var entries []entry
	mask := uint16(0xffff)
	for rest := list[4:n]; len(rest) >= 8; rest = rest[8:] {
		e := entry{binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:]), binary.LittleEndian.Uint32(rest[4:])}
		if e.tag == aclMask {
			mask = e.perm
		}
		entries = append(entries, e)
	}
	for _, e := range entries {
		if e.perm&mask&aclWrite == 0 {
			continue
		}
		switch {
		case e.tag == aclUser && !trusted(e.id):
			return refuse("%s lets user id %d write by its access control list", name, e.id).WithHelp("setfacl -x u:%d %s", e.id, path)
		case e.tag == aclGroup:
			return refuse("%s lets group id %d write by its access control list", name, e.id).WithHelp("setfacl -x g:%d %s", e.id, path)
		}
	}
	return nil
}
