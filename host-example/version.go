package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  host-example version",
		Args:    cobra.NoArgs,
		RunE: c.action(func(context.Context, []string) error {
			c.out.WriteString(versionLine() + "\n")
			return nil
		}),
	}
}

// commit is what the program was built from, as far as the compiler knew.
func commit() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range build.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}

func versionLine() string {
	return fmt.Sprintf("%s %s (commit %s, %s, %s/%s)", program, version, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
