// Program tom-credential-vault is a provider for tests: one with settings that must be set and one that is a secret, with a
// check that fails, and with ids at which it loses its head and tries to take the secret along.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

type settings struct {
	Address string              `json:"address" jsonschema:"URL of the vault."`
	Token   credential.Redacted `json:"token" jsonschema:"What the vault knows this worker by."`
	Mounts  []string            `json:"mounts,omitempty" jsonschema:"Where to look."`
}

type vault struct {
	settings
	log hclog.Logger
}

func (v *vault) Get(_ context.Context, request credential.Request) (*credential.Credential, error) {
	switch request.ID {
	case "panic":
		panic("token " + v.Token.Reveal())
	case "print":
		fmt.Println("token", v.Token.Reveal())
		fmt.Fprintln(os.Stderr, "token", v.Token.Reveal())
		v.log.Error("token "+v.Token.Reveal(), "token", v.Token.Reveal())
	case "crash":
		go func() { panic("token " + v.Token.Reveal()) }()
		select {} // until it has happened
	}
	return &credential.Credential{ID: request.ID, Username: "admin", Password: credential.Some(v.Token)}, nil
}

func (v *vault) Validate(context.Context, string) (credential.Report, error) {
	return credential.Report{Checks: []credential.Check{
		{Name: "address", Status: credential.StatusPassed, Message: "it is one"},
		{Name: "seal", Status: credential.StatusFailed, Message: "the vault is sealed", Remedy: "vault operator unseal", Reason: credential.BackendUnavailable},
	}}, nil
}

func main() {
	provider.Main(provider.Definition[settings, *vault]{
		Name:        "vault",
		Version:     "0.1.0",
		Description: "gives its token away",
		New:         func(s settings, log hclog.Logger) (*vault, error) { return &vault{s, log}, nil },
	})
}
