package job

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
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

// Failure is why a job failed. Decide by Reason.
type Failure struct {
	Code    string            `json:"code"`
	Reason  credential.Reason `json:"reason"`
	Message string            `json:"message"`
	// Help is what to do, one step an item.
	Help []string `json:"help,omitempty"`
	// RetryDelay is the seconds after which trying again may help; left out if nothing is known.
	RetryDelay float64 `json:"retry_delay,omitempty"`
}

// Result is one line of output. The package comment says what its members mean.
type Result struct {
	ID                string          `json:"id"`
	Line              int             `json:"line"`
	Status            Status          `json:"status"`
	Outputs           []device.Output `json:"outputs"`
	CredentialVersion string          `json:"credential_version"`
	Attempts          int             `json:"attempts"`
	Error             *Failure        `json:"error"`
	Duration          float64         `json:"duration"`
}

func newResult(id string, line int, status Status, outcome Outcome, failed *Failure, took time.Duration) Result {
	r := Result{
		ID: id, Line: line, Status: status,
		Outputs: outcome.Outputs, CredentialVersion: outcome.CredentialVersion, Attempts: outcome.Attempts, Error: failed,
		Duration: float64(took.Round(time.Microsecond).Microseconds()) / 1e6, // Seconds() would add a part, and its error
	}
	if r.Outputs == nil {
		r.Outputs = []device.Output{}
	}
	return r
}

// failureOf returns nil for a nil error.
func failureOf(err error, codeOf func(credential.Reason) string) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Reason: credential.ReasonOf(err), Message: err.Error()}
	var known *credential.Error
	if errors.As(err, &known) && known != nil {
		f.Message, f.RetryDelay, f.Help = known.Error(), known.RetryDelay.Seconds(), helpOf(err)
	}
	f.Code = codeOf(f.Reason)
	return f
}

// helpOf collects the steps of all errors that err is made of.
func helpOf(err error) []string {
	var help []string
	for err != nil {
		if known, ok := err.(*credential.Error); ok { //nolint:errorlint // each error of the chain has its own help
			for _, step := range known.Help {
				if !slices.Contains(help, step) {
					help = append(help, step)
				}
			}
		}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range several.Unwrap() {
				help = append(help, helpOf(one)...)
			}
			return help
		}
		err = errors.Unwrap(err)
	}
	return help
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
		panic(err) // strings and numbers only
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
