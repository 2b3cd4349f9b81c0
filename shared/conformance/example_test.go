package conformance_test

import (
	"fmt"
	"testing"

	"github.com/tom-worker/credential-provider/shared/conformance"
)

// The body of a test as a provider's author would write it.
func ExampleRun() {
	testConformance := func(t *testing.T) {
		conformance.Run(t, conformance.Options{
			Plugin:   "bin/tom-credential-file",
			Settings: map[string]any{"path": "testdata/credentials.txt"},
			Fixtures: conformance.Fixtures{
				Credentials: map[string]conformance.Credential{"lab": {Username: "admin", Password: new("canary-4711")}},
				Missing:     []string{"absent"},
			},
		})
	}
	_ = testConformance // in a test file it is func TestConformance(t *testing.T)
}

// Fixtures are mostly kept in a file.
func ExampleParseFixtures() {
	fixtures, err := conformance.ParseFixtures([]byte(`
credentials:
  lab: {username: admin, password: canary-4711}
missing: [absent]
`))
	fmt.Println(fixtures.Credentials["lab"].Username, fixtures.Missing, err)
	// Output: admin [absent] <nil>
}
