package main

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// openAudit opens the audit log that the settings name, else log for its lines.
func (l *loaded) openAudit(stderr io.Writer, log hclog.Logger) (*audit.Log, error) {
	path, err := l.config.AtHome("audit_log", l.config.AuditLog)
	if err != nil {
		return nil, err
	}
	opened, err := audit.Open(path, stderr, log)
	if err != nil {
		return nil, l.config.Unusable("audit_log", fmt.Errorf("%s can't be written to: %w", path, err))
	}
	return opened, nil
}

// reopenAudit follows a rotation of the file.
func (s *serving) reopenAudit() {
	if err := s.audit.Reopen(); err != nil {
		s.log.Error("the audit log can't be opened anew; lines go on to the old file", "error", err)
	}
}

// recipient is who gets a job's credential.
func recipient(j *job.Job) audit.Recipient { return audit.Recipient{Job: j.ID, Device: j.Device()} }

// recipientOfJump is who gets the credential of the device that a job goes through.
func recipientOfJump(j *job.Job) audit.Recipient {
	return audit.Recipient{Job: j.ID, Device: j.Jump.Address()}
}
