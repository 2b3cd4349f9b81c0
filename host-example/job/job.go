package job

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Limits of a job.
const (
	maxID       = 256
	maxHost     = 253
	maxCommands = 1000
	maxTimeout  = 24 * time.Hour
	defaultPort = 22
)

// Job is what one line asks for.
type Job struct {
	// ID is the caller's name for the job. It need not be unique.
	ID string
	// Host is a name or an address, without a port.
	Host string
	// Port is from 1 to 65535.
	Port int
	// CredentialID names what the login uses.
	CredentialID string
	// Commands are run one after the other; there is at least one, and none has line breaks.
	Commands []string
	// Timeout bounds the work; 0 leaves it to the queue.
	Timeout time.Duration
	// Shell has the commands typed into a terminal, for devices that know no other way.
	Shell bool
}

// Device is the one name by which jobs, turns and refused passwords of a device are told from those of others.
func (j *Job) Device() string { return net.JoinHostPort(j.Host, strconv.Itoa(j.Port)) }

// document is a job as it is written.
type document struct {
	ID           string         `json:"id"`
	Host         string         `json:"host"`
	Port         *int           `json:"port"`
	CredentialID string         `json:"credential_id"`
	Commands     []string       `json:"commands"`
	Timeout      jsontext.Value `json:"timeout"`
	Shell        bool           `json:"shell"`
}

// Parse reads a job. Its error, of the reason JOB_INVALID, names the member that is wrong, and quotes no values. The job has
// its ID even then, if the line could be understood that far.
func Parse(line []byte) (*Job, error) {
	line = bytes.TrimPrefix(line, []byte("\ufeff")) // some editors begin a file with it, and RFC 8259 lets readers ignore it
	var d document
	if err := json.Unmarshal(line, &d, json.RejectUnknownMembers(true)); err != nil {
		return &Job{ID: idOf(line)}, credential.Errorf(Invalid, "the line is no job: %s", problem(err))
	}
	j := &Job{ID: d.ID, Port: defaultPort, CredentialID: d.CredentialID, Commands: d.Commands, Shell: d.Shell}
	j.Host = host(d.Host)
	if d.Port != nil {
		j.Port = *d.Port
	}
	var err error
	if j.Timeout, err = timeout(d.Timeout); err == nil {
		err = j.check()
	}
	if err != nil {
		return j, credential.Errorf(Invalid, "the line is no job: %w", err)
	}
	return j, nil
}

// host gives one device one name, whatever the caller's spelling.
func host(written string) string {
	name := strings.TrimRight(written, ".")
	if address, err := netip.ParseAddr(name); err == nil {
		return address.Unmap().String() // with its zone, whose case matters
	}
	return strings.ToLower(name)
}

func (j *Job) check() error {
	switch {
	case j.ID == "" || len(j.ID) > maxID:
		return fmt.Errorf("id must have 1 to %d bytes", maxID)
	case j.Host == "" || len(j.Host) > maxHost || strings.ContainsFunc(j.Host, notInHost):
		return fmt.Errorf("host must be a device's name or address, without a port or a user")
	case strings.Contains(j.Host, ":") && !isAddress(j.Host):
		return fmt.Errorf("host must not have a port; that is a member of its own")
	case j.Port < 1 || j.Port > math.MaxUint16:
		return fmt.Errorf("port must be from 1 to %d", math.MaxUint16)
	case j.CredentialID == "" || len(j.CredentialID) > credential.MaxIDLength:
		return fmt.Errorf("credential_id must have 1 to %d bytes", credential.MaxIDLength)
	case len(j.Commands) == 0 || len(j.Commands) > maxCommands:
		return fmt.Errorf("commands must have 1 to %d texts", maxCommands)
	}
	for i, command := range j.Commands {
		if strings.TrimSpace(command) == "" || strings.ContainsFunc(command, unicode.IsControl) {
			return fmt.Errorf("commands: number %d must be a text of one line, without control characters", i+1)
		}
	}
	return nil
}

func notInHost(r rune) bool {
	return r <= ' ' || r > unicode.MaxASCII || strings.ContainsRune("@/\\[]*?,;\"'`|&$<>(){}!", r)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// timeout reads a text such as "30s", or a number of seconds.
func timeout(value jsontext.Value) (time.Duration, error) {
	refused := errors.New(`timeout must be a time such as "30s" or a number of seconds, more than 0 and at most a day`)
	var d time.Duration
	switch value.Kind() {
	case 0, 'n':
		return 0, nil
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return 0, refused
		}
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			return 0, refused
		}
	case '0':
		seconds, err := strconv.ParseFloat(string(value), 64)
		if err != nil || seconds > maxTimeout.Seconds() {
			return 0, refused
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d <= 0 || d > maxTimeout {
		return 0, refused
	}
	return d, nil
}

// forms are what the members of a document must be, where the decoder checks it.
var forms = map[string]string{
	"id": "a text", "host": "a text", "credential_id": "a text",
	"port": "a whole number", "commands": "a list of texts", "shell": "true or false",
}

// problem says what is wrong with a line, without what the decoder would quote of it.
func problem(err error) string {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		member := strings.TrimPrefix(string(semantic.JSONPointer), "/")
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return "there is no member " + strconv.Quote(clip(member)) + "; a job has id, host, port, credential_id, commands, timeout and shell"
		case member != "":
			name, _, _ := strings.Cut(member, "/") // of a list, not its item
			return name + " must be " + forms[name]
		}
		return "it must be a JSON object"
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return "a member is there twice"
	}
	return "it isn't valid JSON in UTF-8"
}

func clip(text string) string {
	const longest = 40
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}

// idOf looks for the id in a line that is no job.
func idOf(line []byte) string {
	decoder := jsontext.NewDecoder(bytes.NewReader(line), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return ""
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return ""
		}
		if name.String() != "id" {
			if decoder.SkipValue() != nil {
				return ""
			}
			continue
		}
		if id, err := decoder.ReadToken(); err == nil && id.Kind() == '"' {
			return strings.ToValidUTF8(clip(id.String()), "?")
		}
		return ""
	}
	return ""
}
