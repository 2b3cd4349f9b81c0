package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var idChecks = []check{
	{Info: Info{"CP-ID-001", Must, "an id that only resembles one that exists finds nothing",
		"GetCredential: the answer is for exactly the id that was asked for; a worker must not log in with what it didn't ask for"},
		after: "CP-GET-001", run: checkLookalikes},
	{Info: Info{"CP-ID-002", Must, "an id with control characters is CREDENTIAL_ID_INVALID",
		"GetCredentialRequest.credential_id: 1 to 512 bytes of UTF-8 without control characters; else CREDENTIAL_ID_INVALID, without asking the backend"},
		after: "CP-GET-004", run: checkControls},
	{Info: Info{"CP-ID-003", Must, "nor does such an id find anything in a batch",
		"CredentialError says what GetCredential would have said"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-001", run: checkLookalikesInBatch},
	{Info: Info{"CP-ID-004", Must, "nor when a version is asked for",
		"GetCredential: the answer is for exactly the id that was asked for"},
		needs: credential.CapabilityVersion, after: "CP-VERSION-001", run: checkLookalikeVersions},
}

// derived is how many of the fixtures' ids others are derived from.
const derived = 2

// strays are ids that resemble the fixtures' and aren't among them.
func (e *exam) strays() []string {
	var all []string
	ids := e.ids()
	for n, id := range ids[:min(len(ids), derived)] {
		all = append(all, lookalikes(id, ids[(n+1)%len(ids)])...)
	}
	slices.Sort(all)
	exists := map[string]bool{}
	f := e.options.Fixtures
	for _, id := range slices.Concat(ids, f.Slow, f.Denied, f.Deleted) {
		exists[id] = true
	}
	for id := range f.Malformed {
		exists[id] = true
	}
	return slices.DeleteFunc(slices.Compact(all), func(id string) bool {
		return exists[id] || id == "" || len(id) > credential.MaxIDLength
	})
}

// lookalikes are ids that a careless program takes for id: it folds case, trims, decodes, cleans a path, matches a pattern or
// the start, cuts at a character, or normalises Unicode. other is another id that exists.
func lookalikes(id, other string) []string {
	first, last := id[:1], id[len(id)-1:]
	all := []string{
		// Case.
		strings.ToUpper(id), strings.ToLower(id), strings.ToUpper(first) + id[1:], id[:len(id)-1] + strings.ToUpper(last), strings.Map(swapCase, id),
		strings.ReplaceAll(id, "k", "\u212a"), strings.ReplaceAll(id, "s", "\u017f"), strings.ReplaceAll(id, "i", "\u0131"), strings.ReplaceAll(id, "i", "\u0130"),
		// Paths.
		"./" + id, id + "/", "/" + id, "//" + id, id + "/.", id + "//", "x/../" + id, id + "/x/..", "../" + id, "x/%2e%2e/" + id, "~/" + id, "./" + "./" + id,
		`\` + id, id + `\`, `x\..\` + id, `.\` + id, first + `\` + id[1:], "file:" + id, "file://" + id,
		// Queries, fragments, encodings of URLs, HTML and programs.
		id + "?", id + "?x", id + "?x=1", id + "#", id + "#x", id + "&x=1", id + ";x", id + "%00", id + "%20", "%20" + id, id + "%0a", id + "%3fx", id + "%23x", id + "%2f", id + "+", "+" + id,
		percentEncoded(first, "%%%02x") + id[1:], percentEncoded(first, "%%%02X") + id[1:], percentEncoded(id, "%%%02x"), percentEncoded(first, "%%25%02x") + id[1:],
		percentEncoded(first, `\u%04x`) + id[1:], percentEncoded(first, `\x%02x`) + id[1:], percentEncoded(first, "&#%d;") + id[1:],
		// Extensions and what some file systems ignore.
		id + ".", id + "..", id + ".json", id + ".yaml", id + ".yml", id + ".txt", id + ".enc", id + ".gpg", id + ".bak", id + "~", id + ":", id + "::$DATA",
		// Quotes, patterns and query languages.
		"'" + id + "'", `"` + id + `"`, "`" + id + "`", "<" + id + ">", "(" + id + ")", "[" + id + "]", "{" + id + "}", "$" + id, "${" + id + "}", "@" + id, id + "'", id + `"`,
		id + "*", "*" + id, "*", "?" + id[1:], id[:len(id)-1] + "?", id[:len(id)-1] + "*", first + "*", "[" + first + "]" + id[1:], first + "%", id[:len(id)-1] + "_", "%" + id + "%",
		"^" + id + "$", first + ".*", "." + id[1:], id + "|" + other, "(" + id + "|" + other + ")", "(?i)" + id, id + "' OR '1'='1", id + "'--", id + " --", id + ";", id + "/*x*/",
		id + "," + other, id + " " + other, id + ";" + other, other + "," + id,
		// The start, the end, a repetition.
		id[:len(id)-1], id[1:], id + "x", "x" + id, id + last, id + id, "0" + id, id + "0", backwards(id), id[1:] + first, last + id[:len(id)-1],
		// Versions and fields.
		id + "@1", id + ":1", id + "@latest", id + "/versions/1", id + "?version=1", id + "#password", id + ".password", id + "/password", id + "/username",
		// Unicode.
		fullWidth(id), fullWidth(first) + id[1:], greek.Replace(id), mathematical(id), confused(id), norm.NFD.String(id), norm.NFC.String(id), norm.NFKC.String(id), id + "\u0301", id + "\u034f", id + "\ufe0f",
	}
	for _, blank := range []string{" ", "  ", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u202e"} {
		all = append(all, blank+id, id+blank, first+blank+id[1:])
	}
	for _, separator := range []string{"-", "_", ".", " ", "/", ":", `\`, "+", "'", `"`} { // what a program drops
		all = append(all, separator+id, id+separator, first+separator+id[1:], id[:len(id)-1]+separator+last)
		for _, instead := range []string{"-", "_", ".", " ", "/", ":", ""} {
			all = append(all, strings.ReplaceAll(id, separator, instead))
		}
	}
	for letter, digit := range digitsFor {
		all = append(all, strings.ReplaceAll(id, letter, digit))
	}
	return slices.DeleteFunc(all, func(s string) bool {
		return s == id || strings.ToValidUTF8(s, "") != s || strings.ContainsFunc(s, unicode.IsControl)
	})
}

// controls are ids with characters that no id may have.
func controls(id string) []string {
	var all []string
	for _, c := range []string{"\x00", "\n", "\r", "\r\n", "\t", "\v", "\f", "\b", "\x1b", "\x7f", "\u0085", "\x01"} {
		all = append(all, id+c, c+id, id[:1]+c+id[1:])
	}
	return append(all, id+"\x00.json", id+"\nx", id+"\x1b[0m")
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

// percentEncoded writes each byte in a format.
func percentEncoded(text, format string) string {
	var encoded strings.Builder
	for _, b := range []byte(text) {
		_, _ = fmt.Fprintf(&encoded, format, b)
	}
	return encoded.String()
}

// fullWidth has the forms of ASCII's characters that are as wide as ideographs.
func fullWidth(text string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r + 0xfee0
		}
		return r
	}, text)
}

// mathematical has bold letters and digits.
func mathematical(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return 0x1d41a + r - 'a'
		case r >= 'A' && r <= 'Z':
			return 0x1d400 + r - 'A'
		case r >= '0' && r <= '9':
			return 0x1d7ce + r - '0'
		}
		return r
	}, text)
}

var cyrillic = strings.NewReplacer("a", "\u0430", "e", "\u0435", "o", "\u043e", "c", "\u0441", "p", "\u0440", "x", "\u0445", "y", "\u0443")

// greek are letters that look the same, and digitsFor digits that are read as letters.
var (
	greek     = strings.NewReplacer("a", "\u03b1", "o", "\u03bf", "v", "\u03bd", "p", "\u03c1", "i", "\u03b9", "k", "\u03ba", "e", "\u03b5")
	digitsFor = map[string]string{"o": "0", "l": "1", "i": "1", "e": "3", "a": "4", "s": "5"}
)

// backwards has the letters in the other order: a program may compare those that an id has.
func backwards(text string) string {
	runes := []rune(text)
	slices.Reverse(runes)
	return string(runes)
}

// confused has letters of another alphabet that look the same.
func confused(text string) string { return cyrillic.Replace(text) }

var nothingFound = []credential.Reason{credential.CredentialNotFound, credential.CredentialIDInvalid, credential.AccessDenied}

// side is how many calls are made at a time where it doesn't matter.
const side = 8

// each is eachOf for ids.
func each(ids []string, call func(id string) error) error { return eachOf(ids, call) }

// eachOf calls a function for each of some things, side by side, and returns the first error in the things' order.
func eachOf[T any](things []T, call func(T) error) error {
	errs := make([]error, len(things))
	turns := make(chan struct{}, side)
	var all sync.WaitGroup
	for n, thing := range things {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			errs[n] = call(thing)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// listed are all ids of a listing; nil if there is none. What is listed exists, and may be found.
func (e *exam) listed(ctx context.Context) map[string]bool {
	if able, err := e.can(ctx, credential.CapabilityList); err != nil || !able {
		return nil
	}
	ids, _, err := e.list(ctx, 0)
	if err != nil {
		return nil
	}
	all := map[string]bool{}
	for _, id := range ids {
		all[id] = true
	}
	return all
}

// own reports whether a credential that was found for a stray id may be that id's own: its values are no fixture's.
func (e *exam) own(got *credentialv1.Credential) bool {
	for _, want := range e.options.Fixtures.Credentials {
		if got.GetUsername() == want.Username && (want.Password == nil || got.GetPassword() == *want.Password) {
			return false
		}
	}
	return got.GetUsername() != ""
}

// notStray is what to say of an answer to an id that isn't the fixtures'.
func (e *exam) notStray(id string, listed map[string]bool, got *credentialv1.Credential, err error) error {
	if err == nil && (listed[id] || listed == nil && e.own(got)) {
		return nil // it exists
	}
	return expect("GetCredential of "+shown(id), err, nothingFound...)
}

func checkLookalikes(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	listed := e.listed(ctx)
	return each(e.strays(), func(id string) error {
		got, err := i.get(ctx, id)
		return e.notStray(id, listed, got, err)
	})
}

func checkControls(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	return each(controls(e.anyID()), func(id string) error {
		_, err := i.get(ctx, id)
		return expect("GetCredential of "+shown(id), err, credential.CredentialIDInvalid)
	})
}

func checkLookalikesInBatch(ctx context.Context, e *exam) error {
	listed := e.listed(ctx)
	strays := append(e.strays(), controls(e.anyID())...)
	for chunk := range slices.Chunk(strays, credential.MaxBatch) {
		results, err := e.batch(ctx, chunk...)
		if err != nil {
			return within("CP-BATCH-004", err) // for its number, unless that check has passed
		}
		for n, id := range chunk {
			got := results[n].GetCredential()
			if got != nil && (listed[id] || listed == nil && e.own(got)) {
				continue
			}
			if got != nil {
				return fmt.Errorf("the answer to %s is a credential", shown(id))
			}
			if err := expectItem("the answer to "+shown(id), results[n], nothingFound...); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkLookalikeVersions(ctx context.Context, e *exam) error {
	if len(e.options.Fixtures.Versions) == 0 {
		return skipf("the fixtures name no versions")
	}
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	version := e.options.Fixtures.Versions[0]
	listed := e.listed(ctx)
	strays := lookalikes(version.CredentialID, e.anyID())
	return each(slices.DeleteFunc(strays, func(id string) bool {
		_, exists := e.options.Fixtures.Credentials[id]
		return exists || listed[id] || id == "" || len(id) > credential.MaxIDLength
	}), func(id string) error {
		stray := version
		stray.CredentialID = id
		return withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.GetCredential(ctx, stray.request())
			if err == nil {
				if listed == nil && compare(response.GetCredential(), version.Credential) != nil {
					return nil //nolint:nilerr // another credential: this id exists
				}
				return errors.New("GetCredential of " + shown(id) + " with a version: it succeeded")
			}
			return expect("GetCredential of "+shown(id)+" with a version", err, append(nothingFound, credential.VersionNotFound)...)
		})
	})
}
