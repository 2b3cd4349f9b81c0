// Command minimal is a whole host, the smallest one: it logs in to one device over HTTP, as RESTCONF does, with a credential that
// a provider reads. Start with it when you write a host; shared/host/README.md goes through it.
//
//	minimal lab_creds https://switch-17.example.com/restconf
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
	"github.com/tom-worker/credential-provider/shared/text"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: minimal CREDENTIAL_ID URL")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", text.Printable(err.Error())) // it may quote what a device or a provider has said
		os.Exit(1)
	}
}

func run(ctx context.Context, id, device string) error {
	_ = host.Harden() // passwords stay out of core files
	provider, err := host.Start(ctx, host.Options{
		Name:     "yaml",
		Dirs:     []string{"plugins"},
		Settings: host.Settings{"credential_file": {Value: "creds.yml"}},
		Logger:   hclog.New(&hclog.LoggerOptions{Name: "minimal", Level: hclog.Warn}),
	})
	if err != nil {
		return err
	}
	defer func() { _ = provider.Close() }()
	credentials := store.New(provider, store.Options{Logger: slog.Default()})
	defer credentials.Close()
	logins, err := guard.New(credentials, guard.Options{Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer func() { _ = logins.Close() }()
	return logins.Login(ctx, id, device, func(ctx context.Context, attempt *guard.Attempt) error {
		return login(ctx, attempt, device)
	})
}

// login makes one attempt. Only what the device says is a refusal: no answer is none.
func login(ctx context.Context, attempt *guard.Attempt, device string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, device, nil)
	if err != nil {
		return err
	}
	credential, err := attempt.Present(ctx) // waits until the account can bear another login
	if err != nil {
		return err
	}
	password, _ := credential.Password.Get()
	request.SetBasicAuth(credential.Username, password.Reveal())
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusUnauthorized {
		return guard.ErrRefused
	}
	fmt.Printf("%s: logged in as %s (%s)\n", device, credential.Username, answer.Status)
	return nil
}
