//go:build !linux

package provider

import "github.com/hashicorp/go-hclog"

// EnvDebuggable is the environment variable that, set to 1, leaves core dumps and debuggers alone. It matters on Linux
// only: elsewhere the provider leaves both to the system's own settings.
const EnvDebuggable = "TOM_CREDENTIAL_DEBUGGABLE"

func harden(hclog.Logger) {}
