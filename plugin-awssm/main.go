// Program tom-credential-aws_secrets_manager is the credential provider for AWS Secrets Manager: it reads device
// credentials that are stored as secrets under a common prefix of names.
//
// A call goes through the files in this order: routes.go (which settings a credential id has), name.go (credential id to
// secret name), fetch.go, batch.go or list.go (the calls to AWS, region by region), connection.go (the clients), parse.go and
// pointer.go (the secret's text), errors.go (what AWS refused). validate.go tries all of it and reports.
// internal/awscreds finds the AWS credentials that sign the calls, internal/transport carries them.
package main

import "github.com/tom-worker/credential-provider/shared/provider"

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	provider.Main(provider.Definition[settings, *awsProvider]{
		Name:        "aws_secrets_manager",
		Version:     version,
		Description: "reads device credentials from AWS Secrets Manager",
		Versions:    true,
		Defaults:    defaultSettings(),
		New:         newProvider,

		PreviousVersionLabel: "AWSPREVIOUS",
	})
}
