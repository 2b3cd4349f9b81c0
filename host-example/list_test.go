package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// lister is a provider that gives pages.
type lister struct {
	observe.Provider
	page func(token string) credential.Page
}

func (l lister) List(_ context.Context, _ int, token string) (credential.Page, error) {
	return l.page(token), nil
}

// A listing whose pages don't end is the provider's fault, whatever its tokens are.
func TestEndlessListing(t *testing.T) {
	n := 0
	for name, page := range map[string]func(token string) credential.Page{
		"one token": func(string) credential.Page { return credential.Page{NextToken: "again"} },
		"two in turn": func(token string) credential.Page {
			return credential.Page{NextToken: map[string]string{"a": "b"}[token] + "a"}
		},
		"always another": func(string) credential.Page { n++; return credential.Page{NextToken: fmt.Sprint(n)} },
	} {
		if _, err := listAll(t.Context(), lister{page: page}); !errors.Is(err, credential.ProviderMisbehaved) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	ids, err := listAll(t.Context(), lister{page: func(token string) credential.Page {
		next := map[string]string{"": "a", "a": "b"}[token]
		return credential.Page{Credentials: []credential.Summary{{ID: "same"}, {ID: "of " + token}}, NextToken: next}
	}})
	if err != nil || !slices.Equal(ids, []string{"of ", "of a", "of b", "same"}) {
		t.Errorf("%q, %v", ids, err)
	}
}
