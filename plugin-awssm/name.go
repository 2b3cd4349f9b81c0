package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxSecretName is the most characters that a secret's name may have, prefix included.
const maxSecretName = 512

// nameCharacters are those that a secret's name may have.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+=.@-"

// nameCharset says which characters AWS allows in a secret's name.
const nameCharset = "allowed are ASCII letters, digits and / _ + = . @ -"

// secretName turns a credential id into the name of its secret, or says why no secret could have that name. A refused id
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
		return "", invalid("arn", "the credential id is an ARN").WithHelp("for another account's secrets set role_arn")
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

// hasDotSegment says whether the name would mean something else if it were a path. AWS would take it; but nobody names a
// secret so, and an id such as ../admin is an attempt to leave the prefix.
func hasDotSegment(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}
