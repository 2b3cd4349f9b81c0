//go:build unix

package conformance

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// The file that is written for a provider is one as it stands, and with every optional part of it.
func TestStarter(t *testing.T) {
	for _, c := range []struct {
		specimen string
		versions bool
	}{{"right", true}, {"CP-CAPABILITY-001 ignores versions", false}} {
		t.Run(c.specimen, func(t *testing.T) {
			t.Parallel()
			options := Options{Plugin: executable(t), Environ: []string{envSpecimen + "=" + c.specimen}}
			written, err := Starter(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			text := string(written)
			fixtures, err := ParseFixtures(written)
			if err != nil || len(fixtures.Credentials) < 5 || len(fixtures.Missing) != 1 {
				t.Errorf("as it stands: %+v, %v", fixtures, err)
			}
			for _, part := range []string{"tom-credential-model", "token", "A secret.", "required"} {
				if !strings.Contains(text, part) {
					t.Errorf("it doesn't say %q:\n%s", part, text)
				}
			}
			full, err := ParseFixtures([]byte(optional.ReplaceAllString(text, "$1$2")))
			if err != nil {
				t.Fatalf("with all optional parts: %v", err)
			}
			if full.Malformed == nil || full.Slow == nil || full.Denied == nil || full.Deleted == nil || full.BackendGone == nil || len(full.Events) < 4 || full.InvalidIDs == nil {
				t.Errorf("a part is missing: %+v", full)
			}
			if (len(full.Versions) > 0) != c.versions {
				t.Errorf("versions: %+v", full.Versions)
			}
		})
	}
	if _, err := Starter(t.Context(), Options{Plugin: script(t, "#!/bin/sh\nexit 1\n")}); err == nil {
		t.Error("there are fixtures for what is no provider")
	}
}

// optional are the lines of the file that are to be used by those who fill it in.
var optional = regexp.MustCompile(`(?m)^# ((?:malformed|invalid_ids|slow|denied|deleted|versions|backend_gone|events|environment):.*)$|^#(   - .*|     (?:undo|credentials): .*)$`)

// Each thing that fixtures lack has a warning that says what to add, and those that lack nothing have none.
func TestWarnings(t *testing.T) {
	capabilities := []string{string(credential.CapabilityVersion)}
	rich := modelFixtures()
	for id, password := range map[string]string{"blanks": " canary-4731 ", "accents": "cänary-4732", "signs": `canary+<&"%-4733`, "long": strings.Repeat("canary-4734", 8)} {
		rich.Credentials[id] = Credential{Username: "admin", Password: new(password)}
	}
	if all := rich.warnings(capabilities); len(all) != 0 {
		t.Errorf("rich ones: %q", all)
	}
	for name, c := range map[string]struct {
		change func(*Fixtures)
		says   string
	}{
		"a short password": {func(f *Fixtures) { f.Credentials["x"] = Credential{Username: "a", Password: new("short")} }, "choose a longer one"},
		"one credential": {func(f *Fixtures) {
			f.Credentials = map[string]Credential{"lab": {Username: "a", Password: new("canary-4735")}}
		}, "add a second one"},
		"no blanks":        {func(f *Fixtures) { delete(f.Credentials, "blanks") }, "a provider that trims"},
		"ASCII":            {func(f *Fixtures) { delete(f.Credentials, "accents") }, "confuses encodings"},
		"no signs":         {func(f *Fixtures) { delete(f.Credentials, "signs") }, "escapes or unescapes"},
		"no long one":      {func(f *Fixtures) { delete(f.Credentials, "long") }, "one that cuts"},
		"no empty one":     {func(f *Fixtures) { delete(f.Credentials, "core") }, "an empty password"},
		"no key":           {func(f *Fixtures) { delete(f.Credentials, "edge") }, "absent is not empty"},
		"nothing wrong":    {func(f *Fixtures) { f.Malformed = nil }, "malformed"},
		"nothing slow":     {func(f *Fixtures) { f.Slow = nil }, "deadlines that are kept"},
		"a backend":        {func(f *Fixtures) { f.BackendGone = nil }, "backend_gone"},
		"no versions":      {func(f *Fixtures) { f.Versions = nil }, "versions"},
		"nothing happens":  {func(f *Fixtures) { f.Events = nil }, "to show a cache"},
		"an endless login": {func(f *Fixtures) { f.Events = f.Events[:4] }, "session_ended"},
		"nothing deleted":  {func(f *Fixtures) { f.Events, f.Deleted = f.Events[:1], nil }, "a credential that is deleted"},
		"nothing denied":   {func(f *Fixtures) { f.Events, f.Denied = f.Events[:1], nil }, "that the backend denies"},
	} {
		t.Run(name, func(t *testing.T) {
			poor := modelFixtures()
			for id, password := range rich.Credentials {
				poor.Credentials[id] = password
			}
			c.change(&poor)
			if all := poor.warnings(capabilities); !slices.ContainsFunc(all, func(warning string) bool { return strings.Contains(warning, c.says) }) {
				t.Errorf("no warning says %q: %q", c.says, all)
			}
		})
	}
}

// The table of README.md is that of the code, with what to do for each check.
func TestChecksInTheReadme(t *testing.T) {
	rows := markdowntest.Read(t, "README.md").Section("## The checks").Table("id")
	checks := Checks()
	if len(rows) != len(checks) {
		t.Errorf("%d rows for %d checks", len(rows), len(checks))
	}
	for n, check := range checks[:min(len(rows), len(checks))] {
		if row := rows[n]; len(row) != 4 || row[0] != check.ID || row[1] != string(check.Level) || row[2] != check.Title || len(row[3]) < 10 {
			t.Errorf("row %d: %q, want %s | %s | %s | what to do", n+1, row, check.ID, check.Level, check.Title)
		}
	}
}
