//go:build unix

package host

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

const (
	printedBytes = 4 << 20
	printedWord  = "password-that-slipped-out"
)

// stdout is the real one: go-plugin replaces os.Stdout.
var stdout = os.Stdout

// printing are providers that print a lot before they answer: into the stream that go-plugin makes of os.Stdout and
// os.Stderr, which blocks unless the host asks for it, and into the pipes of the launch.
var printing = map[string]func() *os.File{
	"prints to go-plugin's stdout": func() *os.File { return os.Stdout },
	"prints to go-plugin's stderr": func() *os.File { return os.Stderr },
	"prints to standard output":    func() *os.File { return stdout },
	"prints to standard error":     func() *os.File { return stderr },
}

// printMiBs answers when all is printed; for the id "word", a password alone.
func printMiBs(to func() *os.File) func(context.Context, string) (*credentialv1.Credential, error) {
	return func(_ context.Context, id string) (*credentialv1.Credential, error) {
		text := bytes.Repeat([]byte(strings.Repeat("x", 1<<10)+"\n"), printedBytes>>10)
		if id == "word" {
			text = []byte("the word is " + printedWord + "\n")
		}
		if _, err := to().Write(text); err != nil {
			return nil, err
		}
		password := printedWord
		return &credentialv1.Credential{CredentialId: id, Username: "admin", Password: &password}, nil
	}
}

// However much a provider prints, and wherever to, that doesn't block it. What it prints is in the log, less the secrets.
func TestPrinting(t *testing.T) {
	t.Parallel()
	for name := range printing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log syncBuffer
			options := memoryOptions(t)
			options.Environ = append(options.Environ, envBehave+"="+name)
			options.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: &log})
			options.CallTimeout = time.Minute
			p := start(t, options)
			_ = password(t, p, "lab")
			eventually(t, 30*time.Second, "the line arrives, between those that are dropped", func() bool {
				_ = password(t, p, "word")
				return strings.Contains(log.String(), "the word is "+redaction)
			})
			if strings.Contains(log.String(), printedWord) {
				t.Error("the password is in the log")
			}
			if p.Restarts() != 0 {
				t.Errorf("it was restarted %d times", p.Restarts())
			}
		})
	}
}

func TestPrinterCutsLines(t *testing.T) {
	log := newLogFilter(func(text string) string { return strings.ReplaceAll(text, "secret", redaction) })
	p := &printer{log: log}
	for range 1 << 10 {
		_, _ = p.Write(bytes.Repeat([]byte("x"), 10<<10))
	}
	if n := cap(p.held); n > 2*maxLine {
		t.Errorf("%d bytes are held of a line without an end", n)
	}
	for _, part := range []string{"\n", "\n\nhalf a sec", "ret, then", " more\r\nand", " another"} {
		if n, err := p.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%q: %d, %v", part, n, err)
		}
	}
	p.flush()
	tail := log.tail()
	if len(tail) != 3 || tail[1] != "half a "+redaction+", then more" || tail[2] != "and another" {
		t.Errorf("lines %q", tail)
	}
	log.end()
	if n, err := p.Write([]byte("too late\n")); n != 9 || err != nil {
		t.Errorf("after the end: %d, %v", n, err)
	}
}
