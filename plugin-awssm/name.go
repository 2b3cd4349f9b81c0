package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxSecretName is the most characters that a secret's name may have, prefix included.
const maxSecretName = 512

// nameCharacters are those that a secret's name may have. "!" is in names that AWS makes, such as "rds!cluster-...".
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+=.@-!"

// nameCharset names the characters that AWS allows in a secret's name.
const nameCharset = "allowed are ASCII letters, digits and / _ + = . @ - !"

// prefix is the setting secret_prefix.
type prefix struct {
	// arn is what ARNs of secrets start with, up to and with "secret:"; empty for secrets of the caller's own account.
	arn             string
	region, account string // of the ARN
	name            string // what names start with
}

var arnPrefix = regexp.MustCompile(`^(arn:aws[a-z0-9-]*:secretsmanager:([a-z0-9-]+):([0-9]{12}):secret:)(.*)$`)

// parsePrefix reads a prefix of names or of ARNs; false for an ARN that isn't one of secrets.
func parsePrefix(text string) (prefix, bool) {
	if !strings.HasPrefix(text, "arn:") {
		return prefix{name: text}, true
	}
	m := arnPrefix.FindStringSubmatch(text)
	if m == nil {
		return prefix{}, false
	}
	return prefix{arn: m[1], region: m[2], account: m[3], name: m[4]}, true
}

// secretID is how AWS is asked for the secret with this name.
func (p prefix) secretID(name string) string { return p.arn + name }

// secretName turns a credential id into the name of its secret, or returns why no secret could have that name. A refused id
// is quoted only as far as it could be a name: what a caller mixed up with an id might be a password.
func secretName(prefix, id string) (string, error) {
	invalid := func(problem, format string, args ...any) *credential.Error {
		return credential.Errorf(credential.CredentialIDInvalid, format, args...).With("problem", problem).
			WithHelp("give the part of the secret's name that follows the prefix %q", prefix)
	}
	room := maxSecretName - len(prefix)
	switch bad, found := firstForbidden(id); {
	case id == "":
		return "", invalid("empty", "the credential id is empty")
	case strings.HasPrefix(id, "arn:"):
		return "", invalid("arn", "the credential id is an ARN").WithHelp("for another account's secrets set role_arn, or secret_prefix to an ARN prefix")
	case len(id) > room:
		return "", invalid("too long", "the credential id has %d characters; at most %d are left after the prefix %q", utf8.RuneCountInString(id), room, prefix)
	case found:
		return "", invalid("character", "the credential id holds %+q, which no secret's name can; %s", bad, nameCharset)
	case hasDotSegment(id):
		return "", invalid("path", `credential id %q has "." or ".." between slashes; an id is a name, not a path`, id)
	}
	return prefix + id, nil
}

// firstForbidden finds the first character that a secret's name can't have.
func firstForbidden(name string) (rune, bool) {
	i := strings.IndexFunc(name, func(r rune) bool { return !strings.ContainsRune(nameCharacters, r) })
	if i < 0 {
		return 0, false
	}
	r, _ := utf8.DecodeRuneInString(name[i:])
	return r, true
}

// hasDotSegment reports whether the name would mean something else if it were a path. AWS would take it; but no secret is
// named like that, and an id such as ../admin is an attempt to leave the prefix.
func hasDotSegment(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}

// problem returns what is wrong with secret_prefix; empty if nothing is.
func prefixProblem(text string) string {
	p, ok := parsePrefix(text)
	if !ok {
		return `is an ARN, but not the start of secrets' ARNs, such as "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/credentials/"`
	}
	switch bad, found := firstForbidden(p.name); {
	case found:
		return fmt.Sprintf("holds %+q; %s", bad, nameCharset)
	case len(p.name) >= maxSecretName:
		return fmt.Sprintf("leaves no room for a credential id; a secret's name has at most %d characters", maxSecretName)
	case hasDotSegment(p.name):
		return `must not have "." or ".." between slashes`
	}
	return ""
}
