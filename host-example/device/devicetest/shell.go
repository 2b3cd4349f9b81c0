package devicetest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
)

// page is how many lines the device writes before it waits.
const page = 24

// shell is the device's command line: it echoes what is typed, and waits after each page.
func (d *Device) shell(terminal io.ReadWriter) {
	in := bufio.NewReader(terminal)
	usual := cmp.Or(d.options.CommandPrompt, d.options.Name+"#")
	prompt := usual
	write := func(text string) { _, _ = io.WriteString(terminal, strings.ReplaceAll(text, "\n", "\r\n")) }
	write("\n*** " + d.options.Name + " ***\nAuthorised access only # really\n\n")
	for {
		write(prompt)
		command, err := in.ReadString('\n')
		if err != nil {
			return
		}
		command = strings.TrimSpace(command)
		write(command + "\n")
		switch command {
		case "":
			continue
		case "exit":
			return
		case "configure":
			prompt = cmp.Or(d.options.ConfigurePrompt, d.options.Name+"(config)#")
			continue
		case "end":
			prompt = usual
			continue
		}
		output, _ := d.do(command)
		lines := strings.SplitAfter(output, "\n")
		for i, line := range lines {
			if i > 0 && i%page == 0 && line != "" {
				write(" --More-- ")
				if _, err := in.ReadByte(); err != nil {
					return
				}
				_, _ = fmt.Fprint(terminal, "\r          \r")
			}
			write(line)
		}
	}
}
