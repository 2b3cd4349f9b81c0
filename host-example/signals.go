package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals are what run listens to, besides the first signal to end, which is the command's context.
type signals struct {
	end, hangup, pipe chan os.Signal
}

func watchSignals() *signals {
	s := &signals{end: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), pipe: make(chan os.Signal, 1)}
	signal.Notify(s.end, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hangup, syscall.SIGHUP)
	// A reader of the results that is gone is an error of writing then, and not the end of jobs in the middle of a command.
	signal.Notify(s.pipe, syscall.SIGPIPE)
	return s
}

func (s *signals) close() {
	for _, c := range []chan os.Signal{s.end, s.hangup, s.pipe} {
		signal.Stop(c)
	}
}

// serveEnd calls abort with the second signal to end, after which a third one ends the process at once. It returns when ctx
// is done.
func (s *signals) serveEnd(ctx context.Context, abort func()) {
	signalled := 0
	for {
		select {
		case <-s.end:
			if signalled++; signalled == 2 {
				signal.Stop(s.end)
				abort()
			}
		case <-ctx.Done():
			return
		}
	}
}

// serveHangup calls reload with each hangup. It is apart, since a reload may take its time, and who wants the worker to end
// then must not wait for it. It returns when ctx is done.
func (s *signals) serveHangup(ctx context.Context, reload func()) {
	for {
		select {
		case <-s.hangup:
			reload()
		case <-ctx.Done():
			return
		}
	}
}
