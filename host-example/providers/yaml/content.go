package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// content is what the file held when it was read. It is immutable.
type content struct {
	path    string
	info    fs.FileInfo
	read    time.Time
	entries map[string]entry
}

// credential is the one with this id.
func (c *content) credential(id string) (*credential.Credential, error) {
	found, ok := c.entries[id]
	if !ok {
		return nil, credential.Errorf(credential.CredentialNotFound, "credential file %s has no credential %q", c.path, id).
			WithHelp("add it:\n%s:\n  username: ...\n  password: ...", strconv.Quote(id))
	}
	if wrong := found.wrong; wrong != nil {
		e := credential.Errorf(credential.CredentialMalformed, "credential %q in %s, %s", id, c.path, wrong.String()).
			With("field", wrong.field).With("problem", wrong.problem).With("line", strconv.Itoa(wrong.line))
		if wrong.advice != "" {
			e = e.WithHelp("%s", wrong.advice)
		}
		return nil, e
	}
	return &credential.Credential{ID: id, Username: found.username, Password: found.password, Extra: found.extra}, nil
}

// page is a part of the ids, in their order. A token names the last id of the page before, so that a listing goes on
// where it was even if the file changes in the meantime.
func (c *content) page(size int, token string) (credential.Page, error) {
	ids := slices.Sorted(maps.Keys(c.entries))
	if token != "" {
		last, ok := openToken(token)
		if !ok {
			return credential.Page{}, credential.Errorf(credential.PageTokenInvalid, "the page token is not one that a listing has returned").
				WithHelp("list again from the first page")
		}
		at, found := slices.BinarySearch(ids, last)
		if found {
			at++
		}
		ids = ids[at:]
	}
	var page credential.Page
	for _, id := range ids[:min(size, len(ids))] {
		page.Credentials = append(page.Credentials, credential.Summary{ID: id})
	}
	if len(ids) > size {
		page.NextToken = sealToken(ids[size-1])
	}
	return page, nil
}

const sumLength = 8

// sealToken makes a token of which openToken sees whether it is whole.
func sealToken(id string) string {
	return base64.RawURLEncoding.EncodeToString(append(tokenSum(id), id...))
}

func openToken(token string) (string, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// The decoder skips line ends: what has them is another token than the one that was returned.
	if err != nil || len(raw) < sumLength || base64.RawURLEncoding.EncodeToString(raw) != token {
		return "", false
	}
	id := string(raw[sumLength:])
	return id, subtle.ConstantTimeCompare(raw[:sumLength], tokenSum(id)) == 1
}

func tokenSum(id string) []byte {
	sum := sha256.Sum256([]byte("page v1\x00" + id))
	return sum[:sumLength]
}

// malformed are the ids whose credential can't be used, with the reasons, in the file's order.
func (c *content) malformed() []string {
	var wrong []string
	ids := slices.SortedFunc(maps.Keys(c.entries), func(a, b string) int { return c.entries[a].line - c.entries[b].line })
	for _, id := range ids {
		if problem := c.entries[id].wrong; problem != nil {
			wrong = append(wrong, fmt.Sprintf("%q: %s", id, problem))
		}
	}
	return wrong
}
