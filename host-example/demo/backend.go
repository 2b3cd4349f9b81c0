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

// operator works on the backend as one does, through the API.
func operator(backend *awssmtest.Server) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:       backend.DefaultRegion(),
		BaseEndpoint: aws.String(backend.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider(awssmtest.AccessKeyID, awssmtest.SecretAccessKey, ""),
	})
}

// fill creates the secrets.
func fill(ctx context.Context, backend *awssmtest.Server, secrets []secret) error {
	for _, s := range secrets {
		_, err := operator(backend).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
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

// put gives a secret a new value.
func put(ctx context.Context, backend *awssmtest.Server, s secret) error {
	_, err := operator(backend).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:           aws.String(s.name),
		SecretString:       aws.String(s.value),
		ClientRequestToken: aws.String(s.version),
	})
	if err != nil {
		return fmt.Errorf("put secret %s: %w", s.name, err)
	}
	return nil
}
