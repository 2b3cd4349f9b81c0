package provider

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// harden keeps the process's memory, which holds passwords, out of core files and from debuggers of the same user.
func harden(log hclog.Logger) {
	if os.Getenv(wire.EnvDebuggable) == "1" {
		log.Warn("core dumps and debuggers are allowed", "because", wire.EnvDebuggable)
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		log.Warn("core dumps can't be switched off", "error", err.Error())
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		log.Warn("debuggers can't be kept out", "error", err.Error())
	}
}
