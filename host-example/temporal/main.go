// Command temporal is a worker on Temporal: it does the jobs of "host-example run" that are submitted as workflows. It gets
// credentials and logins from an agent of its machine, "host-example agent", and so has the fleet's guard, cache and audit log.
//
// workflow.go and device.go are the workflows: what is repeated, and whose turn it is. attempt.go and lease.go are what a worker
// does of a job, and its right to do so.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/text"
)

func main() { os.Exit(mainStatus()) }

// mainStatus is the whole program, less the exit.
func mainStatus() int {
	if err := host.Harden(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "warning: %v\n", err)
	}
	drain, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	abort, stopNow := context.WithCancel(context.Background())
	defer stopNow()
	again := make(chan os.Signal, 1)
	defer signal.Stop(again)
	context.AfterFunc(drain, func() { signal.Notify(again, os.Interrupt, syscall.SIGTERM); <-again; stopNow() })
	return run(drain, abort, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
}

// run is the program. With drain, jobs under way end and no others start; with abort they end at once. It returns the exit
// status: 2 for a wrong command line or settings, 1 for any other error.
func run(drain, abort context.Context, args, environ []string, stdout, stderr io.Writer) int {
	o, err := parse(args, environ, stdout)
	if err == nil && o != nil {
		err = work(drain, abort, o, stderr)
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprint(stderr, failureText(err))
	return statusOf(err)
}

// failureText says what went wrong and what to do.
func failureText(err error) string {
	shown := "error: " + text.Printable(err.Error()) + "\n"
	for _, step := range helpOf(err) {
		shown += "what to do: " + text.Printable(step) + "\n"
	}
	return shown
}
