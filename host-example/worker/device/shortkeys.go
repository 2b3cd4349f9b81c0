package device

import (
	"os"
	"strings"
	"sync"
)

// AllowShortKeys has Go's RSA accept keys of less than 1024 bits from now on, in the whole process. Old devices have such
// host keys, and can't always make others.
func AllowShortKeys() {
	allowShortKeys()
}

var allowShortKeys = sync.OnceFunc(func() {
	const name, setting = "GODEBUG", "rsa1024min=0"
	if before := os.Getenv(name); before != "" {
		_ = os.Setenv(name, strings.TrimRight(before, ",")+","+setting)
		return
	}
	_ = os.Setenv(name, setting)
})
