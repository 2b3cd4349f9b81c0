package device

// Output is the result of one command.
type Output struct {
	Command string `json:"command"`
	// Output is all that the command printed. Bytes that aren't UTF-8 are replaced.
	Output string `json:"output"`
	// ExitStatus is left out where the device gave none, as most network operating systems do.
	ExitStatus *int `json:"exit_status,omitempty"`
	// Config is set for what was typed in configuration mode, and to enter and leave it.
	Config bool `json:"config,omitempty"`
	// Truncated reports whether there was more output than is kept.
	Truncated bool `json:"truncated,omitempty"`
}
