package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme: the README names every setting and no other, and its policy is the one that the tests on a real server use.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	document := strings.ReplaceAll(string(text), "\r\n", "\n")
	var want, got []string
	for field := range reflect.TypeFor[settings]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		want = append(want, "plugin_vault_"+name)
	}
	got = regexp.MustCompile(`\bplugin_vault_\w+`).FindAllString(document, -1)
	slices.Sort(want)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the README has %v, the provider %v", got, want)
	}
	if !strings.Contains(document, "```hcl\n"+workerPolicy+"```") {
		t.Errorf("the README's policy isn't\n%s", workerPolicy)
	}
}
