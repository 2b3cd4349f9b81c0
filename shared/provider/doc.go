// Package provider is what the author of a credential provider imports. The whole program is one call:
//
//	type settings struct {
//		Path string `json:"path,omitempty" jsonschema:"The file to read."`
//	}
//
//	func main() {
//		provider.Main(provider.Definition[settings, *reader]{
//			Name:        "file",
//			Version:     "1.0.0",
//			Description: "reads credentials from a file",
//			Defaults:    settings{Path: "credentials.txt"},
//			New: func(s settings, log hclog.Logger) (*reader, error) {
//				return &reader{path: s.Path}, nil
//			},
//		})
//	}
//
// where *reader has a Get method ([Provider]), and perhaps List ([Lister]), GetBatch ([BatchGetter]) and Validate
// ([Validator]): the host is told what it can do by the methods that it has, and by [Definition.Versions].
//
// README.md in this directory goes from an empty directory to a provider that passes the conformance checks; directory scaffold is a
// provider to copy.
//
// Main serves the contract (credential_provider.proto) over gRPC as a HashiCorp go-plugin plugin with mutual TLS. It
// derives the settings schema from the settings struct, checks settings against it, checks requests before they reach the
// provider and answers before they reach the host, turns panics into INTERNAL errors, ends when the host ends, and
// explains itself to a user who runs the program by hand. It leaves to the provider what only the provider knows.
//
// Nothing may be printed to standard output: it belongs to the handshake. Log with the logger that New is given. Errors
// are [*credential.Error] values with a reason; any other error reaches the host as INTERNAL, without its text, since
// what that quotes is unknown.
//
// # What version 1 promises
//
// Exported names and the meaning of zero values stay. Optional interfaces, and fields of [Definition] whose zero value
// changes nothing, may be added. A provider built with any version 1 works with every host of contract version 1. The
// struct tags that describe settings keep their meaning. Log lines, messages and the form of --debug may change.
//
// # Debugging
//
// To stop a provider in a debugger, run it yourself, in debug mode, and let a host attach to it:
//
//	dlv debug . -- --debug                          # or from an IDE, with the argument --debug
//	host-example get lab_creds --unsafe-attach FILE # in another terminal; FILE is what the provider printed
//
// A breakpoint may hold it for as long as you like: a host that is attached makes no health checks, waits for a day, and
// neither starts nor ends the process. What the provider logs and prints is at its own terminal, as text, at level debug
// unless TOM_CREDENTIAL_LOG_LEVEL says otherwise. Ctrl-C ends it.
//
// To each host that attaches, the provider is one that was launched for it: New is called with that host's settings when it
// calls Configure, and Close when it has gone. So nothing has to be restarted between two tries, several hosts may be
// attached at once, and what New made for one is not shared with another. When the provider is started again, FILE stays
// the same for the same user and provider name; a host that runs on (host-example run) attaches again on SIGHUP.
//
// Debug mode is unsafe, which is why nothing but the flag --debug of the provider together with the flag of the host starts
// it, and why both warn. FILE and the socket are in a directory that only this user can read, below XDG_RUNTIME_DIR or the
// temporary directory, but a process that does read FILE gets credentials from the provider; core dumps and debuggers are allowed; and
// the host checks neither the executable nor its environment. Use a backend with values made up for the purpose. A provider
// that a host has launched refuses --debug, and no host can attach to it.
package provider
