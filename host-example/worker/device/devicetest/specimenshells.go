package devicetest

import (
	"fmt"
	"strings"
	"time"
)

// shellSpecimens are devices whose prompt or line is drawn in unusual ways.
func shellSpecimens() []Specimen {
	const long = "show interfaces description | include GigabitEthernet1/0/1|GigabitEthernet1/0/2|GigabitEthernet1/0/3"
	const longText = "Gi1/0/1 up\n"
	replies := map[string]reply{"show version": {text: crlf(versionText)}, "show clock": {text: crlf(clockText)}, long: {text: crlf(longText)}}
	longRuns := append([]Exchange{{long, longText}}, usualRuns...)
	of := func(name, greeting, prompt string) Specimen {
		return Specimen{Name: name, Serve: plain(greeting, prompt, replies), Runs: longRuns}
	}
	return []Specimen{
		of("two lines of box drawing", "\r\n", "\r\n\x1b[34m┌──(admin㉿kali)-[~]\x1b[0m\r\n\x1b[34m└─\x1b[1m$\x1b[0m "),
		of("two lines of sr linux", "Welcome to the srlinux CLI.\r\n", "\r\n--{ + running }--[  ]--\r\nA:srl1# "),
		of("a name with blanks", "\r\n", "core switch 1# "),
		of("a name of several words", "\r\n", "ROUTER: Berlin (north) > "),
		of("a clock at the right", "\r\n", "sw1> \x1b[60C10:00:00\x1b[1G\x1b[5C"),
		of("a mark within", "\r\n", "#[sw1]: "),
		of("blanks before", "\r\n", "   sw1> "),
		of("a percent sign behind a percentage", "Disk is 45% full\r\n", "sw1% "),
		of("asks for a status", "\r\n", "\x1b[5nabc-1f1#"),
		of("asks for its name", "\r\n", "\x1b[>c\x1b[>0q\x1b[?u\x1b[18tsw1#"),
		of("keeps the cursor's place", "\r\n", "\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8sw1#"),
		of("an alternate screen", "\x1b[?1049h\x1b[22;0;0t\x1b[1;24r\x1b(B\x1b[m\x1b[4l\x1b[?7h\x1b[H\x1b[2J", "sw1#"),
		of("a shape for the cursor", "\r\n", "\x1b[0 q\x1b[?25hsw1#\x1b[5 q"),
		of("a link", "\r\n", "\x1b]8;;http://x/\x1b\\sw1\x1b]8;;\x1b\\#"),
		of("a mark by OSC 133", "\r\n", "\x1b]133;A\x07sw1# \x1b]133;B\x07"),
		of("eight bits", "\r\n", "\xa7sw1\xa7#"),
		{Name: "a clock before", Serve: func(t *TTY) {
			for n := 0; !t.Ended(); n++ {
				t.Print(fmt.Sprintf("[10:%02d:%02d] admin@sw1> ", n, 7*n%60))
				t.Print(replies[t.Line()].text)
			}
		}, Runs: longRuns},
		{Name: "the login of a slow server", Serve: func(t *TTY) {
			time.Sleep(8 * time.Second)
			t.Print("\r\nWelcome\r\n")
			time.Sleep(3 * time.Second)
			plain("", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "keys that were pressed early", Serve: func(t *TTY) {
			t.Print("\r\nLoading")
			for range 9 {
				time.Sleep(900 * time.Millisecond)
				t.Print(".")
			}
			plain("\r\n", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "progress at the login", Serve: func(t *TTY) {
			for share := 10; share <= 100; share += 10 {
				t.Print(fmt.Sprintf("\rLoading %d%%", share))
				time.Sleep(700 * time.Millisecond)
			}
			plain("\r\n", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "a log at the login", Serve: func(t *TTY) {
			for n := range 4 {
				t.Print(fmt.Sprintf("Waiting for service %d", n))
				time.Sleep(700 * time.Millisecond)
				t.Print(" [ OK ]\r\n")
			}
			plain("\r\n", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "the command in the output", Serve: plain("\r\n", "r1#", map[string]reply{
			"show it": {text: "show it\r\nr1#show it\r\nshow it again\r\n"}, "show clock": {text: crlf(clockText)}, "a": {text: "a\r\nab\r\n"},
		}), Runs: []Exchange{{"show it", "show it\nr1#show it\nshow it again\n"}, {"a", "a\nab\n"}, {"show clock", clockText}}},
		{Name: "a long line that isn't ended", Serve: plain("\r\n", "r1#", map[string]reply{
			"show json": {text: strings.Repeat("{\"a\": 12345} ", 300)}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show json", strings.Repeat("{\"a\": 12345} ", 300)}, {"show clock", clockText}}},
		{Name: "a feature that isn't enabled", Serve: plain("\r\n", "n9k-9316-test# ", map[string]reply{
			"show archive": {text: " Archive feature is not enabled"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show archive", " Archive feature is not enabled"}, {"show clock", clockText}}},
		{Name: "form feeds and vertical tabs", Serve: plain("\r\n", "r1#", map[string]reply{
			"show it": {text: "\fa\r\n\vb\x05\x0e\x0fc\r\n"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show it", "a\nbc\n"}, {"show clock", clockText}}},
		{Name: "junos at the end of a row", Serve: typed("user@mx1# ", func(t *TTY, line []byte, shown int) {
			key := string(line[len(line)-1:])
			switch {
			case shown == 78:
				t.Print(key + " \ruser@mx1# " + string(line) + "    \b\b\b\b")
			case key == " ":
				t.Print(key + "   \b\b\b")
			default:
				t.Print(key)
			}
		}, replies), Runs: longRuns},
		{Name: "an error while the command is typed", Serve: typed("user@mx1> ", func(t *TTY, line []byte, _ int) {
			if string(line) == "shov " {
				t.Print("\r\n          ^\r\nunknown command.\r\nuser@mx1> shov   \b\b")
				return
			}
			t.Print(string(line[len(line)-1:]))
		}, map[string]reply{"shov version": {text: "             ^\r\nunknown command.\r\n"}, "show clock": {text: crlf(clockText)}}),
			Runs: []Exchange{{"shov version", "             ^\nunknown command.\n"}, {"show clock", clockText}}},
		{Name: "a message while the command is typed", Serve: typed("r1#", func(t *TTY, line []byte, _ int) {
			t.Print(string(line[len(line)-1:]))
			if string(line) == "show v" {
				t.Print("\r\n*Mar  1 00:10:01.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up\r\nr1#show v")
			}
		}, usual), Runs: usualRuns},
		{Name: "a key of two bytes", Serve: typed("sw1#", func(t *TTY, line []byte, _ int) { t.Print(string(line[len(line)-1:])) },
			map[string]reply{"show vlan name Büro": {text: "10 Büro\r\n"}, "show clock": {text: crlf(clockText)}}), Runs: []Exchange{{"show vlan name Büro", "10 Büro\n"}, {"show clock", clockText}}},
		{Name: "a shell with a mark alone", Serve: plain("--- JUNOS 22.4\r\n", "user@mx1> ", map[string]reply{
			"start shell": {prompt: "% "}, "show clock": {text: crlf(clockText)}, "cli": {prompt: "user@mx1> "},
		}), Runs: []Exchange{{"start shell", ""}, {"show clock", clockText}, {"cli", ""}, {"show clock", clockText}}},
		{Name: "a shell of another name", Serve: plain("\r\n", "admin@(bigip1)(cfg-sync Standalone)(Active)(/Common)(tmos)# ", map[string]reply{
			"run util bash": {prompt: "[root@lab:Active:Standalone] ~ # "}, "show clock": {text: crlf(clockText)}, "quit": {prompt: "admin@(bigip1)(cfg-sync Standalone)(Active)(/Common)(tmos)# "},
		}), Runs: []Exchange{{"run util bash", ""}, {"show clock", clockText}, {"quit", ""}, {"show clock", clockText}}},
		{Name: "a shell in a module", Serve: plain("\r\n", "RP/0/RSP0/CPU0:edge1#", map[string]reply{
			"run": {text: "Fri Nov  1 10:00:00.000 UTC\r\n", prompt: "[xr-vm_node0_RP0_CPU0:~]$"}, "show clock": {text: crlf(clockText)}, "exit shell": {text: "logout\r\n", prompt: "RP/0/RSP0/CPU0:edge1#"},
		}), Runs: []Exchange{{"run", "Fri Nov  1 10:00:00.000 UTC\n"}, {"show clock", clockText}, {"exit shell", "logout\n"}}},
		{Name: "a prompt that is painted twice", Serve: func(t *TTY) {
			for !t.Ended() {
				t.Print("\r\x1b[Ksw1> ")
				time.Sleep(120 * time.Millisecond)
				t.Print("\r\x1b[Ksw1> ")
				t.Print(replies[t.Line()].text)
			}
		}, Runs: longRuns},
		{Name: "an echo in capitals", Serve: typed("SW1> ", func(t *TTY, line []byte, _ int) { t.Print(strings.ToUpper(string(line[len(line)-1:]))) }, replies), Runs: longRuns},
		{Name: "a banner before the prompt on its line", Serve: plain("\r\nWelcome to the switch! ", "sw1> ", replies), Runs: longRuns},
		{Name: "stars for what is typed", Serve: func(t *TTY) {
			typed("sw1#", func(t *TTY, _ []byte, _ int) { t.Print("*") }, usual)(t)
		}, Runs: usualRuns},
		{Name: "output in columns by cursor positions", Serve: plain("\r\n", "sw1#", map[string]reply{
			"show it": {text: "name\x1b[20Gstate\x1b[30Gspeed\r\nGi0/1\x1b[15Cup\x1b[8C1000\r\n"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"show it", "name               state     speed\nGi0/1               up        1000\n"}, {"show clock", clockText}}},
		{Name: "overstruck output", Serve: plain("\r\n", "sw1#", map[string]reply{
			"man it": {text: "N\bNA\bAM\bME\bE\r\n    _\bi_\bt - does it\r\n"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"man it", "NAME\n    it - does it\n"}, {"show clock", clockText}}},
		{Name: "percentages with dots", Serve: plain("\r\n", "sw1#", map[string]reply{
			"copy it": {do: func(t *TTY) {
				t.Print("Copying ")
				for range 5 {
					t.Print("!!!!!!!!!!")
					time.Sleep(pause)
				}
				t.Print("\r\n[OK - 1024 bytes]\r\n\r\n1024 bytes copied in 1.5 secs (683 bytes/sec)\r\n")
			}}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"copy it", "Copying " + strings.Repeat("!", 50) + "\n[OK - 1024 bytes]\n\n1024 bytes copied in 1.5 secs (683 bytes/sec)\n"}, {"show clock", clockText}}},
	}
}
