// Package hardening keeps the memory of a process, which holds passwords, where it belongs.
package hardening

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Apply keeps this process's memory out of core files and away from debuggers of the same user. What can't be done is in the
// error; the rest is done. Elsewhere than on Linux it does nothing.
func Apply() error {
	var failed error
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		failed = fmt.Errorf("core dumps can't be switched off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		failed = errors.Join(failed, fmt.Errorf("debuggers can't be kept out: %w", err))
	}
	return failed
}
