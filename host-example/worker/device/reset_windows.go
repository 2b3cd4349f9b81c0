package device

import "syscall"

// reset is the error of a connection that the other side has ended by force.
const reset = syscall.WSAECONNRESET
