package conformance

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// hints are values with which fixtures prove more, each with what a provider may do to passwords that lack it.
var hints = []struct {
	lacks func(password string) bool
	what  string
}{
	{func(p string) bool { return strings.TrimSpace(p) == p }, `a password with blanks at both ends, such as " made-up-4711 ", shows a provider that trims`},
	{func(p string) bool {
		return !strings.ContainsFunc(p, func(r rune) bool { return r > unicode.MaxASCII })
	}, `a password that isn't ASCII, such as "cänary-4711", shows one that confuses encodings`},
	{func(p string) bool { return !containsAll(p, `+<&"%`) }, `a password with +<&"% in it, such as 'made-up+<&"%41-4711', shows one that escapes or unescapes`},
	{func(p string) bool { return len(p) <= 72 }, `a password of more than 72 bytes shows one that cuts`},
	{func(p string) bool { return p != "" }, `an empty password shows one that takes empty for absent (if the backend allows it)`},
}

func containsAll(text, characters string) bool {
	return !strings.ContainsFunc(characters, func(r rune) bool { return !strings.ContainsRune(text, r) })
}

// warnings say what the fixtures are too poor to prove, and what to add.
func (f Fixtures) warnings(capabilities []string) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, "fixtures: "+fmt.Sprintf(format, args...)) }

	var passwords []string
	extras, keys := 0, 0
	for id, c := range f.Credentials {
		if c.Password != nil {
			passwords = append(passwords, *c.Password)
			if len(*c.Password) > 0 && len(*c.Password) < shortestSecret {
				add("the password of %q has fewer than %d bytes, and isn't searched for in what the provider writes: choose a longer one", id, shortestSecret)
			}
		} else {
			keys++
		}
		extras += len(c.Extra)
	}
	if len(f.Credentials) < 2 {
		add("with one credential, answers that are mixed up aren't seen: add a second one")
	}
	for _, hint := range hints {
		if !slices.ContainsFunc(passwords, func(p string) bool { return !hint.lacks(p) }) {
			add("%s: add one", hint.what)
		}
	}
	if extras == 0 {
		add("no credential has extra fields: add one, such as extra: {enable_password: made-up-4713}")
	}
	if keys == 0 {
		add("every credential has a password: add one with only extra: {private_key: ...}, to show that absent is not empty (if the backend allows it)")
	}
	for _, list := range []struct {
		empty bool
		what  string
	}{
		{len(f.Malformed) == 0, "malformed: an id whose value is no credential, with the secrets in it"},
		{len(f.Slow) == 0, "slow: an id of which the backend says nothing for ten seconds, to show deadlines that are kept"},
		{f.BackendGone == nil, "backend_gone: settings with which no backend is found, to show that an outage isn't taken for a missing credential"},
		{!f.has(func(e Event) bool { return len(e.Credentials) > 0 }), "events: a command that changes a password, to show a cache"},
		{!f.has(func(e Event) bool { return len(e.Deleted)+len(e.Missing) > 0 }) && len(f.Deleted) == 0, "events or deleted: a credential that is deleted"},
		{!f.has(func(e Event) bool { return len(e.Denied) > 0 }) && len(f.Denied) == 0, "events or denied: a credential that the backend denies"},
		{!f.has(func(e Event) bool { return e.SessionEnded }), "events: a command with session_ended: true, if the provider signs in to the backend"},
		{len(f.Versions) == 0 && slices.Contains(capabilities, string(credential.CapabilityVersion)), "versions: a version that isn't the current one, by id and by label"},
	} {
		if list.empty {
			add("there is no example for %s", list.what)
		}
	}
	return all
}

func (f Fixtures) has(quality func(Event) bool) bool { return slices.ContainsFunc(f.Events, quality) }
