// Package conformance checks that a provider's executable keeps the contract, whatever language it is written in. It is the
// answer to "is my provider right?" before a worker ever launches it.
//
// A check has an id that doesn't change (CP-GET-003), a level (MUST or SHOULD) and a reason that cites the contract; [Checks]
// lists them. From a test in Go:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Options{
//			Plugin:   "bin/tom-credential-file",
//			Settings: map[string]any{"path": path},
//			Fixtures: conformance.Fixtures{
//				Credentials: map[string]conformance.Credential{"lab": {Username: "admin", Password: conformance.Text("canary-4711")}},
//				Missing:     []string{"nobody"},
//			},
//		})
//	}
//
// For a program in any language, and with the same table behind it:
//
//	host-example conformance --plugin bin/tom-credential-file --settings settings.yaml --fixtures fixtures.yaml
//
// The fixtures say which credentials the backend has and which it doesn't ([Fixtures]); their values should be made up for
// the purpose, since the checks look for them in every log line and every error. What the fixtures don't say can't be
// checked: such checks are skipped, with the name of what is missing.
//
// The kit speaks to the provider as a host does, with processes, sockets and gRPC of its own, because package shared/host
// protects its callers from the very defects that are looked for here. It decides by status codes and reasons, never by
// messages, and prints none of them: they might hold a secret.
package conformance
