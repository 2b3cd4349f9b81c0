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
//				Credentials: map[string]conformance.Credential{"lab": {Username: "admin", Password: new("canary-4711")}},
//				Missing:     []string{"absent"},
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
// What version 1 promises: the id of a check keeps its meaning and is never used again, and each MUST rests on a sentence of the
// contract. Fields of [Options], [Fixtures], [Report] and of their files in YAML, JSON and JUnit are added and neither removed nor
// given another meaning; the zero value of an option is its default. Checks are added, and find more than they did: a provider
// that has passed may fail with a later version, for what the contract said before. The text of titles, details and warnings may
// change. [Run] and [Examine] may be called concurrently, on Linux at the cost of orphans that can't be told apart.
//
// The kit speaks to the provider as a host does, with its own processes, sockets and gRPC, because package shared/host
// protects its callers from the very defects that are looked for here. It decides by status codes and reasons, never by
// messages, and prints none of them: they might hold a secret.
package conformance
