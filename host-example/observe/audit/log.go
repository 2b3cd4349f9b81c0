package audit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Failed is the reason of a credential that wasn't handed out because no line could be written.
const Failed credential.Reason = "AUDIT_FAILED"

// Code returns the gRPC code of this package's reason; ok reports whether it is that.
func Code(reason credential.Reason) (code string, ok bool) {
	if reason == Failed {
		return "UNAVAILABLE", true
	}
	return "", false
}

// Stderr is the path that means the standard error stream.
const Stderr = "stderr"

// Log is where audit lines go. It may be used concurrently; each line is one write.
type Log struct {
	path  string       // of a file; empty if there is none
	log   hclog.Logger // the worker's
	apart bool         // the lines don't go there

	mu   sync.Mutex
	w    io.Writer
	file *os.File // w, if that has to be closed
	torn bool     // the last write broke off within a line
	bad  bool     // the last line could not be written
}

// Open opens a log. path is a file, which is appended to, and made for its owner alone if it isn't there; or [Stderr]; or
// empty, for lines of level info under the name "audit" in the worker's own log. That log is also told when lines can't be
// written.
func Open(path string, stderr io.Writer, log hclog.Logger) (*Log, error) {
	switch path {
	case "":
		return &Log{log: log.Named("audit")}, nil
	case Stderr:
		return &Log{log: log, apart: true, w: stderr}, nil
	}
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	return &Log{path: path, log: log, apart: true, w: file, file: file}, nil
}

func open(path string) (*os.File, error) {
	// Opening a pipe without a reader would block for ever.
	if info, err := os.Stat(path); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return nil, errors.New("it must be a file, or " + Stderr)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	var at *fs.PathError
	if errors.As(err, &at) {
		return nil, at.Err
	}
	return file, err
}

// Reopen opens the file anew, after it has been renamed to make room for a new one. If that fails, lines go on to the old
// one, wherever that is now.
func (l *Log) Reopen() error {
	if l.path == "" {
		return nil
	}
	fresh, err := open(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close()
	l.file, l.w, l.torn = fresh, fresh, false
	return nil
}

// Close closes the file. Lines after that can't be written.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
	}
}

// HandedOut is to be called before the credential is used. After an error, which has the reason AUDIT_FAILED, it must not be.
func (l *Log) HandedOut(ctx context.Context, to Recipient, result store.Result) error {
	line := newLine(ctx, handedOut, to, result.ID)
	line.take(result)
	return l.write(line, "credential handed out")
}

// Withheld is for credentials that the recipient didn't get, and why. A caller that stopped asking is no line.
func (l *Log) Withheld(ctx context.Context, to Recipient, credentialID string, why error) {
	reason := credential.ReasonOf(why)
	if reason == credential.Cancelled {
		return
	}
	line := newLine(ctx, withheld, to, credentialID)
	line.Reason = reason
	_ = l.write(line, "credential withheld") // the log has been told, and there is nothing else to withhold
}

// Lifted is to be called before a quarantine is lifted. After an error, as that of HandedOut, it must not be.
func (l *Log) Lifted(ctx context.Context, by Recipient, credentialID string) error {
	return l.write(newLine(ctx, lifted, by, credentialID), "quarantine lifted")
}

func (l *Log) write(line *line, message string) error {
	if !l.apart {
		l.log.Info(message, line.fields()...)
		return nil
	}
	changed, err := l.append(line.json())
	switch {
	case err == nil && changed:
		l.log.Info("audit lines can be written again")
	case err != nil && changed:
		l.log.Error("audit lines can't be written; no credential is handed out until they can", "error", err)
	}
	if err != nil {
		return credential.Errorf(Failed, "no line could be written to the audit log: %w", err).
			WithHelp("make room for the file that audit_log names, or let the worker write to it; until then no credential is handed out")
	}
	return nil
}

// append writes a line at once. changed says that the one before went the other way.
func (l *Log) append(text []byte) (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lead := 0
	if l.torn { // the rest of a line is no start of the next
		text, lead = append([]byte{'\n'}, text...), 1
	}
	n, err := l.w.Write(text)
	l.torn = err != nil && (n > lead || l.torn && n == 0)
	changed = l.bad != (err != nil)
	l.bad = err != nil
	return changed, err
}
