//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/externaltool"
)

func typedWithSecret(t *testing.T, r *reader, text string) {
	r.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	r.sh(t, "", text, r.withBackend()...)
}

// keys puts the reader's own keys in the place of the dots.
func (r *reader) keys(text string) string {
	for _, variable := range r.backend.Env() {
		name, value, _ := strings.Cut(variable, "=")
		text = regexp.MustCompile(`(?mi)^(`+name+` ?= ?).*$`).ReplaceAllString(text, "${1}"+value)
	}
	return text
}

// without are the reader's variables less those for AWS credentials.
func (r *reader) without() []string {
	var rest []string
	for _, variable := range r.withBackend() {
		if !strings.HasPrefix(variable, "AWS_ACCESS_KEY_ID=") && !strings.HasPrefix(variable, "AWS_SECRET_ACCESS_KEY=") && !strings.HasPrefix(variable, "AWS_SESSION_TOKEN=") {
			rest = append(rest, variable)
		}
	}
	return rest
}

func awsVariables(t *testing.T, r *reader, text string) {
	variables := r.without()
	for line := range strings.Lines(r.keys(text)) {
		variable, comment, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(comment, "optional") {
			variables = append(variables, variable)
		}
	}
	if said := r.sh(t, "", "host-example validate", variables...); !strings.Contains(said, "from environment variables AWS_ACCESS_KEY_ID") {
		t.Errorf("validate says %s", said)
	}
}

func awsFile(t *testing.T, r *reader, text string) {
	r.write(t, ".aws/credentials", r.keys(text))
	defer func() { _ = os.RemoveAll(filepath.Join(r.directory, ".aws")) }()
	if said := r.sh(t, "", "host-example validate", r.without()...); !regexp.MustCompile(`credentials +passed +from profile "default"`).MatchString(said) {
		t.Errorf("validate says %s", said)
	}
}

// secretFile is what a secret holds.
func secretFile(t *testing.T, r *reader, text string) {
	r.backend.PutSecret("tom/credentials/from_readme", text)
	if got := r.sh(t, "", "host-example get from_readme --reveal --field password", r.withBackend()...); got != "your-password\n" {
		t.Errorf("password %q", got)
	}
}

// otherAccount reads another account's secrets with the settings: those that no route takes are the worker's own account's.
func otherAccount(t *testing.T, _ *reader, text string) {
	r := newReader(t)
	const key = "arn:aws:kms:us-east-1:210987654321:key/1"
	const shared = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["123456789012","210987654321"]},"Action":"*","Resource":"*"}]}`
	for _, id := range []string{"lab_creds", "branch_1", "shared/lab"} {
		r.backend.PutSecret("tom/credentials/"+id, `{"username":"own","password":"x"}`)
		other := r.backend.InAccount("210987654321", "us-east-1")
		other.PutSecret("tom/credentials/"+id, `{"username":"other","password":"x"}`)
		other.SetKey("tom/credentials/"+id, key)
		other.SetPolicy("tom/credentials/"+id, shared)
	}
	r.backend.PutPolicy(key, shared)
	r.write(t, "tom_worker_config.yaml", text)
	want := map[string]string{"lab_creds": "other\n"}
	if strings.Contains(text, "_routes:") {
		want = map[string]string{"lab_creds": "own\n", "branch_1": "other\n", "shared/lab": "other\n"}
	}
	for id, username := range want {
		if got := r.sh(t, "", "host-example get "+id+" --field username", r.withBackend()...); got != username {
			t.Errorf("%s is read from the account %q, want %q", id, got, username)
		}
	}
}

// awsTyped needs the real AWS CLI.
func awsTyped(t *testing.T, _ *reader, text string) {
	cli := externaltool.Tool(t, os.Getenv("AWS_CLI"), "AWS_CLI", "aws", "pip install awscli")
	r := newReader(t)
	variables := append(r.withBackend(), "AWS_PAGER=", "PATH="+filepath.Dir(cli)+string(os.PathListSeparator)+os.Getenv("PATH"))
	said := r.sh(t, labCreds, text, variables...) // what is pasted is on standard input
	if !strings.Contains(said, "tom/credentials/lab_creds") {
		t.Errorf("it says %s", said)
	}
	if got := r.sh(t, "", "host-example get lab_creds --reveal --field password", variables...); got != "your-password\n" {
		t.Errorf("password %q", got)
	}
	if _, err := os.Stat(filepath.Join(r.directory, "credential.json")); err == nil {
		t.Error("the file with the password is still there")
	}
}

// awsTypedAtMoto is for what only moto does.
func awsTypedAtMoto(t *testing.T, r *reader, text string) {
	cli := externaltool.Tool(t, os.Getenv("AWS_CLI"), "AWS_CLI", "aws", "pip install awscli")
	variables := []string{"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_ENDPOINT_URL=" + externaltool.Moto(t), "AWS_PAGER=", "PATH=" + filepath.Dir(cli) + string(os.PathListSeparator) + os.Getenv("PATH")}
	r.sh(t, "", "aws secretsmanager create-secret --region us-east-1 --name tom/credentials/lab_creds --secret-string '"+labCreds+"'", variables...)
	if said := r.sh(t, "", text, variables...); !strings.Contains(said, "us-west-2") {
		t.Errorf("it says %s", said)
	}
}

func policyElsewhere(t *testing.T, _ *reader, text string) {
	if !json.Valid([]byte(text)) { // TestReadmePolicies of plugin-awssm knows more
		t.Errorf("not JSON: %s", text)
	}
}

func needsAWS(t *testing.T, _ *reader, _ string) {
	t.Log("a query for CloudTrail Lake: nothing here could run it")
}
