package provider_test

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// settings are what the worker's configuration may say: plugin_lines_path.
type settings struct {
	Path string `json:"path,omitempty" jsonschema:"The file: one credential a line, as id, username and password."`
}

// reader reads credentials from a text file.
type reader struct {
	path string
	log  hclog.Logger
}

// Get reads the file anew each time: a provider has no cache, that is the host's.
func (r *reader) Get(_ context.Context, request credential.Request) (*credential.Credential, error) {
	file, err := os.Open(r.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, credential.Errorf(credential.AccessDenied, "file %s may not be read", r.path).
			WithHelp("sudo chgrp worker %s && sudo chmod g+r %s", r.path, r.path)
	case err != nil:
		return nil, credential.Errorf(credential.BackendUnavailable, "file %s can't be opened", r.path)
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != request.ID {
			continue
		}
		if len(fields) != 3 {
			// Never the line itself: it may hold a password.
			return nil, credential.Errorf(credential.CredentialMalformed, "credential %q in %s has %d fields instead of 3", request.ID, r.path, len(fields))
		}
		return &credential.Credential{
			ID:       request.ID,
			Username: fields[1],
			Password: credential.Password(fields[2]),
		}, nil
	}
	r.log.Debug("not in the file", "path", r.path, "credential_id", request.ID)
	return nil, credential.Errorf(credential.CredentialNotFound, "there is no credential %q in %s", request.ID, r.path)
}

// A complete provider program. Built as tom-credential-lines, a worker finds it by `credential_plugin: lines`.
func ExampleMain() {
	provider.Main(provider.Definition[settings, *reader]{
		Name:        "lines",
		Version:     "1.0.0",
		Description: "reads credentials from the lines of a file",
		Defaults:    settings{Path: "credentials.txt"},
		New: func(s settings, log hclog.Logger) (*reader, error) {
			return &reader{path: s.Path, log: log}, nil
		},
	})
}
