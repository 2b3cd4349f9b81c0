//go:build !linux

package host

import "net"

// peerID isn't looked for on this system.
func peerID(net.Conn) int { return 0 }

func ofGroup(int, int) bool { return true }
