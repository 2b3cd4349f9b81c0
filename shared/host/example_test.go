package host_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
)

// A whole host: it launches the provider that its settings name, and reads one credential.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	provider, err := host.Start(ctx, host.Options{
		Name:     "aws_secrets_manager",
		Dirs:     []string{"/usr/local/libexec/tom/plugins"},
		Settings: host.Settings{"region": {Value: "us-east-1", Origin: "this example"}},
		Logger:   hclog.New(&hclog.LoggerOptions{Name: "worker", Level: hclog.Info}),
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = provider.Close() }()

	cred, err := provider.Get(ctx, credential.Request{ID: "lab_creds"})
	if err != nil {
		log.Printf("%s: %v", credential.ReasonOf(err), err)
		return
	}
	fmt.Println(cred.Username, cred.Password) // the password prints as [REDACTED]
}
