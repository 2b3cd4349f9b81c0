//go:build !linux

package provider

import "github.com/hashicorp/go-hclog"

// harden leaves core dumps and debuggers to the system's own settings.
func harden(hclog.Logger) {}
