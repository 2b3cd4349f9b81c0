package job

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Status says what became of a job.
type Status string

// What can become of a job.
const (
	StatusOK         Status = "ok"
	StatusFailed     Status = "failed"
	StatusInvalid    Status = "invalid"
	StatusNotStarted Status = "not_started"
)

// Output is what one command gave.
type Output struct {
	Command string `json:"command"`
	// Output is all that the command printed. Bytes that aren't UTF-8 are replaced.
	Output string `json:"output"`
	// ExitStatus is left out where the device gave none, as most network operating systems do.
	ExitStatus *int `json:"exit_status,omitempty"`
	// Truncated says that there was more output than is kept.
	Truncated bool `json:"truncated,omitempty"`
}

// Failure is why a job failed. Decide by Reason.
type Failure struct {
	Code    string            `json:"code"`
	Reason  credential.Reason `json:"reason"`
	Message string            `json:"message"`
	// RetryDelay is the seconds after which trying again may help; left out if nothing is known.
	RetryDelay float64 `json:"retry_delay,omitempty"`
}

// Result is one line of output. The package comment says what its members mean.
type Result struct {
	ID                string   `json:"id"`
	Line              int      `json:"line"`
	Status            Status   `json:"status"`
	Outputs           []Output `json:"outputs"`
	CredentialVersion string   `json:"credential_version"`
	Attempts          int      `json:"attempts"`
	Error             *Failure `json:"error"`
	Duration          float64  `json:"duration"`
}

func newResult(id string, line int, status Status, outcome Outcome, err error, took time.Duration) Result {
	r := Result{
		ID: id, Line: line, Status: status,
		Outputs: outcome.Outputs, CredentialVersion: outcome.CredentialVersion, Attempts: outcome.Attempts,
		Duration: float64(took.Round(time.Microsecond).Microseconds()) / 1e6, // Seconds() would add a part, and its error
	}
	if r.Outputs == nil {
		r.Outputs = []Output{}
	}
	if err != nil {
		r.Error = failureOf(err)
	}
	return r
}

func failureOf(err error) *Failure {
	f := &Failure{Reason: credential.ReasonOf(err), Message: err.Error()}
	var known *credential.Error
	if errors.As(err, &known) && known != nil {
		f.Message, f.RetryDelay = known.Error(), known.RetryDelay.Seconds()
	}
	f.Code = code.Code(Code(f.Reason)).String()
	return f
}

// results writes result lines, each in one piece.
type results struct {
	mu     sync.Mutex
	w      io.Writer
	err    error
	failed func() // called once, when a line could not be written
}

func (r *results) write(result Result) {
	line, err := json.Marshal(result)
	if err != nil {
		panic(err) // texts and numbers only
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	if _, r.err = r.w.Write(append(line, '\n')); r.err != nil {
		r.failed()
	}
}
