package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxNamed is how many malformed credentials a check names.
const maxNamed = 10

// Validate checks the file, who may read it, and what is in it.
func (p *yamlProvider) Validate(ctx context.Context, id string) (credential.Report, error) { //nolint:unparam // provider.Validator has the error
	content, err := p.file.read(ctx)
	if err != nil {
		return credential.Report{Checks: []credential.Check{failed("file", err)}}, nil
	}
	checks := []credential.Check{
		{Name: "file", Status: credential.StatusPassed, Message: fmt.Sprintf("%s: %d credentials", content.path, len(content.entries))},
		permissions(content),
		credentials(content),
	}
	if id != "" {
		read := credential.Check{Name: "read", Status: credential.StatusPassed, Message: fmt.Sprintf("credential %q can be read", id)}
		if _, err := content.credential(id); err != nil {
			read = failed("read", err)
		}
		checks = append(checks, read)
	}
	return credential.Report{Checks: checks}, nil
}

func permissions(c *content) credential.Check {
	check := credential.Check{Name: "permissions", Status: credential.StatusPassed, Message: "only its owner may read the file"}
	if exposed(c.info) != 0 {
		check = credential.Check{
			Name: "permissions", Status: credential.StatusWarning, Reason: credential.BackendMisconfigured,
			Message: fmt.Sprintf("the file is open to other users (%s)", c.info.Mode().Perm()),
			Remedy:  "chmod 600 " + c.path,
		}
	}
	return check
}

func credentials(c *content) credential.Check {
	wrong := c.malformed()
	if len(wrong) == 0 {
		return credential.Check{Name: "credentials", Status: credential.StatusPassed, Message: "every credential has what a login needs"}
	}
	named := wrong[:min(len(wrong), maxNamed)]
	return credential.Check{
		Name: "credentials", Status: credential.StatusWarning, Reason: credential.CredentialMalformed,
		Message: fmt.Sprintf("%d of %d can't be used: %s", len(wrong), len(c.entries), strings.Join(named, "; ")),
		Remedy:  "correct these lines in " + c.path,
	}
}

func failed(name string, err error) credential.Check {
	check := credential.Check{Name: name, Status: credential.StatusFailed, Message: err.Error(), Reason: credential.ReasonOf(err)}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		check.Reason, check.Remedy = credential.DeadlineExceeded, "see whether the file system answers"
	case errors.Is(err, context.Canceled):
		check.Reason = credential.Cancelled
	}
	var e *credential.Error
	if errors.As(err, &e) {
		check.Remedy = strings.Join(e.Help, "\n")
	}
	if check.Remedy == "" {
		check.Remedy = "see what is wrong with the file and run validate again"
	}
	return check
}
