//go:build !linux && !darwin

package agent

import (
	"net"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Socket is where an agent is reached. This system has none.
type Socket struct{ net.Listener }

var errUnsupported = credential.Errorf(credential.Unsupported, "the agent serves on Linux and macOS only: here the system doesn't tell who has connected")

// Running is the reason of a socket at which another agent serves already.
const Running credential.Reason = "AGENT_RUNNING"

// Listen returns UNSUPPORTED.
func Listen(string) (*Socket, error) { return nil, errUnsupported }

// Adopt returns UNSUPPORTED.
func Adopt(net.Listener) (*Socket, error) { return nil, errUnsupported }

// Path is the socket's.
func (*Socket) Path() string { return "" }

// Key returns nothing.
func (*Socket) Key(string) []byte { return nil }
