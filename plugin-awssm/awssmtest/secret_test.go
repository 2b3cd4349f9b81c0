package awssmtest

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func TestCreateAndGet(t *testing.T) {
	s, client := start(t, Options{})
	created, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name:         aws.String("tom/credentials/lab_+=.@-1"),
		SecretString: aws.String(`{"username":"admin"}`),
		Description:  aws.String("a lab"),
		Tags:         []types.Tag{{Key: aws.String("team"), Value: aws.String("net")}},
	})
	check(t, err)
	arn := aws.ToString(created.ARN)
	if !regexp.MustCompile(`^arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/credentials/lab_\+=\.@-1-[A-Za-z0-9]{6}$`).MatchString(arn) {
		t.Errorf("ARN = %q", arn)
	}
	for name, id := range map[string]string{"name": *created.Name, "ARN": arn, "ARN without suffix": arn[:len(arn)-7]} {
		out, err := get(t, client, id)
		check(t, err)
		if *out.SecretString != `{"username":"admin"}` || *out.VersionId != *created.VersionId || out.SecretBinary != nil ||
			!slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) || *out.ARN != arn || time.Since(*out.CreatedDate).Abs() > time.Minute {
			t.Errorf("by %s: %+v", name, out)
		}
		if requestID(out.ResultMetadata) == "" {
			t.Errorf("by %s: no request id", name)
		}
	}
	for name, id := range map[string]string{
		"wrong suffix":  arn[:len(arn)-6] + "zzzzz0",
		"wrong region":  strings.Replace(arn, "us-east-1", "eu-west-1", 1),
		"wrong account": strings.Replace(arn, "123456789012", "210987654321", 1),
	} {
		if _, err := get(t, client, id); codeOf(t, err) != "ResourceNotFoundException" {
			t.Errorf("ARN with %s: %v", name, err)
		}
	}

	value := bytes.Repeat([]byte{0, 0xff}, 32768)
	s.PutBinary("binary", value)
	out, err := get(t, client, "binary")
	check(t, err)
	if !bytes.Equal(out.SecretBinary, value) || out.SecretString != nil {
		t.Errorf("binary came back as %d bytes", len(out.SecretBinary))
	}
}

func TestNotFoundIsStatus400(t *testing.T) {
	_, client := start(t, Options{})
	_, err := get(t, client, "absent")
	var missing *types.ResourceNotFoundException
	var response *awshttp.ResponseError
	if !errors.As(err, &missing) || !errors.As(err, &response) || response.HTTPStatusCode() != http.StatusBadRequest || response.RequestID == "" {
		t.Fatalf("err = %v", err)
	}
	if missing.ErrorMessage() != "Secrets Manager can't find the specified secret." {
		t.Errorf("message = %q", missing.ErrorMessage())
	}
}

// stagesOf returns the labelled versions, as "id: labels".
func stagesOf(t *testing.T, client *secretsmanager.Client, id string) map[string]string {
	t.Helper()
	out, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
	check(t, err)
	m := map[string]string{}
	for version, stages := range out.VersionIdsToStages {
		m[version] = strings.Join(stages, " ")
	}
	return m
}

func TestStages(t *testing.T) {
	s, client := start(t, Options{})
	v1 := s.PutSecret("s", "one")
	put := func(value string, stages ...string) string {
		t.Helper()
		out, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: aws.String("s"), SecretString: &value, VersionStages: stages})
		check(t, err)
		return *out.VersionId
	}
	want := func(step string, stages map[string]string) {
		t.Helper()
		if got := stagesOf(t, client, "s"); !maps.Equal(got, stages) {
			t.Fatalf("%s: stages = %v, want %v", step, got, stages)
		}
	}
	move := func(stage string, from, to *string) error {
		_, err := client.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: aws.String("s"), VersionStage: &stage, RemoveFromVersionId: from, MoveToVersionId: to})
		return err
	}

	v2 := put("two")
	want("put", map[string]string{v1: "AWSPREVIOUS", v2: "AWSCURRENT"})
	v3 := put("three", "AWSPENDING", "blue")
	want("put pending", map[string]string{v1: "AWSPREVIOUS", v2: "AWSCURRENT", v3: "AWSPENDING blue"})
	check(t, move("AWSCURRENT", &v2, &v3))
	want("finish rotation", map[string]string{v2: "AWSPREVIOUS", v3: "AWSCURRENT AWSPENDING blue"})
	v4 := s.Rotate("s", "four")
	want("put over a finished rotation", map[string]string{v3: "AWSPREVIOUS blue", v4: "AWSCURRENT"})
	check(t, move("AWSCURRENT", &v4, &v3))
	want("roll back", map[string]string{v4: "AWSPREVIOUS", v3: "AWSCURRENT blue"})
	check(t, move("blue", &v3, &v1))
	want("move a label to a version without labels", map[string]string{v4: "AWSPREVIOUS", v3: "AWSCURRENT", v1: "blue"})
	check(t, move("blue", &v1, nil))
	want("remove a label", map[string]string{v4: "AWSPREVIOUS", v3: "AWSCURRENT"})

	wantCode(t, move("AWSCURRENT", &v3, nil), "InvalidParameterException")
	wantCode(t, move("AWSCURRENT", nil, &v4), "InvalidParameterException")
	wantCode(t, move("AWSCURRENT", &v1, &v4), "InvalidParameterException")
	want("refused moves", map[string]string{v4: "AWSPREVIOUS", v3: "AWSCURRENT"})

	// A deprecated version can still be read by its id.
	out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: &v1})
	check(t, err)
	if *out.SecretString != "one" || len(out.VersionStages) != 0 {
		t.Errorf("deprecated version: %v", out.VersionStages)
	}
	for name, c := range map[string]struct {
		in   secretsmanager.GetSecretValueInput
		code string
	}{
		"unknown label":       {secretsmanager.GetSecretValueInput{VersionStage: aws.String("green")}, "ResourceNotFoundException"},
		"unknown version":     {secretsmanager.GetSecretValueInput{VersionId: aws.String(strings.Repeat("x", 32))}, "ResourceNotFoundException"},
		"label and version":   {secretsmanager.GetSecretValueInput{VersionId: &v3, VersionStage: aws.String("AWSCURRENT")}, ""},
		"label of another":    {secretsmanager.GetSecretValueInput{VersionId: &v3, VersionStage: aws.String("AWSPREVIOUS")}, "InvalidRequestException"},
		"version id too long": {secretsmanager.GetSecretValueInput{VersionId: aws.String(strings.Repeat("x", 65))}, "ValidationException"},
	} {
		c.in.SecretId = aws.String("s")
		if _, err := client.GetSecretValue(t.Context(), &c.in); codeOf(t, err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func TestTokens(t *testing.T) {
	_, client := start(t, Options{})
	token := strings.Repeat("t", 32)
	create := func(value string) error {
		_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: aws.String("s"), SecretString: &value, ClientRequestToken: &token})
		return err
	}
	put := func(token, value string) error {
		_, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: aws.String("s"), SecretString: &value, ClientRequestToken: &token})
		return err
	}
	check(t, create("one"))
	check(t, create("one"))
	wantCode(t, create("two"), "ResourceExistsException")
	check(t, put(token, "one"))
	wantCode(t, put(token, "two"), "ResourceExistsException")
	wantCode(t, put("short", "two"), "InvalidParameterException")
	check(t, put(strings.Repeat("u", 64), "two"))
	check(t, put(token, "one")) // repeats an old put: nothing moves
	if got := stagesOf(t, client, "s"); got[token] != "AWSPREVIOUS" {
		t.Errorf("a repeated put moved the labels: %v", got)
	}
	_, err := client.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{
		SecretId: aws.String("s"), SecretString: aws.String("one"), ClientRequestToken: &token})
	wantCode(t, err, "ResourceExistsException")
}

func TestUpdateDescribeAndTags(t *testing.T) {
	_, client := start(t, Options{})
	_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("s")})
	check(t, err)
	if _, err := get(t, client, "s"); codeOf(t, err) != "ResourceNotFoundException" {
		t.Errorf("a secret without a value: %v", err)
	}
	describe := func() *secretsmanager.DescribeSecretOutput {
		out, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
		check(t, err)
		return out
	}
	if d := describe(); d.VersionIdsToStages != nil || d.LastAccessedDate != nil || d.DeletedDate != nil || d.CreatedDate == nil {
		t.Errorf("new and empty: %+v", d)
	}
	_, err = client.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("s"),
		SecretString: aws.String("v"), Description: aws.String("d"), KmsKeyId: aws.String("alias/k")})
	check(t, err)
	_, err = get(t, client, "s")
	check(t, err)
	_, err = client.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: aws.String("s"), Tags: []types.Tag{
		{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}})
	check(t, err)
	_, err = client.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: aws.String("s"), Tags: []types.Tag{
		{Key: aws.String("b"), Value: aws.String("3")}}})
	check(t, err)
	_, err = client.UntagResource(t.Context(), &secretsmanager.UntagResourceInput{SecretId: aws.String("s"), TagKeys: []string{"a"}})
	check(t, err)
	d := describe()
	if *d.Description != "d" || *d.KmsKeyId != "alias/k" || len(d.VersionIdsToStages) != 1 || d.LastAccessedDate == nil ||
		len(d.Tags) != 1 || *d.Tags[0].Key != "b" || *d.Tags[0].Value != "3" {
		t.Errorf("updated: %+v", d)
	}
}

func TestRefusedValues(t *testing.T) {
	_, client := start(t, Options{})
	for name, c := range map[string]struct {
		in   secretsmanager.CreateSecretInput
		code string
	}{
		"space in name":       {secretsmanager.CreateSecretInput{Name: aws.String("a b")}, "ValidationException"},
		"colon in name":       {secretsmanager.CreateSecretInput{Name: aws.String("a:b")}, "ValidationException"},
		"letter not ASCII":    {secretsmanager.CreateSecretInput{Name: aws.String("é")}, "ValidationException"},
		"empty name":          {secretsmanager.CreateSecretInput{Name: aws.String("")}, "ValidationException"},
		"longest name":        {secretsmanager.CreateSecretInput{Name: aws.String(strings.Repeat("n", 512))}, ""},
		"name too long":       {secretsmanager.CreateSecretInput{Name: aws.String(strings.Repeat("n", 513))}, "ValidationException"},
		"empty string":        {secretsmanager.CreateSecretInput{Name: aws.String("e1"), SecretString: aws.String("")}, "ValidationException"},
		"empty binary":        {secretsmanager.CreateSecretInput{Name: aws.String("e2"), SecretBinary: []byte{}}, "ValidationException"},
		"longest string":      {secretsmanager.CreateSecretInput{Name: aws.String("l1"), SecretString: aws.String(strings.Repeat("s", 65536))}, ""},
		"string too long":     {secretsmanager.CreateSecretInput{Name: aws.String("l2"), SecretString: aws.String(strings.Repeat("s", 65537))}, "ValidationException"},
		"string and binary":   {secretsmanager.CreateSecretInput{Name: aws.String("b"), SecretString: aws.String("s"), SecretBinary: []byte("b")}, "InvalidParameterException"},
		"token of 31":         {secretsmanager.CreateSecretInput{Name: aws.String("t"), SecretString: aws.String("s"), ClientRequestToken: aws.String(strings.Repeat("t", 31))}, "InvalidParameterException"},
		"token of 65":         {secretsmanager.CreateSecretInput{Name: aws.String("t"), SecretString: aws.String("s"), ClientRequestToken: aws.String(strings.Repeat("t", 65))}, "InvalidParameterException"},
		"empty tag key":       {secretsmanager.CreateSecretInput{Name: aws.String("t"), Tags: []types.Tag{{Key: aws.String(""), Value: aws.String("v")}}}, "ValidationException"},
		"endless description": {secretsmanager.CreateSecretInput{Name: aws.String("d"), Description: aws.String(strings.Repeat("d", 2049))}, "ValidationException"},
	} {
		_, err := client.CreateSecret(t.Context(), &c.in)
		if codeOf(t, err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
		if err != nil && strings.Contains(err.Error(), "sssss") {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
	if _, err := get(t, client, "a b"); codeOf(t, err) != "ValidationException" {
		t.Errorf("get with a space in the id: %v", err)
	}
}

func TestDeletion(t *testing.T) {
	clock := newClock()
	s, _ := start(t, Options{Now: clock.now})
	client := defaultCaller(t).secrets(s.URL())
	s.PutSecret("s", "one")
	remove := func(in secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
		in.SecretId = aws.String("s")
		return client.DeleteSecret(t.Context(), &in)
	}
	_, err := remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(6)})
	wantCode(t, err, "InvalidParameterException")
	_, err = remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)})
	wantCode(t, err, "InvalidParameterException")
	out, err := remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7)})
	check(t, err)
	if d := out.DeletionDate.Sub(clock.now()) - 7*day; d.Abs() > time.Second {
		t.Errorf("deletion date is off by %s", d)
	}

	_, err = get(t, client, "s")
	if message := wantCode(t, err, "InvalidRequestException"); !strings.Contains(message, "marked for deletion") {
		t.Errorf("message = %q", message)
	}
	_, err = client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("s")})
	wantCode(t, err, "InvalidRequestException")
	_, err = client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: aws.String("x")})
	wantCode(t, err, "InvalidRequestException")
	d, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	check(t, err)
	if d.DeletedDate == nil || !d.DeletedDate.Equal(*out.DeletionDate) {
		t.Errorf("DeletedDate = %v", d.DeletedDate)
	}
	_, err = client.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("s")})
	check(t, err)
	_, err = get(t, client, "s")
	check(t, err)

	s.ScheduleDeletion("s")
	clock.advance(31 * day)
	caller := defaultCaller(t)
	late := secretsmanager.NewFromConfig(caller.config(), func(o *secretsmanager.Options) {
		o.BaseEndpoint = aws.String(s.URL())
		o.RetryMaxAttempts = 2 // the first answer teaches the client the server's time
	})
	if _, err := get(t, late, "s"); codeOf(t, err) != "ResourceNotFoundException" {
		t.Errorf("after the recovery window: %v", err)
	}
	_, err = remove(secretsmanager.DeleteSecretInput{ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err == nil {
		t.Error("a client a month behind was believed")
	}
	s.DeleteSecret("s") // gone already: no panic
}
