package devicetest

import (
	"fmt"
	"strings"
)

// echoSpecimens are devices that show a command in their own way.
func echoSpecimens() []Specimen {
	const filter = "show run | inc clock|logging|aaa|http|ssh|telnet|ntp|snmp|dns|domain|name|interface"
	const filtered = "clock timezone CET 1\r\nlogging enable\r\n"
	const filteredText = "clock timezone CET 1\nlogging enable\n"
	const resources = "                   uptime: 32m36s\n                  version: 7.16 (stable)\n"
	return []Specimen{
		{Name: "procurve", Serve: procurve("65432p-swi004-new-office-2etg# ", 24), Runs: procurveRuns},
		{Name: "procurve with few rows and another name", Serve: procurve("HP-2530-8G(config)# ", 62), Runs: procurveRuns},
		{Name: "echo with blanks and backspaces", Serve: junosBlanks, Runs: []Exchange{
			{"file list /var/tmp detail", "/var/tmp:\ntotal blocks: 12\n\n"}, {"file list /var/tmp detail", "/var/tmp:\ntotal blocks: 12\n\n"},
		}},
		{Name: "echo cut at 80 columns", Serve: typed("asa1# ", func(t *TTY, line []byte, shown int) {
			if shown == 80 {
				t.Print("$")
			} else if shown < 80 {
				t.Print(string(line[len(line)-1:]))
			}
		}, map[string]reply{filter: {text: filtered}}), Runs: []Exchange{{filter, filteredText}, {filter, filteredText}}},
		{Name: "echo scrolled to the left", Serve: typed("r1#", func(t *TTY, line []byte, shown int) {
			if shown < 76 {
				t.Print(string(line[len(line)-1:]))
				return
			}
			if rest := len(line) - 70; rest >= 0 && (shown-76)%10 == 0 {
				t.Print("\r" + strings.Repeat(" ", 78) + "\rr1#$" + string(line[len(line)-60:]))
				return
			}
			t.Print(string(line[len(line)-1:]))
		}, map[string]reply{filter: {text: filtered}}), Runs: []Exchange{{filter, filteredText}, {filter, filteredText}}},
		{Name: "echo wrapped with a line feed", Serve: typed("sw1#", func(t *TTY, line []byte, shown int) {
			t.Print(string(line[len(line)-1:]))
			if shown%80 == 0 {
				t.Print("\r\n")
			}
		}, map[string]reply{filter: {text: filtered}}), Runs: []Exchange{{filter, filteredText}, {filter, filteredText}}},
		{Name: "echo wrapped with a blank and CR", Serve: typed("sw1#", func(t *TTY, line []byte, shown int) {
			t.Print(string(line[len(line)-1:]))
			if shown%80 == 0 {
				t.Print(" \r")
			}
		}, map[string]reply{filter: {text: filtered}}), Runs: []Exchange{{filter, filteredText}, {filter, filteredText}}},
		{Name: "no echo", Serve: plain("\r\n", "sw1#", usual, silent), Runs: usualRuns},
		{Name: "no echo and no line feed", Serve: plain("\r\n", "sw1#", usual, silent, func(t *TTY) { t.NoLine = true }), Runs: usualRuns},
		{Name: "echo of the whole line", Serve: wholeEcho, Runs: usualRuns},
		{Name: "echo repainted at each key", Serve: typed("sw1# ", func(t *TTY, line []byte, _ int) { t.Print("\r\x1b[Ksw1# " + string(line)) },
			usual), Runs: usualRuns},
		{Name: "echo repainted with colours", Serve: typed("\x1b[32msw1\x1b[0m# ", func(t *TTY, line []byte, _ int) {
			t.Print("\r\x1b[32msw1\x1b[0m# \x1b[1m" + string(line) + "\x1b[0m\x1b[K")
		}, usual), Runs: usualRuns},
		{Name: "echo with words completed", Serve: completed, Runs: []Exchange{{"sh ver", versionText}, {"show clock", clockText}}},
		{Name: "mikrotik", Serve: mikrotik("\r\n", false), Runs: []Exchange{{"/system resource print", resources}, {"/system resource print", resources}}},
		{Name: "mikrotik that runs on CR only", Serve: mikrotik("\r", false), Runs: []Exchange{{"/system resource print", resources}, {"/system resource print", resources}}},
		{Name: "mikrotik that asks for its terminal", Serve: mikrotik("\r", true), Runs: []Exchange{{"/system resource print", resources}, {"/system resource print", resources}}},
		{Name: "runs on CR only", Serve: plain("\r\n", "aruba-cx# ", usual, enters("\r")), Runs: usualRuns},
		{Name: "next line by ESC E", Serve: escapeE, Runs: usualRuns},
		{Name: "inserted lines", Serve: insertedLines, Runs: usualRuns},
		{Name: "readline over several rows", Serve: readline(511), Runs: []Exchange{{"echo " + strings.Repeat("abcdefghij ", 60), "done\n"}, {"show clock", clockText}}},
	}
}

// typed is a device that shows each key in its own way. shown counts the columns that the prompt and the line take.
func typed(prompt string, show func(t *TTY, line []byte, shown int), replies map[string]reply) func(*TTY) {
	return func(t *TTY) {
		t.Print("\r\n" + prompt)
		for {
			var line []byte
			for {
				b := t.Key()
				if t.Ended() {
					return
				}
				if b == '\r' || b == '\n' {
					break
				}
				line = append(line, b)
				show(t, line, len(line)+4)
			}
			t.Print("\r\n" + replies[strings.TrimSpace(string(line))].text + prompt)
		}
	}
}

const runningConfig = "\nRunning configuration:\n\n; J8698A Configuration Editor; Created on release #K.15.07.0008\n\nhostname \"x\"\n"

var procurveRuns = []Exchange{{"no page", ""}, {"show running-config", runningConfig}, {"show time", "Sun Mar 17 12:03:25 2019\n"}, {"show running-config", runningConfig}}

// procurve draws its line with cursor positions on the terminal's last row.
func procurve(prompt string, rows int) func(*TTY) {
	column := len(prompt) + 1
	at := func(column int) string { return fmt.Sprintf("\x1b[%d;%dH", rows, column) }
	enter := "\x1b[1;0H\x1b[1M" + at(1) + "\x1b[1L" + at(column) + at(1) + "\x1b[2K" + at(1) + "\x1b[?25h" + at(1) + fmt.Sprintf("\x1b[1;%dr", rows) + at(1)
	shown := fmt.Sprintf("\x1b[1;%dr", rows) + at(1) + at(1) + "\x1b[2K" + at(1) + "\x1b[?25h" + at(1) + at(1) + prompt + at(1) + at(column) + at(1) + "\x1b[?25h" + at(column)
	replies := map[string]string{"show running-config": crlf(runningConfig), "show time": "Sun Mar 17 12:03:25 2019\r\n"}
	return func(t *TTY) {
		t.Print("HP J8698A Switch E5412zl\r\r\nSoftware revision K.15.07.0008\r\r\n\r\r\nCopyright (C) 1991-2012 Hewlett-Packard Development Company, L.P.\r\n\r\n" +
			"                   RESTRICTED RIGHTS LEGEND\r\n\r\n Consistent with FAR 12.211 and 12.212\r\n\r\n" +
			fmt.Sprintf("\x1b[1;%dr\x1b[1;1H", rows) + at(1) + "Press any key to continue\x1b[15;1H\x1b[?25h" + at(27))
		t.Key()
		t.Print(at(1) + "\x1b[2K" + at(1) + "\x1b[?25h" + at(1) + shown)
		for !t.Ended() {
			var line []byte
			for {
				b := t.Key()
				if t.Ended() {
					return
				}
				if b == '\r' || b == '\n' {
					break
				}
				t.Print(at(column+len(line)) + string([]byte{b}) + at(column+len(line)) + "\x1b[?25h" + at(column+len(line)+1))
				line = append(line, b)
			}
			t.Print(enter + replies[strings.TrimSpace(string(line))] + shown)
		}
	}
}

func junosBlanks(t *TTY) {
	const prompt = "user@mx1> "
	t.Print("--- JUNOS 12.1X44-D25.5 built 2013-10-24 20:59:21 UTC\r\n" + prompt)
	for {
		var line []byte
		for {
			b := t.Key()
			if t.Ended() {
				return
			}
			if b == '\r' || b == '\n' {
				break
			}
			line = append(line, b)
			t.Print(string([]byte{b}))
			if string(line) == "file list /var/tmp " {
				t.Print("   \b\b\b")
			}
		}
		t.Print("\r\n")
		if len(line) > 0 {
			t.Print("/var/tmp:\r\ntotal blocks: 12\r\n")
		}
		t.Print("\r\n" + prompt)
	}
}

// wholeEcho shows the line when it is whole.
func wholeEcho(t *TTY) {
	t.Silent, t.NoLine = true, true
	t.Print("\r\nsw1#")
	for {
		line := t.Line()
		if t.Ended() {
			return
		}
		t.Print(line + "\r\n" + usual[line].text + "sw1#")
	}
}

// completed is a device that completes words.
func completed(t *TTY) {
	words := map[string]string{"sh ": "ow \b", "ver": "sion"} //nolint:gocritic // the blank asks for the completion
	t.Print("\r\nuser@mx1> ")
	for {
		var line []byte
		for {
			b := t.Key()
			if t.Ended() {
				return
			}
			if b == '\r' || b == '\n' {
				break
			}
			line = append(line, b)
			if string(line) == "sh " {
				t.Print("ow ")
				continue
			}
			t.Print(string([]byte{b}))
		}
		command := string(line)
		if strings.HasSuffix(command, "ver") {
			t.Print(words["ver"])
			command = "show version"
		}
		t.Print("\r\n" + usual[command].text + "user@mx1> ")
	}
}

// mikrotik repaints the line, and its prompt many times.
func mikrotik(enter string, asks bool) func(*TTY) {
	const prompt = "\x1b[m\x1b[27m[\x1b[m\x1b[32m\x1b[1madmin\x1b[m@\x1b[m\x1b[32mMikroTik\x1b[m] > "
	return func(t *TTY) {
		t.Print("\r\r\n\r\r\n  MMM      MMM       KKK                          TTTTTTTTTTT      KKK\r\r\n  MikroTik RouterOS 7.16 (c) 1999-2024       https://www.mikrotik.com/\r\r\n\r\r\nPress F1 for help\r\r\n")
		if asks {
			t.Print("\x1bZ  \x1b[6n\r")
			for t.Key() != 'R' && !t.Ended() {
			}
		}
		t.Print("\r\r\r\r" + prompt + "\x1b[K")
		for {
			var line []byte
			for {
				b := t.Key()
				if t.Ended() {
					return
				}
				if strings.IndexByte(enter, b) >= 0 {
					break
				}
				if b == '\n' || b == '\r' {
					continue
				}
				line = append(line, b)
				t.Print(string([]byte{b}))
			}
			t.Print("\r" + prompt + string(line) + "\x1b[K\r\r\n")
			if string(line) == "/system resource print" {
				t.Print("                   uptime: 32m36s\r\r\n                  version: 7.16 (stable)\r\r\n")
			}
			t.Print("\r\r\r\r" + prompt + "                                     \r" + prompt + "\x1b[K")
		}
	}
}

// escapeE ends lines with ESC E.
func escapeE(t *TTY) {
	t.NoLine = true
	t.Print("\x1bEsw1> ")
	for {
		line := t.Line()
		if t.Ended() {
			return
		}
		t.Print("\x1bE" + strings.ReplaceAll(usual[line].text, "\r\n", "\x1bE") + "sw1> ")
	}
}

// insertedLines pushes lines up with CSI L.
func insertedLines(t *TTY) {
	t.NoLine = true
	t.Print("\r\nsw1# ")
	for {
		line := t.Line()
		if t.Ended() {
			return
		}
		t.Print("\x1b[24;1H\x1b[1L" + usual[line].text + "\x1b[24;1H\x1b[2Ksw1# ")
	}
}

// readline shows a long line in rows of the terminal's width.
func readline(width int) func(*TTY) {
	const prompt = "admin@box:~$ "
	return func(t *TTY) {
		t.Print(prompt)
		for {
			var line []byte
			for {
				b := t.Key()
				if t.Ended() {
					return
				}
				if b == '\r' || b == '\n' {
					break
				}
				line = append(line, b)
				t.Print(string([]byte{b}))
				if (len(prompt)+len(line))%width == 0 {
					t.Print(" \r")
				}
			}
			switch command := string(line); {
			case strings.HasPrefix(command, "echo"):
				t.Print("\r\ndone\r\n" + prompt)
			default:
				t.Print("\r\n" + usual[command].text + prompt)
			}
		}
	}
}
