package agent

import "golang.org/x/sys/unix"

func peerOfSocket(fd int) (Peer, error) {
	known, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	return Peer{UID: known.Uid, PID: known.Pid}, nil
}
