package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const canary = "hunter2-canary"

func TestParseEntry(t *testing.T) {
	for _, test := range []struct {
		name, yaml         string
		username, password string
		extra              map[string]string
		wrong              string
	}{
		{name: "the older worker's form", yaml: "x:\n  username: admin\n  password: your-password\n", username: "admin", password: "your-password"},
		{name: "values byte for byte", yaml: "x: {username: ' ä ', password: \"p@ss: #w\\u00f6rd \"}\n", username: " ä ", password: "p@ss: #wörd "},
		{name: "an empty password", yaml: "x: {username: a, password: ''}", username: "a"},
		{name: "words that YAML 1.1 takes for booleans", yaml: "x: {username: yes, password: off}", username: "yes", password: "off"},
		{name: "what YAML 1.1 takes for a number of base 60", yaml: "x: {username: a, password: 12:30:45}", username: "a", password: "12:30:45"},
		{name: "extra", yaml: "x: {username: a, password: b, enable_password: c, port: 2222, strict: true, none: null, list: [1], map: {a: b}}", username: "a", password: "b",
			extra: map[string]string{"enable_password": "c", "port": "2222", "strict": "true"}},
		{name: "a private key instead of a password", yaml: "x:\n  username: a\n  private_key: |\n    line\n    line\n", username: "a", extra: map[string]string{"private_key": "line\nline\n"}},
		{name: "an anchor", yaml: "y: &y {username: a, password: b}\nx: *y\n", username: "a", password: "b"},
		{name: "a merge", yaml: "y: &y {username: a, password: b}\nx: {<<: *y, password: c}\n", username: "a", password: "c"},
		{name: "several merges", yaml: "y: &y {username: a}\nz: &z {username: b, password: c}\nx: {<<: [*y, *z]}\n", username: "a", password: "c"},

		{name: "a number", yaml: "x:\n  username: a\n  password: 12345678\n", wrong: "line 3: password must be a string, not a number"},
		{name: "a date", yaml: "x: {username: a, password: 2024-01-02}", wrong: "line 1: password must be a string, not a date"},
		{name: "a boolean", yaml: "x: {username: true, password: a}", wrong: "line 1: username must be a string, not a boolean"},
		{name: "null", yaml: "x: {username: a, password: }", wrong: "line 1: password must be a string, not null"},
		{name: "a tag", yaml: "x: {username: a, password: !vault " + canary + "}", wrong: "line 1: password must be a string, not a value with a tag"},
		{name: "binary", yaml: "x: {username: a, password: !!binary aHVudGVyMi1jYW5hcnk=}", wrong: "line 1: password must be a string, not a value with a tag"},
		{name: "a list", yaml: "x: {username: a, password: [" + canary + "]}", wrong: "line 1: password must be a string, not a list"},
		{name: "a line end", yaml: "x:\n  username: a\n  password: |\n    " + canary + "\n", wrong: "line 3: password ends with a line end"},
		{name: "a line end inside", yaml: "x: {username: a, password: \"hunter2\\n-canary\"}", wrong: "line 1: password holds a line end"},
		{name: "a carriage return", yaml: "x: {username: \"a\\r\", password: b}", wrong: "line 1: username ends with a line end"},
		{name: "NUL", yaml: "x: {username: a, password: \"\\0" + canary + "\"}", wrong: "line 1: password holds a NUL character"},
		{name: "an empty username", yaml: "x: {username: '', password: " + canary + "}", wrong: "line 1: username is empty"},
		{name: "no username", yaml: "x:\n  Username: a\n  password: " + canary + "\n", wrong: "line 2: username is missing"},
		{name: "no password", yaml: "x:\n  username: a\n", wrong: "line 2: password is missing"},
		{name: "an empty private key is none", yaml: "x: {username: a, private_key: ''}", wrong: "line 1: password is missing"},
		{name: "a key twice", yaml: "x:\n  username: a\n  password: b\n  password: " + canary + "\n", wrong: "line 4: password comes twice"},
		{name: "another key twice", yaml: "x: {username: a, password: b, hunter2-canary: 1, hunter2-canary: 2}", wrong: "line 1: a field comes twice"},
		{name: "an octal number", yaml: "x: {username: a, password: b, enable_password: 0123}", wrong: "line 1: the value of a field is a number that can be read in more than one way"},
		{name: "a date as extra", yaml: "x: {username: a, password: b, since: 2024-01-02}", wrong: "line 1: the value of a field is a date that can be read in more than one way"},
		{name: "a field that is a number", yaml: "x: {username: a, password: b, 1: c}", wrong: "line 1: a field's name must be a string, not a number"},
		{name: "a text", yaml: "x: " + canary, wrong: "line 1: must be a mapping with username and password, not a string"},
		{name: "nothing", yaml: "x:", wrong: "line 1: must be a mapping with username and password, not null"},
		{name: "an id twice", yaml: "x: {username: a, password: b}\nx: {username: a, password: " + canary + "}\n", wrong: "line 2: the id comes twice, first in line 1"},
		{name: "a merge of a text", yaml: "x: {<<: " + canary + ", username: a, password: b}", wrong: "line 1: << must name a mapping that doesn't hold itself"},
		{name: "a merge of itself", yaml: "x: &x {<<: *x, username: a, password: b}", wrong: "line 1: << must name a mapping that doesn't hold itself"},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, wrong := parse([]byte(test.yaml + "\ngood: {username: a, password: b}\n"))
			if wrong != nil {
				t.Fatalf("the whole file: %s", wrong)
			}
			if good := entries["good"]; good.wrong != nil || good.username != "a" {
				t.Errorf("another entry suffers: %v", good.wrong)
			}
			got, ok := entries["x"]
			if !ok {
				t.Fatal("there is no x")
			}
			if test.wrong != "" || got.wrong != nil {
				if got.wrong == nil || got.wrong.String() != test.wrong {
					t.Errorf("got %v, want %s", got.wrong, test.wrong)
				}
				if got.wrong != nil && strings.Contains(got.wrong.String()+got.wrong.advice, canary) {
					t.Error("the problem quotes the file")
				}
				return
			}
			password, _ := got.password.Get()
			revealed := map[string]string{}
			for key, value := range got.extra {
				revealed[key] = value.Reveal()
			}
			if got.username != test.username || password.Reveal() != test.password || !maps.Equal(revealed, test.extra) {
				t.Errorf("got %q, %q, %q", got.username, password.Reveal(), revealed)
			}
		})
	}
}

func TestParseFile(t *testing.T) {
	for _, test := range []struct {
		name, yaml string
		ids        []string
		wrong      string
	}{
		{name: "nothing", yaml: ""},
		{name: "comments", yaml: "# no credentials yet\n"},
		{name: "null", yaml: "---\n"},
		{name: "ids of many kinds", yaml: "a/b: {}\n'c d': {}\n123: {}\nä: {}\n", ids: []string{"123", "a/b", "c d", "ä"}},
		{name: "a byte-order mark", yaml: "\ufeffa: {}\n", ids: []string{"a"}},
		{name: "a list", yaml: "- " + canary + "\n", wrong: "line 1: the file must be a mapping of credential ids"},
		{name: "a text", yaml: canary, wrong: "line 1: the file must be a mapping of credential ids"},
		{name: "an id that is a list", yaml: "[a]: {}\n", wrong: "line 1: a credential id must be a plain word, not a list"},
		{name: "two documents", yaml: "a: {}\n---\nb: {}\n", wrong: "there is more than one YAML document in it (a line with ---)"},
		{name: "not YAML", yaml: "a:\n  username: x\n  password: hunter2: " + canary + "\n", wrong: "line 3: it is not valid YAML"},
		{name: "an unclosed bracket", yaml: "a: {username: x\nb: {username: x}\n", wrong: "line 2: it is not valid YAML"},
		{name: "a tab", yaml: "a:\n\tusername: x\n", wrong: "line 2: it is not valid YAML"},
		{name: "an unknown anchor", yaml: "a: {username: x, password: *" + canary + "}\n", wrong: "it is not valid YAML"},
		{name: "not UTF-8", yaml: "b: {}\na: {username: x, password: \xff" + canary + "}\n", wrong: "line 2: it is not UTF-8 text"},
		{name: "UTF-16", yaml: "\xff\xfea\x00:\x00 \x00{\x00}\x00\n\x00", ids: []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, wrong := parse([]byte(test.yaml))
			if test.wrong != "" || wrong != nil {
				if wrong == nil || wrong.String() != test.wrong {
					t.Errorf("got %v, want %s", wrong, test.wrong)
				}
				return
			}
			if got := slices.Sorted(maps.Keys(entries)); !slices.Equal(got, test.ids) {
				t.Errorf("ids %q, want %q", got, test.ids)
			}
		})
	}
}

// A few lines may name each other very often. They don't keep the provider from anything else.
func TestMergesWithoutEnd(t *testing.T) {
	text := "m0: &m0 {username: a, password: b}\n"
	for i := range 12 {
		text += fmt.Sprintf("m%d: &m%d {<<: [%s]}\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d, ", i), 10), ", "))
	}
	entries, wrong := parse([]byte(text))
	if wrong != nil || entries["m2"].wrong != nil || entries["m12"].wrong == nil || !strings.Contains(entries["m12"].wrong.problem, "more than 1000 mappings") {
		t.Errorf("%v, %v, %v", wrong, entries["m2"].wrong, entries["m12"].wrong)
	}
}

// A token is refused unless a page had it.
func TestPages(t *testing.T) {
	entries, _ := parse([]byte("a: {}\nb: {}\nc: {}\nd: {}\ne: {}\n"))
	c := &content{entries: entries}
	var got []string
	token := ""
	for range 3 {
		page, err := c.page(2, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, summary := range page.Credentials {
			got = append(got, summary.ID)
		}
		token = page.NextToken
	}
	if !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) || token != "" {
		t.Errorf("got %q and then %q", got, token)
	}
	whole := sealToken("b")
	for _, bad := range []string{"x", whole[:len(whole)-1], whole + "A", strings.ToUpper(whole)} {
		if _, err := c.page(2, bad); credential.ReasonOf(err) != credential.PageTokenInvalid {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	delete(entries, "b")
	if page, err := c.page(2, whole); err != nil || len(page.Credentials) != 2 || page.Credentials[0].ID != "c" {
		t.Errorf("after the last id is gone: %v, %v", page, err)
	}
}
