package provider

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// EnvDebuggable is the environment variable that, set to 1, leaves core dumps and debuggers alone.
const EnvDebuggable = "TOM_CREDENTIAL_DEBUGGABLE"

// harden keeps the process's memory, which holds passwords, out of core files and from debuggers of the same user.
func harden(log hclog.Logger) {
	if os.Getenv(EnvDebuggable) == "1" {
		log.Warn("core dumps and debuggers are allowed", "because", EnvDebuggable)
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		log.Warn("core dumps can't be switched off", "error", err.Error())
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		log.Warn("debuggers can't be kept out", "error", err.Error())
	}
}
