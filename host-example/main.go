// Program host-example is an example of a worker that gets device credentials from a provider. Its command line is what
// an operator looks at a provider with; package shared/host is what it does it with.
//
// A command goes through the files in this order: cli.go (the command tree), start.go (settings, then the provider),
// the command's own file, and failure.go if there is one.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tom-worker/credential-provider/shared/host"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(mainStatus())
}

// mainStatus is the whole program, less the exit.
func mainStatus() int {
	if err := host.Harden(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "warning: %v\n", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
}
