package store_test

import (
	"context"
	"fmt"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

var _ store.BatchSource = (*host.Provider)(nil)

// vault stands for a provider.
type vault map[string]string

func (v vault) Get(_ context.Context, r credential.Request) (*credential.Credential, error) {
	password, ok := v[r.ID]
	if !ok {
		return nil, credential.Errorf(credential.CredentialNotFound, "there is no credential %q", r.ID)
	}
	return &credential.Credential{ID: r.ID, Username: "admin", Password: credential.Password(password)}, nil
}

func ExampleStore_Get() {
	credentials := store.New(vault{"lab_creds": "example"}, store.Options{})
	defer credentials.Close()
	for range 2 {
		result, err := credentials.Get(context.Background(), "lab_creds")
		fmt.Println(result.Username, result.Freshness, err)
	}
	// Output:
	// admin fresh <nil>
	// admin cached <nil>
}
