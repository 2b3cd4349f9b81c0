package audit

import (
	"context"
	"encoding/json"
	"os"
	"os/user"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Recipient is who asks for a credential: a job, or a user with a command.
type Recipient struct {
	// Job is the job's id, Device where it logs in, as host:port, and Attempt which login of the job it is, from 1.
	Job, Device string
	Attempt     int
	// Command is the program's command, User who runs it, and Revealed says that secrets are shown.
	Command, User string
	Revealed      bool
	// Peer is the address from which a user asks a worker that runs.
	Peer string
	// Client is the process that asked an agent; nil for the program itself.
	Client *Client
}

// Client is a process of the machine, as the kernel knows it.
type Client struct {
	UID uint32
	PID int32
}

// line is one line. Its members are in reading order.
type line struct {
	Time       string            `json:"time"`
	Event      string            `json:"event"`
	Reason     credential.Reason `json:"reason,omitempty"`
	Job        string            `json:"job,omitempty"`
	Device     string            `json:"device,omitempty"`
	Attempt    int               `json:"attempt,omitempty"`
	Command    string            `json:"command,omitempty"`
	User       string            `json:"user,omitempty"`
	Peer       string            `json:"peer,omitempty"`
	Revealed   bool              `json:"revealed,omitempty"`
	UID        *uint32           `json:"uid,omitempty"`
	PID        *int32            `json:"pid,omitempty"`
	Credential string            `json:"credential_id"`
	Version    string            `json:"credential_version,omitempty"`
	Outcome    string            `json:"outcome,omitempty"`
	Age        *float64          `json:"age,omitempty"`
	RequestID  string            `json:"backend_request_id,omitempty"`
	TraceID    string            `json:"trace_id,omitempty"`
}

// The events.
const (
	handedOut = "handed_out"
	withheld  = "withheld"
	lifted    = "quarantine_lifted"
)

func newLine(ctx context.Context, event string, to Recipient, credentialID string) *line {
	l := &line{
		Time:  time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		Event: event, Job: to.Job, Device: to.Device, Attempt: to.Attempt,
		Command: to.Command, User: to.User, Peer: to.Peer, Revealed: to.Revealed,
		Credential: credentialID,
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		l.TraceID = span.TraceID().String()
	}
	if to.Client != nil {
		l.UID, l.PID = &to.Client.UID, &to.Client.PID
	}
	return l
}

// take notes what is handed out.
func (l *line) take(result store.Result) {
	age := float64(result.Age.Round(time.Millisecond).Milliseconds()) / 1e3 // Seconds() would add a part, and its error
	l.Version, l.Outcome, l.Age, l.RequestID = result.VersionID, result.Freshness.String(), &age, result.BackendRequestID
}

func (l *line) json() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts and numbers only
	}
	return append(text, '\n')
}

// fields are the line for a log, less what a log has itself.
func (l *line) fields() []any {
	fields := []any{"credential_id", l.Credential}
	add := func(name string, value any, known bool) {
		if known {
			fields = append(fields, name, value)
		}
	}
	add("reason", string(l.Reason), l.Reason != "")
	add("job", l.Job, l.Job != "")
	add("device", l.Device, l.Device != "")
	add("attempt", l.Attempt, l.Attempt != 0)
	add("command", l.Command, l.Command != "")
	add("user", l.User, l.User != "")
	add("peer", l.Peer, l.Peer != "")
	add("revealed", l.Revealed, l.Revealed)
	if l.UID != nil {
		add("uid", *l.UID, true)
		add("pid", *l.PID, true)
	}
	add("credential_version", l.Version, l.Version != "")
	add("outcome", l.Outcome, l.Outcome != "")
	if l.Age != nil {
		add("age", *l.Age, true)
	}
	add("backend_request_id", l.RequestID, l.RequestID != "")
	add("trace_id", l.TraceID, l.TraceID != "")
	return fields
}

// User is who runs this process, for [Recipient]. The operating system says so, and no environment variable.
func User() string {
	id := os.Getuid()
	if id < 0 { // Windows
		if current, err := user.Current(); err == nil {
			return current.Username
		}
		return ""
	}
	if known, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return known.Username
	}
	return "uid " + strconv.Itoa(id)
}
