package provider

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// hardness is told by the process itself: a process that isn't dumpable hides much of /proc from ordinary users, and root
// sees no difference there.
func hardness() string {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err.Error()
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("core %d to %d, dumpable %d", limit.Cur, limit.Max, dumpable)
}

func TestCoreDumpsAndDebuggersAreKeptOut(t *testing.T) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &own); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env  string
		want string
	}{
		"by default":   {"TOM_CREDENTIAL_DEBUGGABLE=", "core 0 to 0, dumpable 0"},
		"switched off": {"TOM_CREDENTIAL_DEBUGGABLE=1", fmt.Sprintf("core %d to %d, dumpable 1", own.Cur, own.Max)},
		"not a switch": {"TOM_CREDENTIAL_DEBUGGABLE=0", "core 0 to 0, dumpable 0"},
	} {
		t.Run(name, func(t *testing.T) {
			l := launch(t, "good", test.env)
			if err := l.configure(t, nil); err != nil {
				t.Fatal(err)
			}
			got, err := l.get(t, "hardness")
			if err != nil || reveal(got) != test.want {
				t.Errorf("%q, %v; want %q", reveal(got), err, test.want)
			}
			if name != "by default" {
				return
			}
			// The kernel says the same. This file can be read by everyone.
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", l.command.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
				t.Errorf("%s", limits)
			}
		})
	}
}
