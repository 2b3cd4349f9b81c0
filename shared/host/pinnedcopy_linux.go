package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sealed makes a file in memory that nothing can change; nil where the kernel doesn't let one be executed.
func sealed(name string, program []byte) *os.File {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), name)
	_, err = file.Write(program)
	if err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil || !mayExecute(descriptorPath(file.Fd())) {
		_ = file.Close()
		return nil
	}
	return file
}

// openSealed executes the copy by its descriptor. A script's interpreter opens it once more, so the process inherits it.
func (c *pinnedCopy) openSealed(origin string) *runnable {
	if c.script {
		return &runnable{path: "/proc/self/fd/3", name: origin, inherit: c.sealed}
	}
	return &runnable{path: descriptorPath(c.sealed.Fd()), name: origin}
}
