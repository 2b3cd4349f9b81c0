package awscreds

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestSections: the rules of Python's configparser, each by one spelling. TestLikeBotocore compares the rest.
func TestSections(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		problem string            // empty: read
		want    map[string]string // of the first section
	}{
		"spelling":          {"[a]\nKey:value\nother\t=\tx = y # no comment\n", "", map[string]string{"key": "value", "other": "x = y # no comment"}},
		"continued":         {"[a]\nk = one\n  two\n\n  # comment\n  three\n", "", map[string]string{"k": "one\ntwo\n\nthree"}},
		"line ends":         {"[a]\r\nk = v\rl = w\n", "", map[string]string{"k": "v", "l": "w"}},
		"defaults":          {"[a]\nk = own\n[DEFAULT]\nk = d\nl = d\n", "", map[string]string{"k": "own", "l": "d"}},
		"nested":            {"[a]\ns3 =\n  x = y\n", "", map[string]string{"s3": "\nx = y"}},
		"nested, broken":    {"[a]\ns3 =\n  x\n", `line 1: "s3" in section [a] is followed by indented lines that are no "key = value"`, nil},
		"byte-order mark":   {"\ufeff[a]\n", "line 1: the file starts with a byte-order mark; save it without one", nil},
		"no section":        {"\nk = v\n", "line 2: there is a line before the first section", nil},
		"no delimiter":      {"[a]\n" + canary + "\n", `line 2: the line is no "key = value"`, nil},
		"no key":            {"[a]\n= v\n", "line 2: the line has no key", nil},
		"section twice":     {"[a]\n[b]\n[a]\n", "line 3: section [a] is there twice", nil},
		"key twice":         {"[a]\nk = " + canary + "\nK = w\n", `line 3: "k" is twice in section [a]`, nil},
		"not UTF-8":         {"[a]\nk = \xff\n", "line 1: the file is not UTF-8 text", nil},
		"bracket in a name": {"[a]]\nk = v\n", "", map[string]string{"k": "v"}},
	} {
		t.Run(name, func(t *testing.T) {
			sections, err := parseSections([]byte(test.text))
			if test.problem != "" {
				if err == nil || err.Error() != test.problem {
					t.Errorf("%v, want %s", err, test.problem)
				}
				return
			}
			if err != nil || !maps.Equal(sections[0].values, test.want) {
				t.Errorf("%q, %v; want %q", sections, err, test.want)
			}
		})
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a b  c`: {"a", "b", "c"}, `"/path/x.sh" p "parameter with spaces"`: {"/path/x.sh", "p", "parameter with spaces"},
		`a\ b 'c\d' "e\"f\g"`: {"a b", `c\d`, `e"f\g`}, `''`: {""}, `x""y`: {"xy"}, ``: nil, "a\tb\nc": {"a", "b", "c"},
	} {
		if got, err := SplitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`a "b`, `a 'b`, `a \`} {
		if got, err := SplitWords(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2026-01-31T12:00:00Z", "2026-01-31T12:00:00UTC", "2026-01-31 12:00:00 UTC", "2026-01-31T12:00:00+0000", "2026-01-31T14:00:00+02:00",
		"2026-01-31T12:00:00.000Z", "20260131T120000Z", "Sat, 31 Jan 2026 12:00:00 GMT", "2026-01-31 12:00:00+00:00",
	} {
		if got, ok := parseTime(text); !ok || !got.Equal(want) {
			t.Errorf("%q: %s, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "soon", "2026-01-31T12:00:00", "2026-01-31T25:00:00Z", "Sat, 31 Jan 2026 12:00:00 EST", "1769860800"} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestPaths: variables and ~ in the variables that name the files.
func TestPaths(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("LAB", filepath.Join(home, "lab"))
	for spelled, want := range map[string]string{
		"~/x": home + "/x", "$HOME/x": home + "/x", "${LAB}/x": home + "/lab/x", "$LAB/x": home + "/lab/x", "$NOT_SET_HERE/x": "$NOT_SET_HERE/x",
		"a~/x": "a~/x", "~": home, "~no-such-user/x": "~no-such-user/x", "/plain": "/plain",
	} {
		t.Setenv("AWS_CONFIG_FILE", spelled)
		if f := locate("AWS_CONFIG_FILE", "~/.aws/config"); f.path != want {
			t.Errorf("%s: %s, want %s", spelled, f.path, want)
		}
	}
	os.Unsetenv("AWS_CONFIG_FILE")
	if f := locate("AWS_CONFIG_FILE", "~/.aws/config"); f.path != home+"/.aws/config" || f.present {
		t.Errorf("the usual place: %+v", f)
	}
}
