package store_test

import (
	"context"
	"fmt"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

var _ store.BatchProvider = (*host.Provider)(nil)

// vault stands for a provider.
type vault map[string]string

func (v vault) Get(_ context.Context, r credential.Request) (*credential.Credential, error) {
	password, ok := v[r.ID]
	if !ok {
		return nil, credential.Errorf(credential.CredentialNotFound, "there is no credential %q", r.ID)
	}
	return &credential.Credential{ID: r.ID, Username: "admin", Password: credential.Some(credential.NewRedacted(password))}, nil
}

func ExampleStore_Login() {
	provider := vault{"lab_creds": "old"}
	credentials := store.New(provider, store.DefaultOptions())
	defer credentials.Close()

	login := func(_ context.Context, lease store.Lease) error {
		password, _ := lease.Password.Get()
		fmt.Println("switch-17 is sent the", password.Reveal(), "password")
		if password.Reveal() != "new" {
			return store.ErrRefused
		}
		return nil
	}
	_, _ = credentials.Get(context.Background(), "lab_creds")
	provider["lab_creds"] = "new" // a rotation
	fmt.Println(credentials.Login(context.Background(), "lab_creds", "switch-17", login))
	// Output:
	// switch-17 is sent the old password
	// switch-17 is sent the new password
	// <nil>
}
