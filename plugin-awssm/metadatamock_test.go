package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// metadataMockPackage is AWS's own mock of instance metadata; .tools/imds-mock/go.mod has its version.
const metadataMockPackage = "github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock"

// buildMetadataMock builds the mock once for all tests, into a directory that TestMain removes.
var buildMetadataMock = sync.OnceValues(func() (string, error) {
	path := filepath.Join(testHome, "ec2-metadata-mock.exe")
	build := exec.Command("go", "build", "-modfile=.tools/imds-mock/go.mod", "-o", path, metadataMockPackage)
	build.Dir = ".."
	build.Env = append(os.Environ(), "HOME="+userHome, "USERPROFILE="+userHome, "GOFLAGS=-mod=readonly")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return path, nil
})

// metadataMock runs AWS's mock of instance metadata on a port of loopback, with the second version of the protocol alone, and
// points the SDK at it.
func metadataMock(t *testing.T, server *awssmtest.Server, region string) {
	t.Helper()
	program, err := buildMetadataMock()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("build AWS's metadata mock: %v", err)
		}
		t.Skipf("AWS's metadata mock can't be built here; run \"go mod download -modfile=.tools/imds-mock/go.mod\" with access to the Go proxy: %v", err)
	}
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/mocked/session", time.Hour)
	config, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"paths": map[string]any{"iam-security-credentials": "/latest/meta-data/iam/security-credentials/mocked"},
			"values": map[string]any{
				"iam-security-credentials-role": "mocked",
				"iam-security-credentials":      json.RawMessage(sessionJSON(session, "Token")),
			},
		},
		"dynamic": map[string]any{"values": map[string]any{"instance-identity-document": map[string]any{"region": region}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	file := filepath.Join(home, "mock.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	mock := exec.Command(program, "--hostname", "127.0.0.1", "--port", port, "--imdsv2", "--config-file", file)
	mock.Env = append(os.Environ(), "HOME="+home)
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = mock.Process.Kill()
		_ = mock.Wait()
	})
	url := "http://127.0.0.1:" + port
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "the metadata mock answers", func() bool {
		response, err := client.Get(url + "/latest/meta-data/")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusUnauthorized // it wants a token of the second version
	})
	useMetadata(t, url)
}

// freePort is a port of loopback where nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// TestRegionOfMetadataMock: a region that only the instance knows.
func TestRegionOfMetadataMock(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.In("eu-west-3").PutSecret("tom/credentials/lab", labSecret)
	awsFiles(t, "", "")
	metadataMock(t, server, "eu-west-3")
	s := atServer(server)
	s.Region = ""
	p, _ := open(t, s)
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
	if call := server.Calls()[0]; call.Region != "eu-west-3" || call.Identity != "arn:aws:sts::123456789012:assumed-role/mocked/session" {
		t.Errorf("call = %+v", call)
	}
}
