package provider

import (
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/internal/hardening"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// harden keeps the process's memory, which holds passwords, out of core files and from debuggers of the same user.
func harden(log hclog.Logger) {
	if os.Getenv(wire.EnvDebuggable) == "1" {
		log.Warn("core dumps and debuggers are allowed", "because", wire.EnvDebuggable)
		return
	}
	if err := hardening.Apply(); err != nil {
		log.Warn("the process's memory isn't protected", "error", err.Error())
	}
}
