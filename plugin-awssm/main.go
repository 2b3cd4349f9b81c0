// Program tom-credential-aws_secrets_manager is the credential provider for AWS Secrets Manager: it reads device
// credentials that are stored as JSON objects under a common prefix of secret names.
//
// A call goes through the files in this order: name.go (credential id to secret name), fetch.go, batch.go or list.go (the
// calls to AWS, region by region), client.go (AWS configuration and clients), keyring.go and chain.go (the AWS credentials that sign
// the calls), parse.go (the secret's JSON), errors.go and transport.go (what AWS or the network refused). validate.go tries
// all of it and reports.
package main

import "github.com/tom-worker/credential-provider/shared/provider"

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	provider.Main(provider.Definition[settings, *awsProvider]{
		Name:        "aws_secrets_manager",
		Version:     version,
		Description: "reads device credentials from AWS Secrets Manager",
		Defaults:    defaultSettings(),
		New:         newProvider,
	})
}
