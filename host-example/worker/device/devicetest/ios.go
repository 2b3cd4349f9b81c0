package devicetest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// IOS is a device that behaves like Cisco's IOS: two levels of privileges, configuration mode, a pager that can be turned
// off, and commands that it rejects or asks about. Its Serve is for [Options.Terminal].
type IOS struct {
	// Name is in the prompt.
	Name string
	// Enable is the password for privileges; empty: the login has them.
	Enable string
	// Rows is how many lines a page has. 0: 24.
	Rows int

	mu      sync.Mutex
	config  []string
	secrets []string
}

// Config returns the lines that the device has taken in configuration mode.
func (d *IOS) Config() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.config)
}

// Secrets returns what was typed where it asked for a password.
func (d *IOS) Secrets() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.secrets)
}

// Serve is one session.
func (d *IOS) Serve(t *TTY) {
	level, mode, paging := ">", "", true
	if d.Enable == "" {
		level = "#"
	}
	t.Lines("\nUser Access Verification\n\n")
	for {
		t.Print(d.Name + mode + level)
		command := t.Line()
		switch {
		case t.Ended(), command == "exit" && mode == "":
			return
		case command == "":
		case command == "end" && mode != "":
			mode = ""
		case mode != "":
			mode = d.configure(t, command, mode)
		case command == "enable":
			if d.enable(t) {
				level = "#"
			}
		case command == "configure terminal" && level == "#":
			t.Lines("Enter configuration commands, one per line.  End with CNTL/Z.\n")
			mode = "(config)"
		case command == "terminal length 0":
			paging = false
		case strings.HasPrefix(command, "terminal "):
		case command == "show version":
			t.Lines(versionText)
		case command == "show interfaces description":
			d.show(t, d.interfaces(), paging)
		case command == "show running-config" && level == "#":
			d.show(t, configuration(60)+strings.Join(d.Config(), "\n")+"\nend\n", paging)
		case command == "write erase" && level == "#":
			t.Print("Erasing the nvram filesystem will remove all configuration files! Continue? [confirm]")
			if b := t.Key(); b == 'y' || b == '\r' {
				t.Lines("\n[OK]\nErase of nvram: complete\n")
			} else {
				t.Lines("\n")
			}
		default:
			t.Lines("            ^\n% Invalid input detected at '^' marker.\n\n")
		}
	}
}

// enable asks for the password, three times at most.
func (d *IOS) enable(t *TTY) bool {
	defer func(silent bool) { t.Silent = silent }(t.Silent)
	t.Silent = true
	for range 3 {
		t.Print("Password: ")
		typed := t.Line()
		if t.Ended() {
			return false
		}
		d.mu.Lock()
		d.secrets = append(d.secrets, typed)
		d.mu.Unlock()
		if typed == d.Enable {
			return true
		}
	}
	t.Lines("% Bad secrets\n\n")
	return false
}

// configure takes a line of configuration and returns the mode after it.
func (d *IOS) configure(t *TTY, line, mode string) string {
	word, _, _ := strings.Cut(line, " ")
	if !slices.Contains([]string{"interface", "description", "shutdown", "no", "hostname", "ntp"}, word) {
		t.Lines("              ^\n% Invalid input detected at '^' marker.\n\n")
		return mode
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config = append(d.config, line)
	if word == "interface" {
		return "(config-if)"
	}
	return mode
}

// show writes lines, with a pager.
func (d *IOS) show(t *TTY, lines string, paging bool) {
	if paging {
		t.pages(lines, cmp.Or(d.Rows, page))
		return
	}
	t.Lines(lines)
}

// interfaces is a table of four, with the descriptions that were configured.
func (d *IOS) interfaces() string {
	table, current := "Interface  Status  Protocol Description\n", ""
	descriptions := map[string]string{}
	for _, line := range d.Config() {
		if name, ok := strings.CutPrefix(line, "interface "); ok {
			current = name
		}
		if text, ok := strings.CutPrefix(line, "description "); ok {
			descriptions[current] = text
		}
	}
	for _, name := range []string{"Gi0/1", "Gi0/2", "Gi0/3", "Gi0/4"} {
		table += strings.TrimRight(name+"      up      up       "+descriptions[name], " ") + "\n"
	}
	return table
}
