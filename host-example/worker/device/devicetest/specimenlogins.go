package devicetest

import (
	"strings"
	"time"
)

// loginSpecimens are devices that print much before the prompt, or ask something there.
func loginSpecimens() []Specimen {
	all := []Specimen{
		{Name: "banner with a pause behind a mark", Serve: func(t *TTY) {
			t.Print("\r\n##########################\r\n#  authorised users only #\r\n#")
			time.Sleep(400 * time.Millisecond)
			t.Print("#########################\r\n")
			time.Sleep(300 * time.Millisecond)
			plain("\r\n", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "banner with what looks like a prompt", Serve: func(t *TTY) {
			t.Print("Welcome\r\nguest>")
			time.Sleep(300 * time.Millisecond)
			t.Print(" accounts are closed\r\n45%")
			time.Sleep(300 * time.Millisecond)
			t.Print(" of the disk is used\r\n")
			plain("", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "banner that is slow", Serve: func(t *TTY) {
			for range 6 {
				t.Print("***")
				time.Sleep(700 * time.Millisecond)
				t.Print("***\r\n")
			}
			plain("", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "banner with the prompt in it", Serve: func(t *TTY) {
			t.Print("Type\r\nr1#")
			time.Sleep(300 * time.Millisecond)
			t.Print(" show help\r\n")
			plain("", "r1#", usual)(t)
		}, Runs: usualRuns},
		{Name: "banner with a cow", Serve: plain("Last login: Fri Dec  6 09:52:54 2024 from 10.0.0.1\r\n _____\r\n< moo >\r\n -----\r\n        \\   ^__^\r\n         \\  (oo)\\_______\r\n            (__)\\       )\\/\\\r\n",
			"\x1b[?2004h\x1b]0;cumulus@leaf1: ~\x07cumulus@leaf1:mgmt:~$ ", map[string]reply{"nv show system": {text: "\x1b[?2004l\r               operational\r\n-------------  -----------\r\nhostname       leaf1\r\n"}}),
			Runs: []Exchange{{"nv show system", "               operational\n-------------  -----------\nhostname       leaf1\n"}}},
		{Name: "prompt after Enter only", Serve: func(t *TTY) {
			t.Print("\r\nr1 con0 is now available\r\n\r\nPress RETURN to get started.")
			for b := t.Key(); b != '\r' && !t.Ended(); b = t.Key() {
			}
			plain("\r\n\r\n", "r1>", usual)(t)
		}, Runs: usualRuns},
		{Name: "nothing before Enter", Serve: func(t *TTY) {
			for b := t.Key(); b != '\r' && !t.Ended(); b = t.Key() {
			}
			plain("\r\n", "r1>", usual)(t)
		}, Runs: usualRuns},
		{Name: "pager in the banner", Serve: func(t *TTY) {
			t.Lines(configuration(20))
			t.Print("--More--")
			for t.Key() != ' ' && !t.Ended() {
			}
			t.Print("\r        \r")
			plain("\r\n", "r1>", usual)(t)
		}, Runs: usualRuns},
	}
	for _, q := range []struct{ name, text, asks, send, keys, prompt string }{
		{"disclaimer", "POST LOGIN BANNER\r\n#################\r\nwarning this is private #\r\n#################\r\n\r\n(Press 'a' to accept):", "Press 'a' to accept", "a", "a", "FGT-60F # "},
		{"initial password", "\r\nWarning: The initial password poses security risks.\r\nThe password needs to be changed. Change now? [Y/N]:", "Change now", "N", "nN", "<JG05-SA-01-CE8850>"},
		{"licence", "\r\nDo you want to see the software license? [Y/n]: ", "license", "n", "nN", "[admin@MikroTik] > "},
		{"expired", "WARNING: Your password has expired.\r\nYou must change your password now and login again!\r\nChanging password for admin.\r\nCurrent password: ", "Current password", "", "", "$ "},
		{"terms", "Do you accept the terms (yes/no)? ", "accept the terms", "yes\n", "\r", "gw> "},
		{"kind of terminal", "\r\nTerminal type? [vt100] ", "Terminal type", "\n", "\r", "unix% "},
		{"second login", "\r\n(Cisco Controller) \r\nUser: ", "User:", "", "", "(Cisco Controller) >"},
		{"word", "\r\nThis system is monitored.\r\nEnter 'ok' to continue: ", "Enter 'ok'", "ok\n", "\r", "sw> "},
		{"choice", "\r\n1) CLI\r\n2) Shell\r\nEnter choice> ", "Enter choice", "1\n", "\r", "sw> "},
		{"token", "\r\nTOKEN> ", "TOKEN", "", "", "sw> "},
		{"letter", "\r\nPress 'y' to accept the terms, 'n' to leave", "Press 'y'", "y", "y", "sw> "},
		{"menu", "\r\n 1. CLI\r\n 2. Shell\r\n\r\nPlease enter your choice: ", "choice", "1\n", "\r", "sw> "},
	} {
		all = append(all, Specimen{Name: "login asks: " + q.name, Asks: q.asks, Send: q.send, Runs: usualRuns, Serve: func(t *TTY) {
			t.Print(q.text)
			for {
				b := t.Key()
				if t.Ended() {
					return
				}
				if strings.IndexByte(q.keys, b) >= 0 {
					break
				}
			}
			plain("\r\n", q.prompt, usual)(t)
		}})
	}
	return all
}

// outputSpecimens print what could be taken for something else.
func outputSpecimens() []Specimen {
	of := func(name, prompt string, do func(*TTY), output string) Specimen {
		return Specimen{
			Name: name, Serve: plain("\r\n", prompt, map[string]reply{"show it": {do: do}, "show clock": {text: crlf(clockText)}}),
			Runs: []Exchange{{"show it", output}, {"show clock", clockText}, {"show it", output}, {"show clock", clockText}},
		}
	}
	progress := func(text string) func(*TTY) {
		return func(t *TTY) {
			for _, share := range []string{"10", "45", "80"} {
				t.Print("\r" + text + share + "%")
				time.Sleep(400 * time.Millisecond)
			}
			t.Print("\r\ndone\r\n")
		}
	}
	return []Specimen{
		of("output with a pager's words", "r1#", func(t *TTY) {
			t.Print("banner login ^\r\n")
			time.Sleep(20 * time.Millisecond)
			t.Print("--More--")
			time.Sleep(50 * time.Millisecond)
			t.Print("\r\n^\r\nend\r\n")
		}, "banner login ^\n--More--\n^\nend\n"),
		of("output with a pager's words and a pause", "r1#", after("banner ^\r\n--More--", pause, "\r\n^\r\nPress any key to continue", "\r\nend\r\n"), "banner ^\n--More--\n^\nPress any key to continue\nend\n"),
		of("output of the words more and continue", "r1#", after("there is more", pause, " to continue\r\nquit\r\n"), "there is more to continue\nquit\n"),
		of("progress of vrp", "<HUAWEI>", progress("Info: copying 1234 KB "), "Info: copying 1234 KB 80%\ndone\n"),
		of("progress of ios", "sw1#", progress("Copying 1234 KB "), "Copying 1234 KB 80%\ndone\n"),
		of("progress where prompts end so", "core%", progress("copied "), "copied 80%\ndone\n"),
		of("output that pauses in lines", "r1#", func(t *TTY) {
			for range 5 {
				t.Print("router sub x ")
				time.Sleep(pause)
				t.Print("y\r\n")
			}
		}, strings.Repeat("router sub x y\n", 5)),
		of("output that looks like a prompt", "r1#", after("guest>", pause, " no\r\nsw9#", "\r\nr2>", "\r\n"), "guest> no\nsw9#\nr2>\n"),
		of("output of marks", "r1#", after("######", pause, "######\r\n!!!!!", "!!!!!\r\n>", "\r\n"), "############\n!!!!!!!!!!\n>\n"),
		of("output with the prompt and a command", "r1#", after("history\r\nr1# show version\r\nr1#show clock\r\n", pause, "end\r\n"), "history\nr1# show version\nr1#show clock\nend\n"),
		of("output of nothing", "r1#", after("", pause), ""),
		of("output late", "r1#", after("", 3*time.Second, "late\r\n"), "late\n"),
		of("output of empty lines", "r1#", after("\r\n\r\n", pause, "\r\n"), "\n\n\n"),
		of("output with blanks at the end", "r1#", after("a  \r\n  b \r\n", pause), "a  \n  b \n"),
		of("output with tabs", "r1#", after("a\tb\r\n\tc\r\n", pause), "a\tb\n\tc\n"),
		of("output with CR CR LF", "r1#", after("a\r\r\nb\r\r\n", pause), "a\nb\n"),
		of("output with line feeds alone", "r1#", after("a\nb\n", pause), "a\nb\n"),
		of("output in other scripts", "r1#", after("Zürich → 東京 ✓\r\n", pause), "Zürich → 東京 ✓\n"),
		of("output that rings", "r1#", after("a\x07b\x00c\r\n", pause), "abc\n"),
		of("output in colours", "r1#", after("\x1b[1;31mdown\x1b[0m \x1b[38;5;2mup\x1b[m\r\n", pause), "down up\n"),
		of("output with a title", "r1#", after("\x1b]0;a title\x1b\\\x1b]2;b\x07x\r\n", pause), "x\n"),
		of("output of a long line", "r1#", after(strings.Repeat("0123456789", 120)+"\r\n", pause, "end\r\n"), strings.Repeat("0123456789", 120)+"\nend\n"),
		of("output that counts down", "r1#", func(t *TTY) {
			for _, n := range []string{"3", "2", "1"} {
				t.Print("rebooting in " + n + " s")
				time.Sleep(pause)
				t.Print(strings.Repeat("\b", 16) + strings.Repeat(" ", 16) + strings.Repeat("\b", 16))
			}
			t.Print("cancelled\r\n")
		}, "cancelled\n"),
		of("a question that wants a word", "r1#", after("This reloads the system. Enter yes to continue:", 2*time.Second, "\r\nnot done\r\n"), "This reloads the system. Enter yes to continue:\nnot done\n"),
		of("a question that wants a letter", "r1#", after("Press 'y' to continue, 'n' to abort", 2*time.Second, "\r\nnot done\r\n"), "Press 'y' to continue, 'n' to abort\nnot done\n"),
		of("a question with a default", "r1#", after("Are you sure [no]: ", 2*time.Second, "\r\nnot done\r\n"), "Are you sure [no]: \nnot done\n"),
		of("a question that answers itself", "r1#", after("Continue? [y/n]", 2*time.Second, "n\r\nnot done\r\n"), "Continue? [y/n]n\nnot done\n"),
		{Name: "messages below the prompt", Serve: monitored, Runs: []Exchange{
			{"end", "*Mar  1 00:10:01.123: %SYS-5-CONFIG_I: Configured from console by admin on vty0 (10.0.0.1)\n"}, {"show clock", clockText},
		}},
	}
}

// monitored prints a message when it has shown its prompt.
func monitored(t *TTY) {
	plain("\r\n", "r1#", map[string]reply{
		"show clock": {text: crlf(clockText)},
		"end": {do: func(t *TTY) {
			t.Print("r1#")
			time.Sleep(5 * time.Millisecond)
			t.Print("\r\n*Mar  1 00:10:01.123: %SYS-5-CONFIG_I: Configured from console by admin on vty0 (10.0.0.1)\r\n")
			for b := t.Key(); b != '\r' && !t.Ended(); b = t.Key() {
			}
			t.Print("\r\n")
		}},
	})(t)
}
