package providertest_test

import (
	"context"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
	"github.com/tom-worker/credential-provider/shared/provider/providertest"
)

type settings struct {
	Username string `json:"username,omitempty" jsonschema:"The username of every credential."`
}

// echo is a provider whose passwords are made of the ids.
type echo struct{ username string }

func (e *echo) Get(_ context.Context, request credential.Request) (*credential.Credential, error) {
	switch request.ID {
	case "absent":
		return nil, credential.Errorf(credential.CredentialNotFound, "there is no credential %q", request.ID)
	case "panic":
		panic("with a value that must not be seen")
	}
	return &credential.Credential{
		ID:       request.ID,
		Username: e.username,
		Password: credential.Password("password of " + request.ID),
	}, nil
}

func (e *echo) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	results := make([]credential.Result, len(requests))
	for i, request := range requests {
		results[i].Credential, results[i].Err = e.Get(ctx, request)
	}
	return results, nil
}

func (e *echo) List(context.Context, int, string) (credential.Page, error) {
	return credential.Page{Credentials: []credential.Summary{{ID: "lab", Description: "the laboratory"}}, NextToken: "more"}, nil
}

func (e *echo) Validate(_ context.Context, id string) (credential.Report, error) {
	return credential.Report{Checks: []credential.Check{{Name: "read", Status: credential.StatusPassed, Message: id}}}, nil
}

var definition = provider.Definition[settings, *echo]{
	Name:        "echo",
	Version:     "1.0.0",
	Description: "makes credentials of their ids",
	Defaults:    settings{Username: "admin"},
	New:         func(s settings, _ hclog.Logger) (*echo, error) { return &echo{s.Username}, nil },
}

// The body of a test as a provider's author would write it.
func ExampleServe() {
	testGet := func(t *testing.T) {
		p := providertest.Serve(t, definition, map[string]any{"username": "netops"})
		got, err := p.Get(t.Context(), credential.Request{ID: "lab"})
		if err != nil {
			t.Fatal(err)
		}
		if got.Username != "netops" {
			t.Errorf("username %q", got.Username)
		}
	}
	_ = testGet // in a test file it is func TestGet(t *testing.T)
}
