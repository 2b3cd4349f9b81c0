package awssmtest

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	workerARN  = "arn:aws:iam::123456789012:role/path/worker"
	otherKey   = "arn:aws:kms:us-east-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	readAll    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	readShared = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + workerARN + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	useKey     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"kms:*","Resource":"*"}]}`
	decrypting = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + otherKey + `","Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}}}]}`
)

// one is a policy of one statement, with an array where IAM takes one or several.
func one(statement string) string {
	return `{"Version":"2012-10-17","Statement":[` + statement + `]}`
}

// TestPoliciesAcrossAccounts: another account's secret is read where the identity's policies, the secret's and its key's allow it.
func TestPoliciesAcrossAccounts(t *testing.T) {
	type world struct{ identity, secret, key string }
	whole := world{identity: readAll, secret: readShared, key: useKey}
	for name, test := range map[string]struct {
		change  func(*world)
		code    string // empty: read
		message string
	}{
		"allowed by all":            {func(*world) {}, "", ""},
		"no policy of the identity": {func(w *world) { w.identity = "" }, "", ""},
		"no policy of the secret":   {func(w *world) { w.secret = "" }, "AccessDeniedException", "because no resource-based policy allows the secretsmanager:GetSecretValue action"},
		"the identity may not":      {func(w *world) { w.identity = one(`{"Effect":"Allow","Action":"secretsmanager:List*","Resource":"*"}`) }, "AccessDeniedException", "because no identity-based policy allows"},
		"of other names": {func(w *world) {
			w.identity = strings.Replace(readAll, `"*"`, `"arn:aws:secretsmanager:us-east-1:210987654321:secret:prod/*"`, 1)
		}, "AccessDeniedException", "because no identity-based policy allows"},
		"of its name": {func(w *world) {
			w.identity = strings.Replace(readAll, `"*"`, `"arn:aws:secretsmanager:*:210987654321:secret:tom/??b-*"`, 1)
		}, "", ""},
		"another principal": {func(w *world) { w.secret = strings.Replace(readShared, "worker", "writer", 1) }, "AccessDeniedException", "no resource-based policy"},
		"the whole account": {func(w *world) { w.secret = strings.Replace(readShared, workerARN, "arn:aws:iam::123456789012:root", 1) }, "", ""},
		"one of several principals": {func(w *world) {
			w.secret = strings.Replace(readShared, `"`+workerARN+`"`, `["210987654321","`+workerARN+`"]`, 1)
		}, "", ""},
		"anyone": {func(w *world) { w.secret = strings.Replace(readShared, `{"AWS":"`+workerARN+`"}`, `"*"`, 1) }, "", ""},
		"a label that isn't asked": {func(w *world) {
			w.secret = strings.Replace(readShared, `"Resource":"*"`, `"Resource":"*","Condition":{"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}}`, 1)
		}, "AccessDeniedException", "no resource-based policy"},
		"denied by the secret": {func(w *world) {
			w.secret = one(`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny","Principal":{"AWS":"` + workerARN + `"},"Action":"*","Resource":"*"}`)
		}, "AccessDeniedException", "with an explicit deny in a resource-based policy"},
		"denied to the identity": {func(w *world) {
			w.identity = one(`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"secretsmanager:Get*","Resource":"*"}`)
		}, "AccessDeniedException", "with an explicit deny in an identity-based policy"},
		"the key's policy is silent": {func(w *world) { w.key = strings.Replace(useKey, "123456789012", "333333333333", 1) }, "AccessDeniedException", "Access to KMS is not allowed"},
		"the key has none":           {func(w *world) { w.key = "" }, "AccessDeniedException", "Access to KMS is not allowed"},
		"the default key":            {func(w *world) { w.key = "default" }, "InvalidRequestException", "default KMS service key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole
			test.change(&w)
			s := StartTest(t, Options{})
			other := s.InAccount("210987654321", "us-east-1")
			other.PutSecret("tom/lab", "v")
			if w.identity != "" {
				s.AttachPolicy(workerARN, w.identity)
				s.AttachPolicy(workerARN, decrypting)
			}
			if w.secret != "" {
				other.SetPolicy("tom/lab", w.secret)
			}
			if w.key != "default" {
				other.SetKey("tom/lab", otherKey)
			}
			if w.key != "" && w.key != "default" {
				s.PutPolicy(otherKey, w.key)
			}
			_, err := get(t, worker(t, s).secrets(s.URL()), "arn:aws:secretsmanager:us-east-1:210987654321:secret:tom/lab")
			if message := wantCode(t, err, test.code); !strings.Contains(message, test.message) {
				t.Errorf("message = %q, want %q", message, test.message)
			}
		})
	}
}

// worker is a session of the worker's role.
func worker(t *testing.T, s *Server) caller {
	t.Helper()
	session := s.AddSession("arn:aws:sts::123456789012:assumed-role/worker/session", time.Hour)
	by := defaultCaller(t)
	by.provider = credentials.NewStaticCredentialsProvider(session.AccessKeyID, session.SecretAccessKey, session.SessionToken)
	return by
}

// TestPoliciesWithinAccount: one policy that allows is enough, and no listing is one of secrets.
func TestPoliciesWithinAccount(t *testing.T) {
	s := StartTest(t, Options{})
	s.PutSecret("tom/lab", "v")
	s.PutSecret("tom/shared", "v")
	s.In("us-east-1").SetPolicy("tom/shared", readShared)
	s.AttachPolicy(workerARN, strings.Replace(readAll, `"*"`, `"arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/l*"`, 1))
	client := worker(t, s).secrets(s.URL())
	for _, id := range []string{"tom/lab", "tom/shared"} {
		_, err := get(t, client, id)
		check(t, err)
	}
	_, err := get(t, client, "tom/unknown")
	wantCode(t, err, "AccessDeniedException")
	_, err = client.ListSecrets(t.Context(), nil)
	wantCode(t, err, "AccessDeniedException")
	_, err = get(t, defaultCaller(t).secrets(s.URL()), "tom/lab") // who has no policy may do everything
	check(t, err)
}

// TestResourcePolicies: the operations, and what they refuse.
func TestResourcePolicies(t *testing.T) {
	s, client := start(t, Options{})
	s.PutSecret("tom/lab", "v")
	id := aws.String("tom/lab")
	put := func(text string, block bool) error {
		_, err := client.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: id, ResourcePolicy: &text, BlockPublicPolicy: aws.Bool(block)})
		return err
	}
	check(t, put(readShared, true))
	got, err := client.GetResourcePolicy(t.Context(), &secretsmanager.GetResourcePolicyInput{SecretId: id})
	check(t, err)
	if aws.ToString(got.ResourcePolicy) != readShared || aws.ToString(got.Name) != "tom/lab" {
		t.Errorf("policy = %s of %s", aws.ToString(got.ResourcePolicy), aws.ToString(got.Name))
	}
	_, err = client.DeleteResourcePolicy(t.Context(), &secretsmanager.DeleteResourcePolicyInput{SecretId: id})
	check(t, err)
	got, err = client.GetResourcePolicy(t.Context(), &secretsmanager.GetResourcePolicyInput{SecretId: id})
	check(t, err)
	if got.ResourcePolicy != nil {
		t.Errorf("policy = %s", *got.ResourcePolicy)
	}
	for _, text := range []string{"{", one(""), one(`{"Effect":"Maybe","Action":"*"}`), one(`{"Effect":"Allow"}`), one(`{"Effect":"Allow","Action":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`), one(`{"Effect":"Allow","NotAction":"*"}`)} {
		wantCode(t, put(text, false), "MalformedPolicyDocumentException")
	}
	everybody := one(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
	wantCode(t, put(everybody, true), "PublicPolicyException")
	check(t, put(everybody, false))
	id = aws.String("tom/none")
	wantCode(t, put(readShared, false), "ResourceNotFoundException")
}

// TestRolePolicies: a role that has a policy trusts whom that names, with the external id that it asks for.
func TestRolePolicies(t *testing.T) {
	s := StartTest(t, Options{})
	const role = "arn:aws:iam::210987654321:role/readers"
	s.PutPolicy(role, one(`{"Effect":"Allow","Principal":{"AWS":"`+workerARN+`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"agreed"}}}`))
	assume := func(by caller, externalID *string) error {
		_, err := by.sts(s.URL()).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("me"), ExternalId: externalID})
		return err
	}
	check(t, assume(worker(t, s), aws.String("agreed")))
	wantCode(t, assume(worker(t, s), aws.String("guessed")), "AccessDenied")
	wantCode(t, assume(worker(t, s), nil), "AccessDenied")
	wantCode(t, assume(defaultCaller(t), aws.String("agreed")), "AccessDenied")
	s.AttachPolicy(workerARN, readAll)
	wantCode(t, assume(worker(t, s), aws.String("agreed")), "AccessDenied")
	s.AttachPolicy(workerARN, one(`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+role+`"}`))
	check(t, assume(worker(t, s), aws.String("agreed")))
}
