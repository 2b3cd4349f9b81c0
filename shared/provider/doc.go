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
// where *reader has a Get method ([Provider]), and perhaps List ([Lister]), GetBatch ([BatchGetter]), Validate
// ([Validator]) and ReadsVersions ([Versioner]): what it can do is what the host is told that it can do.
//
// README.md in this folder goes from an empty folder to a provider that passes the conformance checks; folder scaffold is a
// provider to copy.
//
// Main serves the contract (credential_provider.proto) over gRPC as a HashiCorp go-plugin plugin with mutual TLS. It
// derives the settings schema from the settings struct, checks settings against it, checks requests before they reach the
// provider and answers before they reach the host, turns panics into INTERNAL errors, ends when the host ends, and
// explains itself to a person who runs the program by hand. It leaves to the provider what only the provider knows.
//
// Nothing may be printed to standard output: it belongs to the handshake. Log with the logger that New is given. Errors
// are [*credential.Error] values with a reason; any other error reaches the host as INTERNAL, without its text, since
// nobody knows what that quotes.
package provider
