//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/externaltool"
)

// TestSpecification runs the commands of the credential store's documentation with the AWS CLI, as a user types them, and
// then reads the secret with the worker: against moto and against awssmtest, with a settings file and with variables.
func TestSpecification(t *testing.T) {
	t.Parallel()
	cli := externaltool.Tool(t, os.Getenv("AWS_CLI"), "AWS_CLI", "aws", "pip install awscli")
	ours := awssmtest.StartTest(t, awssmtest.Options{})
	for name, url := range map[string]string{"awssmtest": ours.URL(), "moto": externaltool.Moto(t)} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			environ := []string{
				"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
				"AWS_ACCESS_KEY_ID=" + awssmtest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + awssmtest.SecretAccessKey,
				"AWS_DEFAULT_REGION=us-east-1",
			}
			aws := func(arguments ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), cli, append(arguments, "--endpoint-url", url)...)
				cmd.Env = environ
				if output, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("aws %s: %v\n%s", strings.Join(arguments, " "), err, output)
				}
			}
			aws("secretsmanager", "create-secret", "--name", "tom/credentials/lab_creds",
				"--secret-string", `{"username": "admin", "password": "your-password"}`)
			aws("secretsmanager", "put-secret-value", "--secret-id", "tom/credentials/lab_creds",
				"--secret-string", `{"username": "admin", "password": "new-password"}`)
			aws("secretsmanager", "list-secrets", "--filter", "Key=name,Values=tom/credentials/")

			// The settings of the documentation, and where the backend and the provider are.
			file := filepath.Join(home, "worker.yaml")
			settings := `credential_plugin: "aws_secrets_manager"

plugin_aws_secrets_manager_region: "us-east-1"
plugin_aws_secrets_manager_secret_prefix: "tom/credentials/"
plugin_aws_secrets_manager_endpoint_url: "` + url + `"
credential_plugin_dirs: ["` + pluginDir + `"]
`
			if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			variables := append([]string{
				"TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager",
				"TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_REGION=us-east-1",
				"TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_SECRET_PREFIX=tom/credentials/",
				"TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_ENDPOINT_URL=" + url,
				"TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + pluginDir,
			}, environ...)
			for way, get := range map[string]struct {
				args    []string
				environ []string
			}{
				"file":      {[]string{"--config", file}, environ},
				"variables": {nil, variables},
			} {
				t.Run(way, func(t *testing.T) {
					worker := func(args ...string) map[string]any {
						t.Helper()
						var stdout, stderr bytes.Buffer
						args = append(append(args, "--output", "json"), get.args...)
						if status := run(t.Context(), args, nil, &stdout, &stderr, get.environ); status != statusDone {
							t.Fatalf("%v: status %d\n%s%s", args, status, &stdout, &stderr)
						}
						var document map[string]any
						if err := json.Unmarshal(stdout.Bytes(), &document); err != nil {
							t.Fatal(err)
						}
						return document
					}
					got := worker("get", "lab_creds", "--reveal")
					if got["username"] != "admin" || got["password"] != "new-password" || got["credential_id"] != "lab_creds" {
						t.Errorf("read %v", got)
					}
					listed := worker("list")
					if ids := listed["credentials"].([]any); len(ids) != 1 || ids[0] != "lab_creds" {
						t.Errorf("listed %v", ids)
					}
				})
			}
		})
	}
}
