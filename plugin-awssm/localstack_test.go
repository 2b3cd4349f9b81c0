//go:build unix

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/externaltool"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestLocalStack reads, lists and validates at a Secrets Manager that was not written here, with its accounts: LocalStack takes a
// twelve-digit access key id for an account.
func TestLocalStack(t *testing.T) {
	url := externaltool.LocalStack(t)
	create := func(account, name, value string) {
		t.Helper()
		client := secretsmanager.New(secretsmanager.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider(account, "test", ""),
		})
		input := &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String(value)}
		if _, err := client.CreateSecret(within(t, time.Minute), input); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"lab", "branch_1"} {
		create("123456789012", "tom/credentials/"+id, of("own"))
		create(otherAccount, "tom/credentials/"+id, of("other"))
	}
	create("123456789012", "tom/passwords/lab", canary)

	awsFiles(t, "", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "123456789012")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_ENDPOINT_URL_STS", url)
	s := defaultSettings()
	s.Region, s.EndpointURL, s.RequestTimeout = "us-east-1", url, duration(time.Minute)

	t.Run("plain", func(t *testing.T) {
		p, _ := open(t, s)
		ctx := within(t, time.Minute)
		found, err := p.Get(ctx, credential.Request{ID: "lab"})
		if err != nil || found.Username != "own" || found.VersionID == "" {
			t.Fatalf("got %+v, %v", found, err)
		}
		results, err := p.GetBatch(ctx, []credential.Request{{ID: "lab"}, {ID: "branch_1"}, {ID: "absent"}})
		if err != nil || results[0].Err != nil || results[1].Err != nil {
			t.Fatalf("batch: %+v, %v", results, err)
		}
		_ = wantReason(t, results[2].Err, credential.CredentialNotFound)
		if got := listAll(t, p, 10); !slices.Equal(sorted(got), []string{"branch_1", "lab"}) {
			t.Errorf("ids = %v", got)
		}
		report, err := p.Validate(ctx, "lab")
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range report.Checks {
			if check.Status == credential.StatusFailed {
				t.Errorf("check = %+v", check)
			}
		}
	})
	t.Run("password", func(t *testing.T) {
		own := s
		own.SecretPrefix, own.SecretFormat, own.Username = "tom/passwords/", formatPassword, "admin"
		p, _ := open(t, own)
		if _, err := p.Get(within(t, time.Minute), credential.Request{ID: "lab"}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("by role", func(t *testing.T) {
		if !hasSTS(t, url) {
			t.Skip("this LocalStack runs on a Python before 3.12, which can't load its STS: every AssumeRole is an internal error")
		}
		own := s
		own.RoleARN, own.ExternalID = otherRole, "choose-a-value"
		p, _ := open(t, own)
		if found, err := p.Get(within(t, time.Minute), credential.Request{ID: "lab"}); err != nil || found.Username != "other" {
			t.Errorf("got %+v, %v", found, err)
		}
	})
	t.Run("by routes", func(t *testing.T) {
		awsFiles(t, "", "[other]\naws_access_key_id = "+otherAccount+"\naws_secret_access_key = test\n")
		own := s
		own.Routes = []string{"branch_* profile=other"}
		p, _ := open(t, own)
		for id, account := range map[string]string{"lab": "own", "branch_1": "other"} {
			found, err := p.Get(within(t, time.Minute), credential.Request{ID: id})
			if err != nil || found.Username != account {
				t.Errorf("%s: %+v, %v; want %s", id, found, err, account)
			}
		}
	})
	t.Run("by ARN", func(t *testing.T) {
		own := s
		own.SecretPrefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/credentials/"
		p, _ := open(t, own)
		if found, err := p.Get(within(t, time.Minute), credential.Request{ID: "lab"}); err != nil || found.Username != "own" {
			t.Errorf("got %+v, %v", found, err)
		}
	})
}

// hasSTS reports whether LocalStack can load its STS. It is written in the language of Python 3.12.
func hasSTS(t *testing.T, url string) bool {
	t.Helper()
	client := sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider("123456789012", "test", ""),
	})
	_, err := client.GetCallerIdentity(within(t, time.Minute), nil)
	if err != nil && !strings.Contains(err.Error(), "invalid syntax") {
		t.Fatal(err)
	}
	return err == nil
}
