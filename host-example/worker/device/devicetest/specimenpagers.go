package devicetest

import (
	"strings"
)

// pagerSpecimens are devices that wait after each page.
func pagerSpecimens() []Specimen {
	var all []Specimen
	for _, p := range []struct{ name, prompt, text, erase string }{
		{"ios", "r1#", " --More-- ", "\b\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\b\b"},
		{"asa", "asa1# ", "<--- More --->", "\r              \r"},
		{"vrp", "<AC6508>", "  ---- More ----", "\x1b[16D                \x1b[16D"},
		{"olt", "MA5800#", "---- More ( Press 'Q' to break ) ----", "\x1b[37D                                     \x1b[37D"},
		{"fortios", "FGT-60F # ", "--More-- ", "\r         \r"},
		{"procurve", "sw1# ", "-- MORE --, next page: Space, next line: Enter, quit: Control-C", ""},
		{"aos-cx", "sw07# ", "-- MORE --, next page: Space, next line: Enter, quit: q", ""},
		{"dell", "console#", "--More-- or (q)uit", ""},
		{"fastiron", "SSH@switch-001#", "--More--, next page: Space, next line: Return key, quit: Control-c", ""},
		{"exos", "* X440G2-24t.3 # ", "Press <SPACE> to continue or <Q> to quit:", ""},
		{"tplink", "TL-SG3210#", "Press any key to continue (Q to quit)", ""},
		{"wlc", "(Aruba7210) [mynode] #", "--More-- (q) quit (u) pageup (/) search (n) repeat ", ""},
		{"junos", "user@mx1> ", "---(more 45%)---", "\r                                        \r"},
		{"sros", "A:router# ", "Press any key to continue (Q to quit)", "\r                                      \r"},
		{"less", "vyos@vyos:~$ ", ":", "\r\x1b[K"},
		{"less at a line", "admin@box:~$ ", "lines 1-22/60 37%", "\r\x1b[K"},
		{"s300", "switch1#", "More: <space>,  Quit: q or CTRL+Z, One line: <return> ", "\r                                                      \r"},
		{"dlink", "DGS-3120:admin#", "CTRL+C ESC q Quit SPACE n Next Page ENTER Next Entry a All", "\r                                                              \r"},
		{"mikrotik", "[admin@MikroTik] > ", "-- [Q quit|D dump|down]", "\r\x1b[K"},
		{"erased from the line's start", "sw9#", "--More--", "\x1b[2K\x1b[1G"},
		{"deleted characters", "sw9#", "--More--", "\r\x1b[8P"},
		{"erased and coloured", "sw9#", "\x1b[7m--More--\x1b[0m", "\x1b[8D\x1b[K"},
		{"in words", "gw>", "[Press space for the next page, q to quit]", ""},
		{"with a percentage", "sw2#", "--More-- (12% of 8040 bytes)", "\r\x1b[2K"},
		{"hit a key", "zebra>", "<Hit any key to go on>", ""},
		{"return", "old-sw> ", "Press RETURN to continue: ", ""},
		{"star", "nsh> ", "*** more ***", "\r            \r"},
		{"italic", "sw3>", "\x1b[3mContinue with any key, stop with ^C\x1b[23m", ""},
	} {
		if p.erase == "" {
			p.erase = "\r" + strings.Repeat(" ", len(p.text)) + "\r"
		}
		all = append(all, Specimen{
			Name: "pager " + p.name, Serve: paged(p.prompt, p.text, p.erase),
			Runs: []Exchange{{"show run", configuration(60)}, {"show clock", clockText}, {"show short", "!\n!\n"}, {"show run", configuration(60)}},
		})
	}
	return append(all,
		Specimen{Name: "pager that leaves short lines", Serve: pagedText("sw1#", "-- MORE --, next page: Space", "\r                            \r", strings.Repeat("!\n", 50), 10),
			Runs: []Exchange{{"show run", strings.Repeat("!\n", 50)}}},
		Specimen{Name: "pager before indented lines", Serve: pagedText("sw1#", " --More-- ", "\b\b\b\b\b\b\b\b\b\b          \b\b\b\b\b\b\b\b\b\b", strings.Repeat("  deep\n", 50), 10),
			Runs: []Exchange{{"show run", strings.Repeat("  deep\n", 50)}}},
		Specimen{Name: "pager that stays", Serve: pagedText("sw1#", "--More--", "\r\n", configuration(50), 10),
			Runs: []Exchange{{"show run", configuration(50)}}},
		Specimen{Name: "less to its end", Serve: lessToItsEnd, Runs: []Exchange{{"show run", configuration(30)}, {"show clock", clockText}}},
	)
}

func paged(prompt, text, erase string) func(*TTY) {
	return pagedText(prompt, text, erase, configuration(60), 22)
}

func pagedText(prompt, text, erase, run string, rows int) func(*TTY) {
	p := pager{text: text, erase: erase, rows: rows, next: " "}
	if strings.Contains(text, "RETURN") {
		p.next = "\r\n"
	}
	p.ignored = "\r\n "
	return plain("\r\n", prompt, map[string]reply{
		"show run": {do: p.page(run)}, "show clock": {text: crlf(clockText)}, "show short": {text: "!\r\n!\r\n"},
	})
}

// lessToItsEnd waits at the end too.
func lessToItsEnd(t *TTY) {
	plain("", "admin@sonic:~$ ", map[string]reply{
		"show run": {do: func(t *TTY) {
			t.Print("\x1b[?1h\x1b=\r")
			t.Lines(configuration(30))
			t.Print("\x1b[7m(END)\x1b[27m\x1b[K")
			for t.Key() != 'q' && !t.Ended() {
				t.Print("\x07")
			}
			t.Print("\r\x1b[K\x1b[?1l\x1b>")
		}},
		"show clock": {text: crlf(clockText)},
	})(t)
}
