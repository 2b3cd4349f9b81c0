package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestPageSizes(t *testing.T) {
	asked := 0
	s := serveConfigured(t, definition(&able{list: func(_ context.Context, size int, _ string) (credential.Page, error) {
		asked = size
		return credential.Page{}, nil
	}}))
	for given, want := range map[int32]int{0: 100, 1: 1, 99: 99, 1000: 1000, 1001: 1000, 1<<31 - 1: 1000} {
		if _, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{PageSize: given}); err != nil || asked != want {
			t.Errorf("page size %d reaches the provider as %d (%v), want %d", given, asked, err, want)
		}
	}
	for _, given := range []int32{-1, -1 << 31} {
		_, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{PageSize: given})
		mustFail(t, err, credential.RequestInvalid)
	}
}

func TestPaging(t *testing.T) {
	all := []credential.Summary{{ID: "a", Description: "d", LastChanged: time.Unix(1e9, 0).UTC()}, {ID: "b"}, {ID: "c"}}
	s := serveConfigured(t, definition(&able{list: func(_ context.Context, size int, token string) (credential.Page, error) {
		from := 0
		if token != "" {
			if _, err := fmt.Sscanf(token, "from%d", &from); err != nil {
				return credential.Page{}, credential.PageTokenInvalid
			}
		}
		to := min(from+size, len(all))
		page := credential.Page{Credentials: all[from:to]}
		if to < len(all) {
			page.NextToken = fmt.Sprint("from", to)
		}
		return page, nil
	}}))
	var ids []string
	token := ""
	for range 3 {
		page, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, summary := range page.GetCredentials() {
			ids = append(ids, summary.GetCredentialId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(ids, []string{"a", "b", "c"}) || token != "" {
		t.Errorf("listed %q, token %q", ids, token)
	}
	_, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{PageToken: "nonsense"})
	mustFail(t, err, credential.PageTokenInvalid)
}

func TestPagesThatTheContractForbids(t *testing.T) {
	for name, page := range map[string]credential.Page{
		"too many":        {Credentials: []credential.Summary{{ID: "a"}, {ID: "b"}, {ID: "c"}}},
		"token not UTF-8": {NextToken: "\xff"},
	} {
		s := serveConfigured(t, definition(&able{list: func(context.Context, int, string) (credential.Page, error) { return page, nil }}))
		_, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{PageSize: 2})
		if e := failure(t, err, credential.Internal); !strings.Contains(e.Message, "page") {
			t.Errorf("%s: %q", name, e.Message)
		}
	}
}

func TestOddEntriesDoNotHideTheOthers(t *testing.T) {
	page := credential.Page{Credentials: []credential.Summary{{ID: "a"}, {ID: ""}, {ID: "\xff"}, {ID: "x\n"}, {ID: strings.Repeat("x", 513)}, {ID: "b", Description: "\xff"}}}
	s := serveConfigured(t, definition(&able{list: func(context.Context, int, string) (credential.Page, error) { return page, nil }}))
	got, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{})
	if err != nil || len(got.GetCredentials()) != 2 || got.GetCredentials()[1].GetCredentialId() != "b" {
		t.Errorf("%v, %v", got, err)
	}
	if n := strings.Count(s.log.String(), "left out of a listing"); n != 4 {
		t.Errorf("the log counts %d", n)
	}
}

func TestValidate(t *testing.T) {
	var asked string
	s := serveConfigured(t, definition(&able{validate: func(_ context.Context, id string) (credential.Report, error) {
		asked = id
		return credential.Report{Checks: []credential.Check{
			{Name: "credentials", Status: credential.StatusPassed, Message: "found"},
			{Name: "read", Status: credential.StatusFailed, Message: "denied\xff", Remedy: "allow it", Reason: credential.AccessDenied},
		}}, nil
	}}))
	id := "lab"
	response, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{CredentialId: &id})
	if err != nil || asked != "lab" || len(response.GetChecks()) != 2 || response.GetChecks()[1].GetReason() != "ACCESS_DENIED" {
		t.Errorf("asked for %q: %v, %v", asked, response, err)
	}
	if _, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{}); err != nil || asked != "" {
		t.Errorf("without an id: %q, %v", asked, err)
	}
	for _, bad := range badIDs {
		_, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{CredentialId: &bad})
		mustFail(t, err, credential.CredentialIDInvalid)
	}
}
