package conformance

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// These are about page tokens.
var tokenChecks = []check{
	{Info: Info{"CP-LIST-007", Must, "the same page token gives the same page again",
		"Duties: all reading calls are idempotent: the host repeats one that died with a process"},
		needs: credential.CapabilityList, after: "CP-LIST-003", run: checkTokenAgain},
	{Info: Info{"CP-LIST-008", Must, "a page token that was changed is PAGE_TOKEN_INVALID",
		"ListCredentialsRequest.page_token: empty, else next_page_token of the page before; anything else is PAGE_TOKEN_INVALID"},
		needs: credential.CapabilityList, after: "CP-LIST-005", run: checkTokenVariants},
	{Info: Info{"CP-LIST-009", Must, "without a page size, and with a large one, it lists the same",
		"ListCredentialsRequest.page_size: 0: the provider decides; ListCredentials lists what could be read"},
		needs: credential.CapabilityList, after: "CP-LIST-002", run: checkListSizes},
	{Info: Info{"CP-LIST-010", Must, "what it lists can be asked for",
		"ListCredentials lists what could be read: an id of it is never one that doesn't exist, or that no credential could have"},
		needs: credential.CapabilityList, after: "CP-LIST-002", run: checkListedExists},
}

// walk reads a listing page by page, and returns the pages with their tokens.
func (i *instance) walk(ctx context.Context, size int32) (tokens []string, pages []*credentialv1.ListCredentialsResponse, err error) {
	for token := ""; ; {
		page, err := i.page(ctx, size, token)
		if err != nil {
			return nil, nil, succeed("ListCredentials", err)
		}
		tokens, pages = append(tokens, token), append(pages, page)
		if token = page.GetNextPageToken(); token == "" {
			return tokens, pages, nil
		}
		if slices.Contains(tokens, token) || len(tokens) > maxPages {
			return nil, nil, errors.New("the listing doesn't end")
		}
	}
}

func checkTokenAgain(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	tokens, pages, err := i.walk(ctx, 1)
	if err != nil {
		return err
	}
	if len(tokens) < 2 {
		return skipf("a listing with pages of 1 has one page only")
	}
	for n, token := range tokens[:min(len(tokens), 10)] {
		for range 2 {
			again, err := i.page(ctx, 1, token)
			if err != nil {
				return succeed(fmt.Sprintf("page %d once more", n+1), err)
			}
			if !slices.EqualFunc(again.GetCredentials(), pages[n].GetCredentials(), func(a, b *credentialv1.CredentialSummary) bool { return proto.Equal(a, b) }) {
				return fmt.Errorf("page %d is another one when it is asked for again", n+1)
			}
		}
	}
	return nil
}

func checkTokenVariants(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	var all []string
	for _, size := range []int32{1, 2, 3, 5, 100, 1000} {
		tokens, _, err := i.walk(ctx, size)
		if err != nil {
			return err
		}
		for _, token := range tokens {
			if token != "" && !held[token] {
				held[token] = true
				all = append(all, token)
			}
		}
	}
	if len(all) == 0 {
		return skipf("a listing with pages of 1 has one page only")
	}
	var changed []string
	for _, token := range all[:min(len(all), 3)] {
		changed = append(changed, tokenVariants(token)...)
	}
	changed = append(changed, madeUp()...)
	slices.Sort(changed)
	changed = slices.DeleteFunc(slices.Compact(changed), func(s string) bool {
		return s == "" || held[s] || strings.ToValidUTF8(s, "") != s || len(s) > 4000
	})
	return each(changed, func(token string) error {
		_, err := i.page(ctx, 1, token)
		return expect("page token "+text.Quote(token, 120)+", which no page had", err, credential.PageTokenInvalid)
	})
}

var number = regexp.MustCompile(`[0-9]+`)

// tokenVariants are tokens that a careless program takes for one that it has issued.
func tokenVariants(token string) []string {
	all := []string{
		token + " ", " " + token, token + "\n", token + "\x00", token + "x", "x" + token, token + token, token[1:], token[:len(token)-1], token + "=", token + "==", token + "%00",
		token + "?", token + "#", "+" + token, "-" + token, token + ".0", token + ",1", `"` + token + `"`, token + "/", "0" + token,
	}
	// Where it has a number, another number. Numbers beyond the last page, and those that are written in another way.
	replaced := func(text string, encode func(string) string) {
		at := number.FindStringIndex(text)
		if at == nil {
			return
		}
		before, digits, after := text[:at[0]], text[at[0]:at[1]], text[at[1]:]
		huge, _ := new(big.Int).SetString(digits, 10)
		for _, other := range []string{"0", "-1", "-" + digits, "+" + digits, "0" + digits, digits + "0000", huge.Add(huge, big.NewInt(1_000_000)).String(), "99999999999999999999", digits + ".0", " " + digits, digits + " ", "0x" + digits, digits + "e0", digits + "_0"} {
			all = append(all, encode(before+other+after))
		}
	}
	plain := func(text string) string { return text }
	replaced(token, plain)
	// The same under an encoding.
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(token); err == nil {
			replaced(string(decoded), func(text string) string { return encoding.EncodeToString([]byte(text)) })
			for _, other := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
				all = append(all, other.EncodeToString(append(decoded, 'x')), other.EncodeToString(decoded[:max(0, len(decoded)-1)]))
			}
		}
	}
	if decoded, err := hex.DecodeString(token); err == nil {
		replaced(string(decoded), func(text string) string { return hex.EncodeToString([]byte(text)) })
	}
	return all
}

// madeUp are tokens that no provider gives, and that one with a number for a token may take.
func madeUp() []string {
	var all []string
	for _, n := range []string{"0", "1000000", "-1", "99999999999999999999", "NaN", "null", "{}", "[]"} {
		all = append(all, n, "page-"+n, "offset="+n, strconv.Quote(n), hex.EncodeToString([]byte(n)))
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, encoding.EncodeToString([]byte(n)))
		}
	}
	return append(all, " ", "\x00", "\n", "'", "' OR 1=1", strings.Repeat("x", 3000))
}

func checkListSizes(ctx context.Context, e *exam) error {
	byDefault, _, err := e.list(ctx, 0)
	if err != nil {
		return err
	}
	slices.Sort(byDefault)
	for _, size := range []int32{3, 999, 1000, 1001, 1 << 30} {
		ids, largest, err := e.list(ctx, size)
		if err != nil {
			return err
		}
		slices.Sort(ids)
		if !slices.Equal(byDefault, ids) {
			return fmt.Errorf("pages of %d have %d ids, and pages without a size %d, or others", size, len(ids), len(byDefault))
		}
		if largest > min(int(size), 1000) {
			return fmt.Errorf("a page of size %d has %d", size, largest)
		}
	}
	return nil
}

// sampled is how many ids of a listing are read.
const sampled = 50

func checkListedExists(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	ids, _, err := e.list(ctx, 0)
	if err != nil {
		return err
	}
	f := e.options.Fixtures
	ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(f.Slow, id) || slices.Contains(f.Deleted, id) })
	return each(ids[:min(len(ids), sampled)], func(id string) error {
		_, err := i.get(ctx, id)
		if reason, _ := wellFormed(err); reason == credential.CredentialNotFound || reason == credential.CredentialIDInvalid {
			return fmt.Errorf("it lists %s, and GetCredential of it is %s", shown(id), string(reason))
		}
		return nil
	})
}
