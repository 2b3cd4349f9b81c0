package terminal_test

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
)

// connect opens a terminal at a device in this process. Both end with the test.
func connect(t *testing.T, serve func(*devicetest.TTY), pace devicetest.Pace) (*terminal.Terminal, error) {
	t.Helper()
	return connectAt(t, serve, pace, 0, terminal.Options{})
}

func connectAt(t *testing.T, serve func(*devicetest.TTY), pace devicetest.Pace, distance time.Duration, options terminal.Options) (*terminal.Terminal, error) {
	t.Helper()
	in, out := devicetest.NewPipe(), devicetest.NewPipe()
	var running sync.WaitGroup
	running.Go(func() {
		defer func() { _ = out.Close() }()
		serve(devicetest.NewTTY(in, out, pace))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(func() {
		cancel()
		_, _ = in.Close(), out.Close()
		running.Wait()
		time.Sleep(distance) // what is on its way
	})
	var shown io.Reader = out
	if distance > 0 {
		shown = newDistant(out, distance)
	}
	session, err := terminal.Open(ctx, in, shown, options)
	if err == nil {
		t.Cleanup(session.Close)
	}
	return session, err
}

// paces are the ways in which what a device writes may come.
var paces = []struct {
	name string
	pace func() devicetest.Pace
}{
	{"whole", func() devicetest.Pace { return devicetest.Whole }},
	{"bytes", func() devicetest.Pace { return devicetest.Bytes }},
	{"random", func() devicetest.Pace { return devicetest.Random(1, 20, 0) }},
	{"random and slow", func() devicetest.Pace { return devicetest.Random(2, 40, 40*time.Millisecond) }},
	{"pauses", func() devicetest.Pace { return devicetest.Paused(3, 60, 300*time.Millisecond) }},
	{"short pauses", func() devicetest.Pace { return devicetest.Paused(4, 9, 35*time.Millisecond) }},
}

// What each device prints for each command is read exactly, however it comes.
func TestSpecimens(t *testing.T) {
	only := os.Getenv("TEST_SPECIMEN")
	for _, specimen := range devicetest.Specimens() {
		if !strings.HasPrefix(specimen.Name, only) {
			continue
		}
		t.Run(specimen.Name, func(t *testing.T) {
			for _, pace := range paces {
				t.Run(pace.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { runSpecimen(t, specimen, pace.pace(), 0) })
				})
			}
		})
	}
}

// What they print is read as well where each byte takes long to come, as over a satellite.
func TestSpecimensFarAway(t *testing.T) {
	const distance = 700 * time.Millisecond
	for _, specimen := range devicetest.Specimens() {
		t.Run(specimen.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runSpecimen(t, specimen, devicetest.Whole, distance) })
		})
	}
}

// distant delays what is read.
type distant struct {
	pieces chan piece
	rest   []byte
	delay  time.Duration
}

type piece struct {
	text []byte
	at   time.Time
}

func newDistant(r io.Reader, delay time.Duration) *distant {
	d := &distant{pieces: make(chan piece, 1<<16), delay: delay}
	go func() {
		defer close(d.pieces)
		for {
			text := make([]byte, 1<<12)
			n, err := r.Read(text)
			if err != nil {
				return
			}
			d.pieces <- piece{text[:n], time.Now()}
		}
	}()
	return d
}

// Read implements io.Reader.
func (d *distant) Read(into []byte) (int, error) {
	if len(d.rest) == 0 {
		next, ok := <-d.pieces
		if !ok {
			return 0, io.EOF
		}
		time.Sleep(time.Until(next.at.Add(d.delay)))
		d.rest = next.text
	}
	n := copy(into, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func runSpecimen(t *testing.T, specimen devicetest.Specimen, pace devicetest.Pace, distance time.Duration) {
	if specimen.Asks != "" {
		_, err := connectAt(t, specimen.Serve, pace, distance, terminal.Options{})
		var wait *terminal.WaitError
		if !errors.As(err, &wait) || !wait.Question || !strings.Contains(wait.Screen, specimen.Asks) {
			t.Fatalf("got %v with %+v; the question is %q", err, wait, specimen.Asks)
		}
		if specimen.Send == "" {
			return
		}
	}
	options := terminal.Options{}
	if specimen.Send != "" {
		options.Answers = []terminal.Answer{{Prompt: regexp.MustCompile(regexp.QuoteMeta(specimen.Asks)), Send: specimen.Send}}
	}
	session, err := connectAt(t, specimen.Serve, pace, distance, options)
	if err != nil {
		t.Fatal(err, screenOf(err))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for _, run := range specimen.Runs {
		result, err := session.Run(ctx, terminal.Command{Text: run.Command})
		if err != nil {
			t.Fatalf("%s: %v, after %q; the screen:\n%s", run.Command, err, result.Output, screenOf(err))
		}
		if result.Output != run.Output || result.Truncated {
			t.Fatalf("%s:\ngot  %q\nwant %q", run.Command, result.Output, run.Output)
		}
	}
}

func screenOf(err error) string {
	var wait *terminal.WaitError
	if errors.As(err, &wait) {
		return wait.Screen
	}
	return ""
}
