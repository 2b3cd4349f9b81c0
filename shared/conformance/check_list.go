package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var listChecks = []check{
	{Info: Info{"CP-LIST-001", Must, "a listing ends, and has every credential that exists",
		"ListCredentials lists what could be read, one page a call"},
		needs: credential.CapabilityList, run: checkListComplete},
	{Info: Info{"CP-LIST-002", Must, "it has none that doesn't exist",
		"ListCredentials lists what could be read"},
		needs: credential.CapabilityList, after: "CP-LIST-001", run: checkListExact},
	{Info: Info{"CP-LIST-003", Must, "small pages have every id once, and together what one large page has",
		"ListCredentials: each id comes once in a listing of a backend that doesn't change"},
		needs: credential.CapabilityList, after: "CP-LIST-001", run: checkListDisjoint},
	{Info: Info{"CP-LIST-004", Must, "a page has at most as many as were asked for",
		"ListCredentialsRequest.page_size: at most so many on the page"},
		needs: credential.CapabilityList, after: "CP-LIST-001", run: checkPageSize},
	{Info: Info{"CP-LIST-005", Must, "a page token that no page had is PAGE_TOKEN_INVALID",
		"ListCredentialsRequest.page_token: empty, else next_page_token of the page before; anything else is PAGE_TOKEN_INVALID"},
		needs: credential.CapabilityList, after: "CP-LIST-001", run: checkPageToken},
	{Info: Info{"CP-LIST-006", Must, "a negative page size is REQUEST_INVALID, a huge one counts as 1,000",
		"ListCredentialsRequest.page_size: negative: REQUEST_INVALID; over 1,000 counts as 1,000"},
		needs: credential.CapabilityList, after: "CP-LIST-001", run: checkPageBounds},
}

// maxPages is how many pages a listing of a backend for tests may have.
const maxPages = 10000

// page reads one page.
func (i *instance) page(ctx context.Context, size int32, token string) (*credentialv1.ListCredentialsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return i.provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{PageSize: size, PageToken: token})
}

// list reads a whole listing. largest is how many the largest page had.
func (e *exam) list(ctx context.Context, size int32) (ids []string, largest int, err error) {
	i, err := e.configured(ctx)
	if err != nil {
		return nil, 0, err
	}
	seen := map[string]bool{}
	for token := ""; ; {
		page, err := i.page(ctx, size, token)
		if err != nil {
			return nil, 0, succeed("ListCredentials", err)
		}
		for _, summary := range page.GetCredentials() {
			ids = append(ids, summary.GetCredentialId())
		}
		largest = max(largest, len(page.GetCredentials()))
		token = page.GetNextPageToken()
		if token == "" {
			return ids, largest, nil
		}
		if seen[token] || len(seen) > maxPages {
			return nil, 0, errors.New("the listing doesn't end: it goes round, or has too many pages")
		}
		seen[token] = true
	}
}

func checkListComplete(ctx context.Context, e *exam) error {
	ids, _, err := e.list(ctx, 0)
	if err != nil {
		return err
	}
	for _, id := range e.ids() {
		if !slices.Contains(ids, id) {
			return fmt.Errorf("%q is not in it", id)
		}
	}
	return nil
}

func checkListExact(ctx context.Context, e *exam) error {
	ids, _, err := e.list(ctx, 0)
	if err != nil {
		return err
	}
	for _, id := range e.options.Fixtures.Missing {
		if slices.Contains(ids, id) {
			return fmt.Errorf("%q is in it", id)
		}
	}
	return nil
}

func checkListDisjoint(ctx context.Context, e *exam) error {
	small, _, err := e.list(ctx, 1)
	if err != nil {
		return err
	}
	large, _, err := e.list(ctx, 1000)
	if err != nil {
		return err
	}
	slices.Sort(small)
	slices.Sort(large)
	switch {
	case len(slices.Compact(slices.Clone(small))) != len(small):
		return errors.New("an id comes twice with pages of 1")
	case len(slices.Compact(slices.Clone(large))) != len(large):
		return errors.New("an id comes twice with pages of 1,000")
	case !slices.Equal(small, large):
		return fmt.Errorf("pages of 1 have %d ids, pages of 1,000 have %d, and not the same", len(small), len(large))
	}
	return nil
}

func checkPageSize(ctx context.Context, e *exam) error {
	_, largest, err := e.list(ctx, 1)
	if err == nil && largest > 1 {
		err = fmt.Errorf("a page of size 1 has %d", largest)
	}
	return err
}

func checkPageToken(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, token := range []string{"no-such-token", "0", "1", "999999999", "bm8tc3VjaC10b2tlbg", e.anyID(), "\x00"} {
		_, err := i.page(ctx, 1, token)
		if err := expect(fmt.Sprintf("page token %q", token), err, credential.PageTokenInvalid); err != nil {
			return err
		}
	}
	return nil
}

func checkPageBounds(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	_, err = i.page(ctx, -1, "")
	if err := expect("page size -1", err, credential.RequestInvalid); err != nil {
		return err
	}
	_, err = i.page(ctx, 1<<30, "")
	return succeed("a page size of a billion", err)
}
