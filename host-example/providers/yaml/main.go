// Program tom-credential-yaml is the credential provider for a YAML file, so that a laboratory needs no cloud. The file is
// the one that the older Tom worker reads: credential ids at the top level, and under each a username and a password.
//
//	lab_creds:
//	  username: admin
//	  password: your-password
//	  enable_password: another    # further fields reach the worker as extra
//
// The worker's settings for it:
//
//	credential_plugin: yaml
//	plugin_yaml_credential_file: inventory/creds.yml   # the default; relative to the worker's project_root
//
// It is also an example of a provider. This file is all that an author has to write beyond the reading of his own backend,
// which here is in file.go (open it, and again when it has changed), parse.go and content.go (what it holds) and validate.go (what may be
// wrong with it).
package main

import (
	"context"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

type settings struct {
	CredentialFile string `json:"credential_file,omitempty" jsonschema:"The YAML file. A relative path starts from project_root."`
	ProjectRoot    string `json:"project_root,omitempty" jsonschema:"The directory that a relative credential_file starts from. Default: the worker's own project_root, or its working directory if that isn't set."`
}

func main() {
	provider.Main(provider.Definition[settings, *yamlProvider]{
		Name:        "yaml",
		Version:     version,
		Description: "reads device credentials from a YAML file",
		Defaults:    settings{CredentialFile: "inventory/creds.yml"},
		New:         newProvider,
	})
}

// yamlProvider reads credentials from a file.
type yamlProvider struct{ file *file }

func newProvider(s settings, log hclog.Logger) (*yamlProvider, error) {
	path := s.CredentialFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.ProjectRoot, path)
	}
	path, err := filepath.Abs(path)
	return &yamlProvider{file: newFile(path, log)}, err
}

// Get reads one credential.
func (p *yamlProvider) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	content, err := p.file.read(ctx)
	if err != nil {
		return nil, err
	}
	return content.credential(request.ID)
}

// GetBatch reads the file once for all requests.
func (p *yamlProvider) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	content, err := p.file.read(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]credential.Result, len(requests))
	for i, request := range requests {
		results[i].Credential, results[i].Err = content.credential(request.ID)
	}
	return results, nil
}

// List lists all ids in the file, also those whose credential is malformed: reading one of these says what is wrong.
func (p *yamlProvider) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	content, err := p.file.read(ctx)
	if err != nil {
		return credential.Page{}, err
	}
	return content.page(pageSize, pageToken)
}
