package provider

import (
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// watchLifeline ends the process when standard input ends: the host holds the other end of that pipe and nothing else
// does, so its end means that the host is gone, however it went. Hosts without a lifeline don't set the variable.
func watchLifeline(log hclog.Logger) {
	if os.Getenv(wire.EnvLifeline) != wire.LifelineStdin {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		log.Debug("the host is gone")
		os.Exit(0)
	}()
}
