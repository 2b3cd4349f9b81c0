package devicetest

import (
	"cmp"
	"io"
	"strings"
)

// page is how many lines the device writes before it waits.
const page = 24

// shell is the device's command line, or that of the options' specimen.
func (d *Device) shell(channel io.ReadWriter) {
	t := NewTTY(channel, channel, d.options.Pace)
	if d.options.Terminal != nil {
		d.options.Terminal(t)
		return
	}
	usual := cmp.Or(d.options.CommandPrompt, d.options.Name+"#")
	prompt := usual
	t.Lines("\n*** " + d.options.Name + " ***\nAuthorised access only # really\n\n")
	for {
		t.Print(prompt)
		switch command := t.Line(); {
		case t.Ended(), command == "exit":
			return
		case command == "":
		case command == "configure":
			prompt = cmp.Or(d.options.ConfigurePrompt, d.options.Name+"(config)#")
		case command == "end":
			prompt = usual
		default:
			output, _ := d.do(command)
			t.pages(output, page)
		}
	}
}

// pages writes an output, and waits after each page of rows lines.
func (t *TTY) pages(output string, rows int) {
	for i, line := range strings.SplitAfter(output, "\n") {
		if i > 0 && i%rows == 0 && line != "" {
			t.Print(" --More-- ")
			if t.Key(); t.Ended() {
				return
			}
			t.Print("\r          \r")
		}
		t.Lines(line)
	}
}
