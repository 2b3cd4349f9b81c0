package terminal_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
)

// device prints a greeting, and a text after each command but "show clock".
func fuzzed(greeting, text string) func(*devicetest.TTY) {
	return func(t *devicetest.TTY) {
		t.Print(greeting + "\r\nr1#")
		for {
			command := t.Line()
			if t.Ended() {
				return
			}
			switch command {
			case "":
			case "show clock":
				t.Lines("10:00:00 UTC\n")
			default:
				t.Print(text)
			}
			t.Print("r1#")
		}
	}
}

// Whatever a device prints, and in whatever pieces, a command ends with its output or with the context, and text is read as it is.
func FuzzTerminal(f *testing.F) {
	for _, text := range []string{
		"", "line\r\n", "--More--", "\x1b[", "\x1b]0;", "\x1b[24;1H\x1b[2K", "\x1b[999999999C", "r1#", "Password: ", "a\b\b\b\b", "\xff\xfe", "\r\r\r", "\x1b[5000L",
		"Press any key", "y/n? ", "\x1b[6n\x1b[c\x1bZ", "\x1bP\x1b\\", strings.Repeat("x", 2000), "\x1b[200P\x1b[200@", "é\x1b[1000A",
	} {
		f.Add(text, text, uint64(1))
	}
	f.Fuzz(func(t *testing.T, greeting, text string, seed uint64) {
		if len(text) > 1<<14 || len(greeting) > 1<<12 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			session, err := connect(t, fuzzed(greeting, text), devicetest.Random(seed, 30, 0))
			if err != nil {
				return // it could be anything
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			result, err := session.Run(ctx, terminal.Command{Text: "show it", Most: 1 << 12})
			if len(result.Output) > 1<<12+4*len(text) && len(result.Output) > 1<<15 {
				t.Errorf("%d bytes of output", len(result.Output))
			}
			_ = err
		})
		plain := strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) && r != unicode.ReplacementChar {
				return r
			}
			return -1
		}, text)
		if strings.Contains(plain, "r1#") {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			lines := plain + "\n" + plain + "\n"
			session, err := connect(t, fuzzed("", strings.ReplaceAll(lines, "\n", "\r\n")), devicetest.Random(seed, 30, 0))
			if err != nil {
				t.Fatal(err)
			}
			for _, run := range []devicetest.Exchange{{Command: "show it", Output: lines}, {Command: "show clock", Output: "10:00:00 UTC\n"}} {
				result, err := session.Run(t.Context(), terminal.Command{Text: run.Command})
				if err != nil || result.Output != run.Output {
					t.Errorf("%s: got %q, %v\nwant %q", run.Command, result.Output, err, run.Output)
				}
			}
		})
	})
}

// A line of many thousands of characters is read as it is.
func TestLongLine(t *testing.T) {
	line := strings.Repeat("{\"a\": 12345} ", 20_000)
	session, err := connect(t, fuzzed("", line+"\r\nend\r\n"), devicetest.Random(1, 5000, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []devicetest.Exchange{{Command: "show json", Output: line + "\nend\n"}, {Command: "show clock", Output: "10:00:00 UTC\n"}} {
		result, err := session.Run(t.Context(), terminal.Command{Text: run.Command})
		if err != nil || result.Output != run.Output {
			t.Errorf("%s: %d bytes, not %d; %v", run.Command, len(result.Output), len(run.Output), err)
		}
	}
}

// A flood of output is kept at its start and its end, and the next command has its own.
func TestFlood(t *testing.T) {
	flood := strings.Repeat("a line of a flood of output\r\n", 20_000)
	session, err := connect(t, fuzzed("", "first\r\n"+flood+"last\r\n"), devicetest.Whole)
	if err != nil {
		t.Fatal(err)
	}
	const most = 10_000
	result, err := session.Run(t.Context(), terminal.Command{Text: "show it", Most: most})
	if err != nil || !result.Truncated || len(result.Output) > most || !strings.HasPrefix(result.Output, "first\n") || !strings.HasSuffix(result.Output, "output\nlast\n") {
		t.Errorf("%d bytes, truncated %v, %v", len(result.Output), result.Truncated, err)
	}
	if result, err = session.Run(t.Context(), terminal.Command{Text: "show clock"}); err != nil || result.Output != "10:00:00 UTC\n" {
		t.Errorf("got %q, %v", result.Output, err)
	}
}
