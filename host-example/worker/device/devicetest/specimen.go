package devicetest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Specimen is a device that prints what a real one was reported to print, byte by byte, and what is to be read from it.
type Specimen struct {
	Name  string
	Serve func(*TTY)
	// Runs are commands, in order, with the outputs that are theirs.
	Runs []Exchange
	// Asks is what the login asks; commands get no further unless Send answers it.
	Asks, Send string
}

// Exchange is a command and its output.
type Exchange struct{ Command, Output string }

// What many of them print, and how it reads.
const (
	versionText = "Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 12.2(55)SE12, RELEASE SOFTWARE (fc2)\nuptime is 3 weeks\n"
	clockText   = "10:00:00 UTC\n"
)

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func configuration(lines int) string {
	var b strings.Builder
	for i := range lines {
		_, _ = fmt.Fprintf(&b, "line %d of the configuration\n", i)
	}
	return b.String()
}

// reply is what a device prints after a command, and its prompt from then on, if that changes.
type reply struct {
	text   string // sent as it is
	prompt string
	do     func(*TTY)
}

// plain is a device with a prompt and replies.
func plain(greeting, prompt string, replies map[string]reply, options ...func(*TTY)) func(*TTY) {
	return func(t *TTY) {
		for _, option := range options {
			option(t)
		}
		prompt := prompt
		t.Print(greeting + prompt)
		for {
			command := t.Line()
			if t.Ended() || command == "exit" || command == "logout" {
				return
			}
			r := replies[command]
			if r.prompt != "" {
				prompt = r.prompt
			}
			if r.do != nil {
				r.do(t)
				t.Print(prompt)
				continue
			}
			t.Print(r.text + prompt)
		}
	}
}

func silent(t *TTY) { t.Silent = true }

func enters(keys string) func(*TTY) { return func(t *TTY) { t.Enter = keys } }

var usual = map[string]reply{"show version": {text: crlf(versionText)}, "show clock": {text: crlf(clockText)}}

var usualRuns = []Exchange{{"show version", versionText}, {"show clock", clockText}}

// Specimens returns all of them.
func Specimens() []Specimen {
	return slices.Concat(promptSpecimens(), pagerSpecimens(), echoSpecimens(), loginSpecimens(), outputSpecimens(),
		wordedPagers(), misplacedPagers(), vendorSpecimens(), shellSpecimens())
}

// prompts are single lines, as they come.
var prompts = map[string]string{
	"ios": "r1#", "sros context": "*A:router>config>router# ", "sros": "A:router>show# ", "isam": "leg:isadmin># ",
	"catos": "core-switch> (enable) ", "aos-w": "(AAAA-WLC42) ^[mynode] #", "hios": "!*[BRS](config)#", "comma": "r1,core#",
	"pan-os": "admin@PA-VM(active)> ", "ios-xr": "RP/0/RSP0/CPU0:edge1#", "f5": "[root@bigip1:Active:Standalone] config # ",
	"colours":   "\x1b[31mUS-475-ION-01-Replacement#\x1b[0m  \b",
	"title st":  "\x1b]0;sw1\x1b\\admin@sonic:~$ ",
	"title bel": "\x1b]2;core (router)\x07core%", "utf-8": "München-core#", "aos6": "-> ", "two blanks": "netonix#  ",
	"plus": "GS748T -+.v4#", "bar": "a|b>", "cjk": "核心交换机>", "cyrillic": "маршрутизатор-1#", "dollar": "$ ", "hash": "# ",
	"huawei": "<Quidway>", "comware": "<H3C-core.1>", "tmos": "admin@(bigip1)(cfg-sync Standalone)(Active)(/Common)(tmos)# ",
	"fitel": "fitelnet#", "avaya": "ERS-4850GTS-PWR+:1#", "omniswitch": "SW-6860E-> ", "dotted": "sw.core.example.net>",
	"brocade": "telnet@FESX-1(config-if-e1000-0/1/1)#", "brackets": "[edit]admin@srx% ", "arrow": "sw1 => ", "unifi": "US-24-G1-US.6.5.59# ",
	"ciena": "SAOS-3916*> ", "adtran": "TA5000 ~>", "vertical": "ONT┃", "colon": "switch: ", "tilde": "~ # ",
	"wide colours": "\x1b[1;32m\x1b[1madmin\x1b[0m\x1b[1;34m@gw\x1b[0m \x1b[36m»\x1b[0m ", "status": "(ok) {primary:node0} fw1> ",
	"quoted": "\"core one\" # ", "reset": "\x1b[0;10msw1\x1b(B\x1b[m> ", "paste": "\x1b[?2004hroot@box:~# ",
	"title with bell at once": "\x1b]0;a\x07\x1b]1;b\x07leaf2(config)# ", "device control": "\x1bP1$r0m\x1b\\sw7#",
}

func promptSpecimens() []Specimen {
	var all []Specimen
	for name, prompt := range prompts {
		all = append(all, Specimen{Name: "prompt " + name, Serve: plain("\r\n", prompt, usual), Runs: usualRuns})
	}
	slices.SortFunc(all, func(a, b Specimen) int { return strings.Compare(a.Name, b.Name) })
	const long = "THIS.IS.A.PARTICULARLY.LONG"
	cut := long[:20]
	all = append(all,
		Specimen{Name: "prompt cut in configuration mode", Serve: plain("\r\n", long+"#", map[string]reply{
			"show version":       {text: crlf(versionText)},
			"configure terminal": {text: "Enter configuration commands, one per line.  End with CNTL/Z.\r\n", prompt: cut + "(config)#"},
			"interface Gi0/1":    {prompt: cut + "(config-if)#"}, "end": {prompt: long + "#"},
		}), Runs: []Exchange{
			{"show version", versionText},
			{"configure terminal", "Enter configuration commands, one per line.  End with CNTL/Z.\n"},
			{"interface Gi0/1", ""}, {"description x", ""}, {"end", ""}, {"show version", versionText},
		}},
		Specimen{Name: "prompt of two lines, sros", Serve: plain("", "\r\n[/]\r\nA:admin@router# ", map[string]reply{
			"show time":           {text: "Current Date and Time : 2024/01/01\r\n"},
			"show json":           {text: "{\r\n  \"a\": 1\r\n}\r\n"},
			"configure exclusive": {text: "INFO: CLI #2060: Entering exclusive configuration mode\r\n", prompt: "\r\n(ex)[/]\r\nA:admin@router# "},
			"router":              {prompt: "\r\n(ex)[/configure router \"Base\"]\r\nA:admin@router# "},
		}), Runs: []Exchange{
			{"show json", "{\n  \"a\": 1\n}\n"}, {"show time", "Current Date and Time : 2024/01/01\n"},
			{"configure exclusive", "INFO: CLI #2060: Entering exclusive configuration mode\n"}, {"router", ""},
			{"show time", "Current Date and Time : 2024/01/01\n"},
		}},
		Specimen{Name: "prompt of two lines, junos", Serve: plain("--- JUNOS 14.1X53-D40.8 built 2016-11-09 02:13:24 UTC", "\r\n{master:0}\r\nuser@qfx1> ", map[string]reply{
			"show version": {text: "Hostname: qfx1\r\nModel: qfx5100-48s-6q\r\n"},
			"configure":    {text: "Entering configuration mode\r\n", prompt: "\r\n{master:0}[edit]\r\nuser@qfx1# "},
			"edit system":  {prompt: "\r\n{master:0}[edit system]\r\nuser@qfx1# "},
		}), Runs: []Exchange{
			{"show version", "Hostname: qfx1\nModel: qfx5100-48s-6q\n"}, {"configure", "Entering configuration mode\n"},
			{"edit system", ""}, {"show version", "Hostname: qfx1\nModel: qfx5100-48s-6q\n"},
		}},
		Specimen{Name: "prompt that gets a second line", Serve: plain("", "user@mx1> ", map[string]reply{
			"show version": {text: "Hostname: mx1\r\n"},
			"configure":    {text: "Entering configuration mode\r\n", prompt: "\r\n[edit]\r\nuser@mx1# "},
			"exit now":     {text: "Exiting configuration mode\r\n", prompt: "user@mx1> "},
		}), Runs: []Exchange{
			{"show version", "Hostname: mx1\n"}, {"configure", "Entering configuration mode\n"}, {"show version", "Hostname: mx1\n"},
			{"exit now", "Exiting configuration mode\n"}, {"show version", "Hostname: mx1\n"},
		}},
		Specimen{Name: "prompt in brackets in configuration mode", Serve: plain("\r\n", "<HUAWEI>", map[string]reply{
			"show version": {text: crlf(versionText)}, "system-view": {text: "Enter system view, return user view with Ctrl+Z.\r\n", prompt: "[HUAWEI]"},
			"interface Vlanif1": {prompt: "[*HUAWEI-Vlanif1]"}, "return": {prompt: "<HUAWEI>"},
		}), Runs: []Exchange{
			{"system-view", "Enter system view, return user view with Ctrl+Z.\n"}, {"interface Vlanif1", ""}, {"show version", versionText}, {"return", ""}, {"show version", versionText},
		}},
		Specimen{Name: "prompt with a new name", Serve: plain("\r\n", "r1#", map[string]reply{
			"show version": {text: crlf(versionText)}, "configure terminal": {prompt: "r1(config)#"},
			"hostname edge-7": {prompt: "edge-7(config)#"}, "end": {prompt: "edge-7#"},
		}), Runs: []Exchange{{"configure terminal", ""}, {"hostname edge-7", ""}, {"end", ""}, {"show version", versionText}}},
		Specimen{Name: "prompt that counts", Serve: counting, Runs: usualRuns},
		Specimen{Name: "prompt after enable", Serve: plain("\r\n", "sw1>", map[string]reply{
			"show clock": {text: crlf(clockText)}, "enable": {prompt: "sw1#"}, "disable": {prompt: "sw1>"},
		}), Runs: []Exchange{{"enable", ""}, {"show clock", clockText}, {"disable", ""}, {"show clock", clockText}}},
		Specimen{Name: "prompt behind output without a line feed", Serve: plain("", "admin@box:~$ ", map[string]reply{
			"printf x": {text: "no line feed"}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"printf x", "no line feed"}, {"show clock", clockText}}},
		Specimen{Name: "prompt of a directory", Serve: plain("", "admin@box:~$ ", map[string]reply{
			"cd /tmp": {prompt: "admin@box:/tmp$ "}, "show clock": {text: crlf(clockText)},
		}), Runs: []Exchange{{"cd /tmp", ""}, {"show clock", clockText}}},
	)
	return all
}

// counting is EXOS: the prompt has the command's number, and a star when there is something to save.
func counting(t *TTY) {
	t.Print("\r\n")
	for number := 3; ; number++ {
		t.Print(fmt.Sprintf("* X440G2-24t.%d # ", number))
		command := t.Line()
		if t.Ended() {
			return
		}
		t.Print(usual[command].text)
	}
}

// after prints a text, waits, and prints another one.
func after(first string, wait time.Duration, rest ...string) func(*TTY) {
	return func(t *TTY) {
		t.Print(first)
		for _, text := range rest {
			time.Sleep(wait)
			t.Print(text)
		}
	}
}
