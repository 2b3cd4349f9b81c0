package agent

import "golang.org/x/sys/unix"

func peerOfSocket(fd int) (Peer, error) {
	known, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return Peer{}, err
	}
	return Peer{UID: known.Uid, PID: int32(pid)}, nil
}
