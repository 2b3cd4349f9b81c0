// Package awscreds finds AWS credentials as boto3 finds them, and renews them.
//
// Users come from a worker that used boto3: their variables and files must go on meaning the same identity. So variables,
// the shared files and the order of the sources are read here by botocore's rules, and the AWS SDK's own reading decides
// nothing; its clients then speak to STS, SSO and instance metadata.
//
//	environment, err := awscreds.Load(awscreds.Options{Profile: "lab", RequestTimeout: 3 * time.Second})
//	chain := awscreds.NewChain(environment, log)
//	keys := awscreds.NewKeyring(chain, log)
//	config, err := environment.ConfigOf("Secrets Manager") // region, HTTP client, endpoint, attempts
//	config.Credentials = keys
//
// Where this differs from boto3 on purpose is a list in README.md, and in the test that compares the two.
//
// Errors are *credential.Error: BACKEND_UNAUTHENTICATED if there will be no credentials like this, BACKEND_MISCONFIGURED if
// variables or files can't be used, BACKEND_UNAVAILABLE if trying later may help. They name the file, profile and key that
// they are about, and never hold a key, a token or what a credential process printed.
package awscreds
