package main

import (
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/audit"
	"github.com/tom-worker/credential-provider/host-example/job"
)

// openAudit opens the audit log that the settings name, else the worker's log for its lines. It is closed with the worker.
func (w *worker) openAudit(stderr io.Writer, log hclog.Logger) error {
	path, err := atHome(w.config.AuditLog)
	if err != nil {
		return w.homeless("audit_log", err)
	}
	if w.audit, err = audit.Open(path, stderr, log); err != nil {
		return w.refuse("audit_log", fmt.Errorf("%s can't be written to: %w", path, err))
	}
	return nil
}

// reopenAudit follows a rotation of the file.
func (w *worker) reopenAudit() {
	if err := w.audit.Reopen(); err != nil {
		w.log.Error("the audit log can't be opened anew; lines go on to the old file", "error", err)
	}
}

// recipient is who gets a job's credential.
func recipient(j *job.Job) audit.Recipient { return audit.Recipient{Job: j.ID, Device: j.Device()} }
