package terminal_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
)

// What is plainly a prompt is known after one Enter and half a second; anything else takes two, so that it is seen to stay.
func TestEntersAtLogin(t *testing.T) {
	for _, test := range []struct {
		prompt string
		enters int
		within time.Duration
	}{
		{"r1#", 1, 500 * time.Millisecond},
		{"<HUAWEI>", 1, 500 * time.Millisecond},
		{"admin@box:~$ ", 1, 500 * time.Millisecond},
		{"[/]\r\nA:admin@router# ", 2, 800 * time.Millisecond},
		{"core switch 1# ", 2, 800 * time.Millisecond},
		{"#", 2, 800 * time.Millisecond},
		{"core%", 2, 800 * time.Millisecond},
	} {
		t.Run(test.prompt, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				enters, started := 0, time.Now()
				session, err := connect(t, func(tty *devicetest.TTY) {
					tty.Print("\r\n" + test.prompt)
					for tty.Line(); !tty.Ended(); tty.Line() {
						enters++
						tty.Print(test.prompt)
					}
				}, devicetest.Whole)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(started); enters != test.enters || took > test.within {
					t.Errorf("Enter was pressed %d times in %v, and %q is known", enters, took, session.Prompt())
				}
			})
		})
	}
}

// Enter isn't pressed while a banner that looks like a prompt pauses: a question may follow, which it would answer.
func TestQuestionBehindAPause(t *testing.T) {
	const question = "Keep the old configuration? [Y/n]: "
	for _, first := range []string{"guest>", "r1#", "45%", "$", "Loading>"} {
		for name, pace := range map[string]devicetest.Pace{"whole": devicetest.Whole, "bytes": devicetest.Bytes} {
			t.Run(first+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var typed atomic.Bool
					_, err := connect(t, func(tty *devicetest.TTY) {
						tty.Print("Welcome\r\n" + first)
						time.Sleep(300 * time.Millisecond)
						tty.Print(" is not for guests.\r\n")
						time.Sleep(300 * time.Millisecond)
						tty.Print(question)
						tty.Key()
						typed.Store(!tty.Ended())
					}, pace)
					var wait *terminal.WaitError
					if !errors.As(err, &wait) || !wait.Question || !strings.Contains(wait.Screen, question[:8]) || typed.Load() {
						t.Errorf("something was typed: %v; got %v", typed.Load(), err)
					}
				})
			})
		}
	}
}
