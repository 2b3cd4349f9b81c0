package host

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options say which provider to launch, and how. The zero value of each field is resolved in [Start] and documented here.
type Options struct {
	// Name is the provider's name, [a-z][a-z0-9_]*, as in credential_plugin. Required.
	Name string
	// Path is the executable. Empty: it is looked for in Dirs. It may be relative, to the working folder.
	Path string
	// Dirs are searched for tom-credential-<Name>, in order. Empty: [DefaultDirs].
	Dirs []string
	// SHA256 is the executable's digest in hexadecimal, or a line of sha256sum that begins with it. If it is set, the file
	// is copied into a private folder while it is hashed, and the copy is executed, so that what runs is what was checked.
	SHA256 string

	// PassEnv are the names of environment variables, or patterns with a * at the end, that the provider gets besides
	// a fixed base set. nil: those that begin with the first word of Name, for example AWS_* for aws_secrets_manager.
	PassEnv []string
	// Environ is where variables are taken from, as "NAME=value". nil: os.Environ.
	Environ []string

	// Attach is for a provider's author, and unsafe. It is the path of the file that a provider in debug mode writes
	// (see shared/provider), which is then used instead of launching one: no check of its file, no filtered environment,
	// no health checks, no restarts, and it outlives the host. Path, Dirs, SHA256, PassEnv and Environ mean nothing then.
	// A host lets only its command line set this, never a file or an environment variable.
	Attach string

	// Settings are the provider's settings by name, without prefix.
	Settings Settings

	// StartTimeout bounds the launch up to the handshake, GetMetadata and Configure. 0: 10 s; with Attach, 24 h.
	StartTimeout time.Duration
	// CallTimeout bounds a call whose context has no nearer deadline. 0: 15 s; with Attach, 24 h.
	CallTimeout time.Duration

	// Logger gets the provider's log lines, under the provider's name, and the host's own. nil: none are kept. Its
	// level is the provider's too.
	Logger hclog.Logger
}

// Settings are a provider's settings by name, without prefix.
type Settings map[string]Setting

// Setting is the value of one setting, as it was found.
type Setting struct {
	// Value is a string, bool, integer, float, or a slice of them, as a configuration file gives it.
	Value any
	// Text says that Value is a string for want of types, from an environment variable or a .env file. It is turned
	// into the schema's type: numbers and booleans from their JSON text, lists from JSON or from commas.
	Text bool
	// Origin says where it was found, for error messages: "tom_worker_config.yaml:7", "environment variable X".
	Origin string
	// Offered says that it is the host's own, for any provider that has a setting of this name: one that hasn't doesn't
	// get it.
	Offered bool
}
