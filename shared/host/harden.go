package host

import (
	"os"

	"github.com/tom-worker/credential-provider/shared/internal/hardening"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Harden keeps the memory of the calling process, which holds the passwords that providers gave it, out of core files and away
// from debuggers of the same user. It is for the start of main: it holds for the whole process, and core files are off for
// what it starts, too. What can't be done is in the error; the rest is done. It does something on Linux only, and nothing if
// the variable TOM_CREDENTIAL_DEBUGGABLE is 1.
func Harden() error {
	if os.Getenv(wire.EnvDebuggable) == "1" {
		return nil
	}
	return hardening.Apply()
}
