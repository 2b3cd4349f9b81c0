package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// listAll follows the pages to the end.
func listAll(t *testing.T, p *awsProvider, size int) []string {
	t.Helper()
	var ids []string
	token := ""
	for {
		page, err := p.List(within(t, 10*time.Second), size, token)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Credentials) > size {
			t.Errorf("%d on a page of %d", len(page.Credentials), size)
		}
		for _, summary := range page.Credentials {
			ids = append(ids, summary.ID)
		}
		if token = page.NextToken; token == "" {
			slices.Sort(ids)
			return ids
		}
	}
}

func TestList(t *testing.T) {
	server, p := start(t)
	var want []string
	for i := range 25 {
		id := fmt.Sprintf("device-%02d", i)
		server.PutSecret("tom/credentials/"+id, labSecret)
		want = append(want, id)
	}
	for _, other := range []string{"tom/credentials", "tom/credentials/", "Tom/credentials/x", "tom/credentialsx/y", "other", "tom/credentials/../climb"} {
		server.PutSecret(other, labSecret)
	}
	server.PutSecret("tom/credentials/gone", labSecret)
	server.ScheduleDeletion("tom/credentials/gone")
	for _, size := range []int{1, 7, 100, 1000} {
		if got := listAll(t, p, size); !slices.Equal(got, want) {
			t.Errorf("size %d: %v", size, got)
		}
	}
}

func TestListIsCheap(t *testing.T) {
	server, p := start(t)
	for i := range 250 {
		server.PutSecret(fmt.Sprintf("tom/credentials/%04d", i), labSecret)
	}
	if got := len(listAll(t, p, 1000)); got != 250 {
		t.Errorf("%d ids, want 250", got)
	}
	if calls := server.Count("ListSecrets"); calls != 3 {
		t.Errorf("%d calls for 250 secrets, want 3", calls)
	}
}

func TestListEmptyPrefix(t *testing.T) {
	server, p := start(t, func(s *settings) { s.SecretPrefix = "" })
	server.PutSecret("a", labSecret)
	server.PutSecret("b/c", labSecret)
	if got := listAll(t, p, 10); !slices.Equal(got, []string{"a", "b/c"}) {
		t.Errorf("ids = %v", got)
	}
}

func TestListTokens(t *testing.T) {
	server, p := start(t)
	for _, id := range []string{"a", "b", "c"} {
		server.PutSecret("tom/credentials/"+id, labSecret)
	}
	page, err := p.List(t.Context(), 1, "")
	if err != nil || page.NextToken == "" {
		t.Fatalf("first page: %+v, %v", page, err)
	}
	t.Run("survives a restart", func(t *testing.T) {
		again, _ := open(t, atServer(server))
		if _, err := again.List(t.Context(), 1, page.NextToken); err != nil {
			t.Fatal(err)
		}
	})
	other := atServer(server)
	other.SecretPrefix = "tom/"
	elsewhere, _ := open(t, other)
	flipped := []byte(page.NextToken)
	flipped[len(flipped)/2] ^= 1
	tests := map[string]struct {
		provider *awsProvider
		token    string
	}{
		"nonsense":             {p, "nonsense"},
		"not base64":           {p, "%%%"},
		"short":                {p, "AAAA"},
		"cut":                  {p, page.NextToken[:len(page.NextToken)-4]},
		"changed":              {p, string(flipped)},
		"of another prefix":    {elsewhere, page.NextToken},
		"unknown to AWS":       {p, p.sealToken(pagePlace{token: "never given"})},
		"AWS's own, unwrapped": {p, "AWSNextToken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.provider.List(t.Context(), 1, test.token)
			_ = wantReason(t, err, credential.PageTokenInvalid)
		})
	}
}

func TestListFailures(t *testing.T) {
	server, p := start(t)
	t.Run("denied", func(t *testing.T) {
		rule := server.Deny(awssmtest.Denial{Action: actionList})
		defer rule.Remove()
		_, err := p.List(t.Context(), 10, "")
		e := wantReason(t, err, credential.AccessDenied)
		wantContains(t, strings.Join(e.Help, "\n"), `"Action": "secretsmanager:ListSecrets", "Resource": "*"`)
		if e.Metadata["action"] != actionList {
			t.Errorf("metadata = %q", e.Metadata)
		}
	})
	t.Run("HTML", func(t *testing.T) {
		fault := server.Inject(awssmtest.Fault{Operation: "ListSecrets", Body: "<html>"})
		defer fault.Remove()
		_, err := p.List(t.Context(), 10, "")
		_ = wantReason(t, err, credential.BackendMisconfigured)
	})
}
