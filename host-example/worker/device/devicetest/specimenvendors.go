package devicetest

import (
	"fmt"
	"strings"
	"time"
)

const pause = 300 * time.Millisecond

// vendorSpecimens are devices with habits of several kinds at once.
func vendorSpecimens() []Specimen {
	const long = "show interfaces description | include GigabitEthernet1/0/1|GigabitEthernet1/0/2|GigabitEthernet1/0/3"
	const longText = "Gi1/0/1 up\n"
	version := map[string]reply{"show version": {text: crlf(versionText)}, "show clock": {text: crlf(clockText)}, long: {text: crlf(longText)}}
	longRuns := append([]Exchange{{long, longText}}, usualRuns...)
	return []Specimen{
		{Name: "ios-xr", Serve: plain("\r\n\r\n", "RP/0/RSP0/CPU0:IOS-XR#", map[string]reply{
			"show version": {text: "\r\nTue Jan 12 00:08:57.249 UTC\r\n\r\nCisco IOS XR Software, Version 6.3.3[Default]\r\n"},
			"configure":    {text: "Tue Jan 12 00:09:01.007 UTC\r\n", prompt: "RP/0/RSP0/CPU0:IOS-XR(config)#"},
			"commit":       {text: "Tue Jan 12 00:09:02.011 UTC\r\n"},
			"end":          {prompt: "RP/0/RSP0/CPU0:IOS-XR#"},
		}), Runs: []Exchange{
			{"show version", "\nTue Jan 12 00:08:57.249 UTC\n\nCisco IOS XR Software, Version 6.3.3[Default]\n"},
			{"configure", "Tue Jan 12 00:09:01.007 UTC\n"}, {"commit", "Tue Jan 12 00:09:02.011 UTC\n"}, {"end", ""},
		}},
		{Name: "comware behind a prefix", Serve: plain("\r\n", "RBM_P<BJTTCYY-CMNET-C02-41U-F5000M-1>", map[string]reply{
			"show clock": {text: crlf(clockText)}, "system-view": {text: "System View: return to User View with Ctrl+Z.\r\n", prompt: "RBM_P[BJTTCYY-CMNET-C02-41U-F5000M-1]"},
			"return": {prompt: "RBM_P<BJTTCYY-CMNET-C02-41U-F5000M-1>"},
		}), Runs: []Exchange{{"system-view", "System View: return to User View with Ctrl+Z.\n"}, {"show clock", clockText}, {"return", ""}}},
		{Name: "vrp, uncommitted", Serve: plain("\r\n", "<CE8850>", map[string]reply{
			"system-view": {text: "Enter system view, return user view with return command.\r\n", prompt: "[~CE8850]"}, "interface 10GE1/0/1": {prompt: "[*CE8850-10GE1/0/1]"},
			"commit": {prompt: "[~CE8850-10GE1/0/1]"}, "return": {prompt: "<CE8850>"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"system-view", "Enter system view, return user view with return command.\n"}, {"interface 10GE1/0/1", ""}, {"commit", ""}, {"show clock", clockText}, {"return", ""}}},
		{Name: "bdcom", Serve: plain("\r\n", "Switch#", map[string]reply{
			"config": {prompt: "Switch_config#"}, "interface g0/1": {prompt: "Switch_config_g0/1#"}, "exit all": {prompt: "Switch#"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"config", ""}, {"interface g0/1", ""}, {"show clock", clockText}, {"exit all", ""}, {"show clock", clockText}}},
		{Name: "alteon", Serve: plain("\r\n", ">> Main# ", map[string]reply{
			"/cfg/sys": {text: "------------------------------------------------------------\r\n[System Menu]\r\n     syslog  - Syslog Menu\r\n", prompt: ">> System# "},
			"..":       {prompt: ">> Configuration# "}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{
			{"/cfg/sys", "------------------------------------------------------------\n[System Menu]\n     syslog  - Syslog Menu\n"}, {"show clock", clockText}, {"..", ""}, {"show clock", clockText},
		}},
		{Name: "fortios in a table", Serve: plain("\r\n", "FGT-60F # ", map[string]reply{
			"config system interface": {prompt: "FGT-60F (interface) # "}, "edit port1": {prompt: "FGT-60F (port1) # "}, "end": {prompt: "FGT-60F # "}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"config system interface", ""}, {"edit port1", ""}, {"end", ""}, {"show clock", clockText}}},
		{Name: "ilo", Serve: plain("User:admin logged-in to ILO.example.net(10.0.0.9 / FE80::9657:A5FF:FE6D:1234)\r\n\r\niLO Advanced 2.55\r\n\r\n", "</>hpiLO-> ", map[string]reply{
			"show": {text: "status=0\r\nstatus_tag=COMMAND COMPLETED\r\n\r\n/\r\n  Targets\r\n    system1\r\n\r\n\r\n"}, "cd system1": {text: "status=0\r\n\r\n", prompt: "</system1>hpiLO-> "},
		}), Runs: []Exchange{{"show", "status=0\nstatus_tag=COMMAND COMPLETED\n\n/\n  Targets\n    system1\n\n\n"}, {"cd system1", "status=0\n\n"}, {"show", "status=0\nstatus_tag=COMMAND COMPLETED\n\n/\n  Targets\n    system1\n\n\n"}}},
		{Name: "ipso counts", Serve: func(t *TTY) {
			for n := 1; !t.Ended(); n++ {
				t.Print(fmt.Sprintf("NokiaIP560:%d> ", n))
				t.Print(version[t.Line()].text)
			}
		}, Runs: longRuns},
		{Name: "garderos underlines", Serve: plain("", "\x1b[4m\rLAB-R1234_Garderos#\x1b[m ", version), Runs: longRuns},
		{Name: "netgear clears the screen", Serve: plain("\x1b[H\x1b[J", "19sw011# ", version), Runs: longRuns},
		{Name: "zyxel saves the cursor", Serve: plain("\r\n", "\x1b7sw4012# ", version), Runs: longRuns},
		{Name: "zte ends lines with LF CR", Serve: plain("\n\r", "ZXAN#", map[string]reply{
			"show clock": {text: "10:00:00 UTC\n\r"}, "show version": {text: strings.ReplaceAll(versionText, "\n", "\n\r")},
		}), Runs: usualRuns},
		{Name: "perle ends echoes with CR CR LF", Serve: func(t *TTY) {
			t.NoLine = true
			t.Print("Welcome to TEST-10 @ Line 2\r\n\r\r\nTEST-10#")
			for !t.Ended() {
				line := t.Line()
				t.Print("\r\r\n", strings.ReplaceAll(version[line].text, "\r\n", "\r\r\n"), "TEST-10#")
			}
		}, Runs: longRuns},
		{Name: "a line feed, then CR before the prompt", Serve: plain("\r\n", "\rRT_02-TPLink_OLT#", version), Runs: longRuns},
		{Name: "an empty line before the prompt", Serve: plain("", "\r\n\rRT_02-TPLink_OLT#", version), Runs: []Exchange{{"show clock", clockText + "\n"}, {"show version", versionText + "\n"}}},
		{Name: "eltex esr repaints at each key", Serve: typed("rt01# ", func(t *TTY, line []byte, _ int) {
			t.Print(fmt.Sprintf("\x1b[511D\x1b[6C\x1b[J%s\x1b[512D\x1b[%dC", line, 6+len(line)))
		}, version), Runs: longRuns},
		{Name: "readline wraps with the key and CR", Serve: typed("CX6-1# ", func(t *TTY, line []byte, shown int) {
			key := string(line[len(line)-1:])
			t.Print(key)
			if shown%80 == 1 && shown > 80 {
				t.Print("\r" + key)
			}
		}, version), Runs: longRuns},
		{Name: "zsh", Serve: zsh, Runs: longRuns},
		{Name: "fish", Serve: func(t *TTY) {
			t.NoLine = true
			for !t.Ended() {
				t.Print("\x1b[2m⏎\x1b(B\x1b[m" + strings.Repeat(" ", 90) + "\r⏎ \r\x1b[K\x1b]0;~\a\x1b[30m\x1b(B\x1b[m\x1b[?2004h\x1b[92madmin\x1b(B\x1b[m@box ~> \x1b[K\r\x1b[14C")
				line := t.Line()
				t.Print("\r\n\x1b[30m\x1b(B\x1b[m\x1b[?2004l" + version[line].text)
			}
		}, Runs: longRuns},
		{Name: "NUL padding", Serve: plain("\r\n\x00\x00", "\x00\x00sw1#\x00", map[string]reply{
			"show version": {text: strings.ReplaceAll(versionText, "\n", "\r\n\x00\x00\x00")}, "show clock": {text: strings.ReplaceAll(clockText, "\n", "\r\x00\n")},
		}), Runs: usualRuns},
		{Name: "a spinner", Serve: plain("\r\n", "leg:isadmin>#", map[string]reply{
			"show run": {do: func(t *TTY) {
				for range 4 {
					for _, dash := range []string{"/", "-", "\\", "|"} {
						t.Print(dash + "\x1b[1D")
						time.Sleep(pause)
					}
				}
				t.Print(" \x1b[1Dconfigure system\r\n")
			}}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show run", "configure system\n"}, {"show clock", clockText}}},
		{Name: "an error with the command again", Serve: firepower, Runs: []Exchange{{"show inventory", "Syntax error: Illegal parameter\n"}, {"show clock", clockText}}},
		{Name: "a parameter that is offered", Serve: plain("\r\n", "MA5680T#", map[string]reply{
			"display board 0": {do: func(t *TTY) {
				t.Print("{ <cr>||<K> }:")
				t.Line()
				t.Lines("\n  Command:\n          display board 0\n  0  H806GPBD  Normal\n\n")
			}}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"display board 0", "{ <cr>||<K> }:\n\n  Command:\n          display board 0\n  0  H806GPBD  Normal\n\n"}, {"show clock", clockText}}},
		{Name: "messages within an output", Serve: plain("\r\n", "r1#", map[string]reply{
			"show run": {do: after("line 1\r\n", pause, "\r\n*Mar  1 00:10:01.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up\r\n", "line 2\r\n")}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show run", "line 1\n\n*Mar  1 00:10:01.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up\nline 2\n"}, {"show clock", clockText}}},
		{Name: "the prompt alone in an output", Serve: plain("\r\n", "r1#", map[string]reply{
			"show it": {text: "a\r\nr1#\r\nb\r\n"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show it", "a\nr1#\nb\n"}, {"show clock", clockText}}},
		{Name: "commands with marks in the output", Serve: plain("\r\n", "r1#", map[string]reply{
			"show run": {text: "banner motd #\r\nOnly r1# for you>\r\n#\r\nhostname r1#\r\nalias exec x show #\r\nend\r\n"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show run", "banner motd #\nOnly r1# for you>\n#\nhostname r1#\nalias exec x show #\nend\n"}, {"show clock", clockText}}},
		{Name: "a banner with the name and a mark", Serve: plain("\r\n*** Welcome to r1 ***\r\nr1> is the user mode, r1# the privileged mode\r\n\r\n", "r1>", usual), Runs: usualRuns},
		{Name: "onyx turns its keypad on", Serve: plain("Mellanox Switch\r\n\r\n", "\r\x1b[K\x1b[?1l\x1b>\rsw [standalone: master] > ", map[string]reply{
			"show version": {text: "\x1b[?1h\x1b=\r" + crlf(versionText)}, "show clock": {text: crlf(clockText)}, "enable": {prompt: "\r\x1b[K\x1b[?1l\x1b>\rsw [standalone: master] # "},
			"configure terminal": {prompt: "\r\x1b[K\x1b[?1l\x1b>\rsw [standalone: master] (config) # "},
		}), Runs: append([]Exchange{{"enable", ""}, {"configure terminal", ""}}, usualRuns...)},
		{Name: "f5os", Serve: func(t *TTY) {
			plain("Welcome to the Management CLI\r\nSystem Time: 2024-01-01\r\n", "appliance-1# ", map[string]reply{
				"show clock": {text: crlf(clockText)},
				"config":     {text: "Entering configuration mode terminal\r\n", prompt: "appliance-1(config)# "}, "commit": {text: "Commit complete.\r\n"}, "end": {prompt: "appliance-1# "},
			})(t)
		}, Runs: []Exchange{{"show clock", clockText}, {"config", "Entering configuration mode terminal\n"}, {"commit", "Commit complete.\n"}, {"end", ""}}},
	}
}

// zsh marks a line that wasn't ended, and shows the first key of a word again with the second.
func zsh(t *TTY) {
	t.NoLine = true
	for !t.Ended() {
		t.Print("\x1b[1m\x1b[7m%\x1b[27m\x1b[1m\x1b[0m" + strings.Repeat(" ", 510) + "\r \r\r\x1b[0m\x1b[27m\x1b[24m\x1b[Jbox% \x1b[K\x1b[?2004h")
		var line []byte
		for {
			b := t.Key()
			if t.Ended() || b == '\r' {
				break
			}
			if line = append(line, b); len(line) == 2 {
				t.Print("\b" + string(line))
				continue
			}
			t.Print(string([]byte{b}))
		}
		t.Print("\x1b[?2004l\r\r\n" + usual[string(line)].text)
		if strings.HasPrefix(string(line), "show interfaces") {
			t.Print("Gi1/0/1 up\r\n")
		}
	}
}

// firepower types the command again after an error, for the user to mend.
func firepower(t *TTY) {
	t.Print("\r\n> ")
	typed := ""
	for {
		b := t.Key()
		switch {
		case t.Ended():
			return
		case b == 0x15:
			t.Print(fmt.Sprintf("\x1b[%dD\x1b[J", len(typed)))
			typed = ""
		case b != '\r' && b != '\n':
			typed += string([]byte{b})
			t.Print(string([]byte{b}))
		case typed == "show inventory":
			t.Print("\r\nSyntax error: Illegal parameter\r\n> show inventory\a")
		default:
			t.Print("\r\n" + usual[typed].text + "> ")
			typed = ""
		}
	}
}
