//go:build linux || darwin

package agent

import (
	"errors"
	"net"
)

// peerOfConn asks the kernel who has connected.
func peerOfConn(conn net.Conn) (client Peer, err error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, errors.New("not a Unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	if failed := raw.Control(func(fd uintptr) { client, err = peerOfSocket(int(fd)) }); failed != nil {
		return Peer{}, failed
	}
	return client, err
}
