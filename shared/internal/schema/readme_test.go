package schema

import (
	"slices"
	"testing"

	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// TestSchemaInTheReadme holds proto/README.md to the subset that is checked.
func TestSchemaInTheReadme(t *testing.T) {
	section := markdowntest.Read(t, "../../../proto/README.md").Section("## Settings")
	written := map[string][]string{}
	for _, row := range section.Table("Where") {
		written[row[0]] = markdowntest.Code(row[1])
	}
	for where, want := range map[string][]string{"the object": rootKeywords, "a setting": settingKeywords, "the items of a list": itemKeywords} {
		if !slices.Equal(written[where], want) {
			t.Errorf("%s: proto/README.md has %v, the code %v", where, written[where], want)
		}
	}
	section.Says("at most 256 KiB")
	if maxSchema != 256<<10 {
		t.Error("the bound of 256 KiB has changed")
	}
	blocks := section.Blocks()
	if len(blocks) != 1 {
		t.Fatalf("%d examples", len(blocks))
	}
	example, err := Parse(blocks[0].Text)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := example.Check(map[string]any{"url": "https://vault.example", "request_timeout": "5s", "tries": 2.0, "directories": []any{"a"}}); len(wrong) > 0 {
		t.Error(wrong)
	}
	if token, _ := example.Property("token"); !token.Secret {
		t.Error("the example has no secret")
	}
}
