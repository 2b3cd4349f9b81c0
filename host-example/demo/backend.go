package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// secret is one secret. Its version's id is chosen here, so that the output is the same each time.
type secret struct {
	name, value, version string
}

// fill creates the secrets as an operator would, through the API.
func fill(ctx context.Context, backend *awssmtest.Server, secrets []secret) error {
	client := secretsmanager.New(secretsmanager.Options{
		Region:       backend.DefaultRegion(),
		BaseEndpoint: aws.String(backend.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider(awssmtest.AccessKeyID, awssmtest.SecretAccessKey, ""),
	})
	for _, s := range secrets {
		_, err := client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
			Name:               aws.String(s.name),
			SecretString:       aws.String(s.value),
			ClientRequestToken: aws.String(s.version),
		})
		if err != nil {
			return fmt.Errorf("create secret %s: %w", s.name, err)
		}
	}
	return nil
}
