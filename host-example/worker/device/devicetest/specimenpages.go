package devicetest

import "strings"

// pager is how a device turns pages.
type pager struct {
	// text is what it waits behind, and erase what it sends once a key was pressed.
	text, erase string
	// next are the keys for the next page, line those for one line more; others quit. ignored does nothing.
	next, line, ignored string
	// rows is how many lines a page has. 0: 20.
	rows int
}

// page returns what writes lines with a pager.
func (p pager) page(lines string) func(*TTY) {
	return func(t *TTY) {
		rows := p.rows
		if rows == 0 {
			rows = 20
		}
		all := strings.SplitAfter(lines, "\n")
		for i, left := 0, rows; i < len(all)-1; i, left = i+1, left-1 {
			if left == 0 {
				t.Print(p.text)
				for left == 0 {
					switch key := t.Key(); {
					case t.Ended():
						return
					case strings.IndexByte(p.next, key) >= 0:
						left = rows
					case strings.IndexByte(p.line, key) >= 0:
						left = 1
					case strings.IndexByte(p.ignored, key) < 0:
						t.Print(p.erase)
						return
					}
				}
				t.Print(p.erase)
			}
			t.Lines(all[i])
		}
	}
}

// blanks erase a text from the line's start.
func blanks(text string) string { return "\r" + strings.Repeat(" ", len(text)) + "\r" }

// backspaces erase a text wherever it stands.
func backspaces(text string) string {
	n := len(text)
	return strings.Repeat("\b", n) + strings.Repeat(" ", n) + strings.Repeat("\b", n)
}

// wordedPagers are devices whose pagers say in their own words which key does what. A wrong one quits.
func wordedPagers() []Specimen {
	var all []Specimen
	for _, p := range []struct {
		name, prompt string
		pager
	}{
		{"iskratel", "iskratel# ", pager{text: "Press any key to continue or Esc to stop scrolling.", next: " \r"}},
		{"nateks", "FG16-P#", pager{text: "....press ENTER to next line, Q to quit, other key to next page....", next: " nc", line: "\r"}},
		{"qtech", "QSW#", pager{text: "--- [Space] Next page, [Enter] Next line, [A] All, Others to exit ---", next: " ", line: "\r"}},
		{"angtel", "Topaz#", pager{text: "press <SPACE> to continue or <ENTER> to quit", next: " "}},
		{"edge-core", "Console#", pager{text: "---More---", next: " ", line: "\r"}},
		{"dlink", "DES-3200:admin#", pager{text: "CTRL+C ESC q Quit SPACE n Next Page p Previous Page r Refresh", next: " n", ignored: "\r"}},
		{"audiocodes", "M800B# ", pager{text: "-- MORE --", next: " ", line: "\r"}},
		{"alcatel", "leg:isadmin>#", pager{text: "Press <space>(page)/<enter>(line)/q(quit) to continue...", next: " ", line: "\r"}},
		{"omnistack", "OS-LS-6224#", pager{text: "More: <space>,  Quit: q or CTRL+Z, One line: <return>", next: " ", line: "\r"}},
		{"lines and rest", "esr-10# ", pager{text: "More? Enter - next line; Space - next page; Q - quit; R - show the rest.", next: " ", line: "\r"}},
		{"return for more", "Zhone> ", pager{text: "Enter <CR> for more or 'q' to quit--:", next: "\r", ignored: " "}},
		{"nopause", "huawei-dslam#", pager{text: "Press any key to continue, 'n' to nopause,'e' to exit", next: " \r"}},
		{"allied", "Manager sw3> ", pager{text: "--More--  (<space> = next page, <CR> = one line, C = continuous, Q = quit)", next: " ", line: "\r"}},
		{"spacebar", "bdcom#", pager{text: "--More(Enter: next line, spacebar: next page, any other key: quit)--", next: " ", line: "\r"}},
		{"break", "fiberhome# ", pager{text: "Press CTRL+C to break, other key to continue...", next: " \r"}},
		{"enter or escape", "sls# ", pager{text: "Press <Enter> to continue or <Esc> to cancel.", next: "\r"}},
		{"escape", "GS-4012F# ", pager{text: "-- more --, next page: Space, continue: c, quit: ESC", next: " c"}},
		{"all", "gpon-olt# ", pager{text: "<SPACE> for next page, <CR> for next line, A for all, Q to quit", next: " ", line: "\r"}},
		{"letter", "ISCOM# ", pager{text: "Press 'c' to continue, 'q' to break", next: "c", ignored: " \r"}},
		{"entries", "(Cisco Controller) >", pager{text: "Would you like to display the next 15 entries? (y/n)", next: "yY"}},
		{"items", "admin@(bigip1)(cfg-sync Standalone)(Active)(/Common)(tmos)# ", pager{text: "Display all 120 items? (y/n) ", next: "yY"}},
		{"nul", "RT_01|192.0.2.4-Site_OLT> ", pager{text: " --More-- \x00", next: " ", erase: backspaces(" --More-- ")}},
		{"upper case", "ACOS-vMaster[1/1]#", pager{text: "--MORE--", next: " ", line: "\r"}},
		{"quit", "gw-1> ", pager{text: "-- More --  (q to quit)", next: " ", line: "\r", erase: "\x1b[2K\r"}},
		{"break by q", "ZXR10#", pager{text: "----- more ----- Press Q or Ctrl+C to break -----", next: " ", line: "\r", erase: "\r\x1b[J"}},
		{"command", "ssg5-> ", pager{text: "--- more --- ", next: " ", line: "\r"}},
		{"reverse", "eos1#", pager{text: "\x1b[7m--More-- (29%)\x1b[27m", next: " ", line: "\r", erase: "\r\x1b[K"}},
		{"numbered", "sw-5# ", pager{text: "Page 1 of 3 [N]ext [Q]uit", next: " n"}},
	} {
		if p.erase == "" {
			p.erase = blanks(p.text)
		}
		all = append(all, Specimen{
			Name:  "pager in words, " + p.name,
			Serve: plain("\r\n", p.prompt, map[string]reply{"show run": {do: p.page(configuration(50))}, "show clock": {text: crlf(clockText)}}),
			Runs:  []Exchange{{"show run", configuration(50)}, {"show clock", clockText}, {"show run", configuration(50)}},
		})
	}
	return all
}

// printed takes out what isn't text.
var printed = strings.NewReplacer("\r", "", "\x1b[?1h\x1b=", "", "\x1b[?1l\x1b>", "", "\x1b[m", "", "\x1b[K", "")

// misplacedPagers wait where others don't.
func misplacedPagers() []Specimen {
	const more = "--More--"
	of := func(name, prompt, text, erase string, before, after string) Specimen {
		output := printed.Replace(before + after)
		return Specimen{
			Name: "pager " + name, Serve: plain("\r\n", prompt, map[string]reply{
				"show run": {do: func(t *TTY) {
					t.Print(before + text)
					for t.Key() != ' ' && !t.Ended() {
					}
					t.Print(erase + after)
				}},
				"show clock": {text: crlf(clockText)},
			}), Runs: []Exchange{{"show run", output}, {"show clock", clockText}, {"show run", output}},
		}
	}
	const half, rest = "line 1\r\nsnmp access group ROGroup exact model v2c level noauth read systemvi", "ew write none\r\nend\r\n"
	return []Specimen{
		of("within a line", "core01 tnsr# ", more, backspaces(more), half, rest),
		of("within a line, with a NUL", "OLT|1> ", " --More-- \x00", backspaces(" --More-- "), half, rest),
		of("within a line, by CSI D", "sw1#", more, "\x1b[8D\x1b[K", half, rest),
		of("within a long line", "sw1#", more, backspaces(more), "a\r\n"+strings.Repeat("0123456789", 30), "abc\r\n"),
		of("within an indented line", "sw1#", more, backspaces(more), "a\r\n    ", "deep\r\nb\r\n"),
		of("behind the last line", "bgp01 tnsr# ", more, backspaces(more)+"\r", "line 1\r\n\r\n\r\n", ""),
		of("behind the last line, of junos", "user@mx1> ", "---(more 100%)---", blanks("---(more 100%)---"), "line 1\r\n", ""),
		of("before the only line", "sw1#", more, blanks(more), "", "line 1\r\n"),
		of("that is redrawn", "user@vyos:~$ ", "\x1b[7mlines 1-23 \x1b[m", "\r\x1b[K\r\x1b[7mlines 1-23 \x1b[27m\x1b[K\r\x1b[K", "line 1\r\n", "line 2\r\n"),
		of("of less in another screen's mode", "user@vyos:~$ ", ":", "\r\x1b[K", "\x1b[?1h\x1b=\rVersion: 1.4\x1b[m\r\n\x1b[m\r\n", "end\x1b[m\r\n\r\x1b[K\x1b[?1l\x1b>"),
	}
}
