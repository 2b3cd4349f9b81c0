package host

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options select a provider and how it is started. Only Name is required: the zero value of every other field is the
// default that its comment documents. A negative duration switches the limit off.
type Options struct {
	// Name is the provider's name, [a-z][a-z0-9_]*, as in the setting credential_plugin.
	Name string
	// Path is the executable; a relative path starts from the working directory. Default: the first of Dirs that has it.
	Path string
	// Dirs are searched for tom-credential-<Name>, in order. Default: [DefaultDirs].
	Dirs []string
	// SHA256 is the executable's digest in hexadecimal, or a line of sha256sum that starts with it. If it is set, the file
	// is copied into a private directory while it is hashed, and the copy is executed. Default: the digest isn't checked.
	SHA256 string

	// PassEnv are the names of environment variables, or patterns with a * at the end, that the provider gets besides
	// a fixed base set. Default: those that start with the first word of Name, for example AWS_* for aws_secrets_manager,
	// but never the settings of a worker, TOM_WORKER_*.
	// An empty slice that isn't nil passes none.
	PassEnv []string
	// Environ is where variables are taken from, as "NAME=value". Default: os.Environ.
	Environ []string

	// Attach is for a provider's author, and unsafe. It is the path of the file that a provider in debug mode writes
	// (see shared/provider). That provider is used instead of starting one: its file isn't checked, its environment isn't
	// filtered, there are no health checks and no restarts, and it outlives the host. Path, Dirs, SHA256, PassEnv and
	// Environ mean nothing then. A host lets only its command line set this, never a file or an environment variable.
	Attach string

	// Settings are the provider's settings by name, without prefix.
	Settings Settings
	// ProjectRoot is the directory that relative paths in the settings start from: the value of the setting project_root,
	// for a provider that has such a setting and no value for it in Settings. Default: none is passed.
	ProjectRoot string

	// StartTimeout bounds a start: process, handshake, GetMetadata and Configure together. Default: 10 s; with Attach, 24 h.
	StartTimeout time.Duration
	// CallTimeout bounds a call with all its attempts, where the context has no nearer deadline. Default: 15 s; with
	// Attach, 24 h.
	CallTimeout time.Duration

	// Logger gets the provider's log lines, under the provider's name, and the host's own. Its level is the provider's too.
	// Default: nothing is logged.
	Logger hclog.Logger
}

// Settings are a provider's settings by name, without prefix.
type Settings map[string]Setting

// Setting is the value of one setting and where it was found.
type Setting struct {
	// Value is a string, bool, integer, float, or a slice of them, as a configuration file gives it.
	Value any
	// Text reports that Value is a string because its source has no types, as with an environment variable or an env file.
	// It is turned into the schema's type: numbers and booleans from their JSON text, lists from JSON or from commas.
	Text bool
	// Origin is where the value was found, for error messages: "tom_worker_config.yaml:7", "environment variable X".
	Origin string
}

// Defaults of [Options].
const (
	DefaultStartTimeout = 10 * time.Second
	DefaultCallTimeout  = 15 * time.Second

	// attachedTimeout is the default of both for an attached provider: a breakpoint may stop it for hours. It is also
	// the bound of a start whose own limit is off.
	attachedTimeout = 24 * time.Hour
)

// withDefaults resolves every zero value.
func (o Options) withDefaults() Options {
	if len(o.Dirs) == 0 {
		o.Dirs = DefaultDirs()
	}
	start, call := DefaultStartTimeout, DefaultCallTimeout
	if o.Attach != "" {
		start, call = attachedTimeout, attachedTimeout
	}
	o.StartTimeout = limit(o.StartTimeout, start)
	o.CallTimeout = limit(o.CallTimeout, call)
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return o
}

// limit resolves one duration: 0 is the default, and a negative one is as good as none.
func limit(set, byDefault time.Duration) time.Duration {
	switch {
	case set == 0:
		return byDefault
	case set < 0:
		return attachedTimeout
	}
	return set
}
