package host

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerID is the id of the process that listens at the other end of a Unix socket; 0 where that isn't known.
func peerID(conn net.Conn) (id int) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	err = raw.Control(func(fd uintptr) {
		if credentials, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			id = int(credentials.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return id
}

// ofGroup reports whether a process is in the group of a provider's process, or is gone.
func ofGroup(id, group int) bool {
	got, err := syscall.Getpgid(id)
	return got == group || errors.Is(err, syscall.ESRCH)
}
