package store

import (
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// TestReasonsInTheContractsReadme holds the table of proto/README.md to what the store makes of each reason. That no reason
// is missing there is for the contract's own tests.
func TestReasonsInTheContractsReadme(t *testing.T) {
	words := map[class]string{unsettled: "keeps", definite: "drops", outage: "stale"}
	for _, row := range markdowntest.Read(t, "../../proto/README.md").Section("### Reasons").Table("Reason") {
		reason := credential.Reason(markdowntest.Code(row[0])[0])
		if !reason.FromProvider() {
			t.Errorf("%s is no reason of a provider", reason)
		}
		if name := reason.Code(); row[1] != "`"+name+"`" {
			t.Errorf("%s has code %s; proto/README.md says %s", reason, name, row[1])
		}
		if word := words[classOf(reason)]; row[2] != word {
			t.Errorf("%s: the store %s; proto/README.md says %s", reason, word, row[2])
		}
	}
}
