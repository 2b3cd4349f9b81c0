//go:build unix

package awssmtest

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/externaltool"
)

// The commands of the credential store's documentation, as a user types them, against both implementations.
func TestAWSCLI(t *testing.T) {
	cli := externaltool.Tool(t, awsCLI, "AWS_CLI", "aws", "pip install awscli")
	ours := StartTest(t, Options{})
	for name, url := range map[string]string{"awssmtest": ours.URL(), "moto": externaltool.Moto(t)} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			aws := func(arguments ...string) map[string]any {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), cli, append(arguments, "--endpoint-url", url, "--output", "json")...)
				cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_PAGER="}, ours.Env()...)
				var stderr strings.Builder
				cmd.Stderr = &stderr
				output, err := cmd.Output()
				if err != nil {
					t.Fatalf("aws %s: %v\n%s", strings.Join(arguments, " "), err, &stderr)
				}
				answer := map[string]any{}
				check(t, json.Unmarshal(output, &answer))
				return answer
			}

			created := aws("secretsmanager", "create-secret", "--name", "tom/credentials/lab_creds",
				"--secret-string", `{"username": "admin", "password": "your-password"}`)
			put := aws("secretsmanager", "put-secret-value", "--secret-id", "tom/credentials/lab_creds",
				"--secret-string", `{"username": "admin", "password": "new-password"}`)
			if created["Name"] != "tom/credentials/lab_creds" || put["ARN"] != created["ARN"] || put["VersionId"] == created["VersionId"] ||
				!slices.Equal(put["VersionStages"].([]any), []any{"AWSCURRENT"}) {
				t.Errorf("create: %v\nput: %v", created, put)
			}
			// The documentation abbreviates --filters, which the CLI understands.
			for _, option := range []string{"--filter", "--filters"} {
				listed := aws("secretsmanager", "list-secrets", option, "Key=name,Values=tom/credentials/")["SecretList"].([]any)
				if len(listed) != 1 || listed[0].(map[string]any)["Name"] != "tom/credentials/lab_creds" {
					t.Errorf("list with %s: %v", option, listed)
				}
			}
			got := aws("secretsmanager", "get-secret-value", "--secret-id", "tom/credentials/lab_creds")
			if got["SecretString"] != `{"username": "admin", "password": "new-password"}` || got["VersionId"] != put["VersionId"] {
				t.Errorf("get: %v", got)
			}
			if me := aws("sts", "get-caller-identity"); me["Account"] != "123456789012" {
				t.Errorf("identity: %v", me)
			}
		})
	}
	if ours.Count() == 0 || !strings.Contains(ours.Calls()[0].UserAgent, "aws-cli") {
		t.Error("the CLI did not reach the server")
	}
}
