package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// What the help says of the JSON document is what the document has.
func TestValidationsDocument(t *testing.T) {
	problems := []config.Problem{{}}
	v := &validation{problems: problems, warnings: problems, others: problems, effect: []setting{{}}, checks: []credential.Check{{}}, expire: time.Now()}
	text, err := json.Marshal(v.document(credential.Errorf(credential.Internal, "made up")))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	_, help, found := strings.Cut(new(cli).validateCommand().Long, "With --output json")
	if help, _, _ = strings.Cut(help, "\n\n"); !found {
		t.Fatal("the help says nothing of it")
	}
	var check func(path string, value any)
	check = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				if !regexp.MustCompile(`\b` + name + `\b`).MatchString(help) {
					t.Errorf("%s.%s isn't in the help", path, name)
				}
				if path+"."+name != "$.error" { // the same for all commands
					check(path+"."+name, member)
				}
			}
		case []any:
			if len(value) != 1 {
				t.Errorf("%s has %d items: there is nothing to compare", path, len(value))
			}
			for _, item := range value {
				check(path, item)
			}
		}
	}
	check("$", document)
}
