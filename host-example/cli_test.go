package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/text"
)

func TestWantsJSON(t *testing.T) {
	for _, test := range []struct {
		args string
		want bool
	}{
		{"get x", false},
		{"get x --output json", true},
		{"get x --output=json", true},
		{"-o json get", true},
		{"-o=json get", true},
		{"-ojson get", true},
		{"get x --output text", false},
		{"get x --output", false},
		{"get -- --output json", false},
	} {
		t.Run(test.args, func(t *testing.T) {
			if got := wantsJSON(strings.Fields(test.args)); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	var stderr bytes.Buffer
	status := run(t.Context(), []string{"version"}, nil, brokenWriter{}, &stderr, nil)
	if status != statusFailed || stderr.String() != "error: write the output: disk full\n" {
		t.Errorf("status %d, stderr %q", status, stderr.String())
	}
}

func TestPrintable(t *testing.T) {
	for _, test := range []struct {
		name, text, want, line string
	}{
		{"plain", "abc é 日本", "abc é 日本", "abc é 日本"},
		{"a terminal's escape", "a\x1b[31mb", `a\x1b[31mb`, `"a\x1b[31mb"`},
		{"a carriage return", "a\rb", `a\rb`, `"a\rb"`},
		{"a direction override", "a\u202eb", `a\u202eb`, `"a\u202eb"`},
		{"a tab, which would start a column", "a\tb", `a\tb`, `"a\tb"`},
		{"lines", "a\nb", "a\nb", `"a\nb"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := text.Printable(test.text); got != test.want {
				t.Errorf("Printable: got %q, want %q", got, test.want)
			}
			if got := oneLine(test.text); got != test.line {
				t.Errorf("oneLine: got %q, want %q", got, test.line)
			}
		})
	}
}

func TestTable(t *testing.T) {
	table := newTable("NAME", "VALUE")
	table.row("a", "1")
	table.note("first\nsecond")
	table.row("longer", "")
	var out strings.Builder
	table.write(&out)
	want := "NAME     VALUE\na        1\n    first\n    second\nlonger\n"
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestWrap(t *testing.T) {
	if got, want := wrap("one two  three\nfour enormousword", 9), "one two\nthree\nfour\nenormousword"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The help fits a terminal of 24 lines and 80 columns, with every command and with variables that are read.
func TestHelpFitsOneScreen(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"--help"}, nil, &stdout, &stderr, nil); status != statusDone {
		t.Fatalf("status %d: %s", status, &stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	if len(lines) > 24 {
		t.Errorf("%d lines:\n%s", len(lines), &stdout)
	}
	for _, line := range lines {
		if shownWidth(line) > 80 {
			t.Errorf("%d columns: %s", shownWidth(line), line)
		}
	}
	for _, command := range new(cli).root().Commands() {
		if command.IsAvailableCommand() && command.Name() != "help" && !strings.Contains(stdout.String(), "\n  "+command.Name()+" ") {
			t.Errorf("no command %s", command.Name())
		}
	}
}
