package job

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// Limits of a job.
const (
	maxID       = 256
	maxHost     = 253
	maxCommands = 1000
	maxAnswers  = 100
	maxPattern  = 1000
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
	// Commands are run one after the other. None has line breaks, nor has one of Config; one of both has at least one.
	Commands []string
	// Config are lines that are typed in configuration mode, before Commands.
	Config []string
	// Timeout bounds the work; 0 leaves it to the queue.
	Timeout time.Duration
	// Shell has the commands typed into a terminal. It is set for jobs that need one.
	Shell bool
	// DeviceType is the name of the device's platform; empty if nothing is known of it.
	DeviceType string
	// Enable gets privileges before anything else.
	Enable bool
	// Answers are for questions that the device asks.
	Answers []device.Answer
	// Errors match lines by which the device rejects a command, besides those of the platform.
	Errors []*regexp.Regexp
	// Jump is the device through which this one is reached; nil: none.
	Jump *Jump
	// Repeatable allows an engine that has lost a worker to run the commands again, from the first. A queue doesn't: it runs
	// each job once.
	Repeatable bool
}

// Jump is a device that others are reached through.
type Jump struct {
	// Host and Port are as those of a job.
	Host string
	Port int
	// CredentialID names what the login there uses.
	CredentialID string
}

// Address is the device's host:port.
func (j *Jump) Address() string { return net.JoinHostPort(j.Host, strconv.Itoa(j.Port)) }

// Device is the one name by which jobs, turns and refused passwords of a device are told from those of others.
func (j *Job) Device() string { return net.JoinHostPort(j.Host, strconv.Itoa(j.Port)) }

// document is a job as it is written.
type document struct {
	ID           string         `json:"id"`
	Host         string         `json:"host"`
	Port         *int           `json:"port"`
	CredentialID string         `json:"credential_id"`
	Commands     []string       `json:"commands"`
	Config       []string       `json:"config"`
	Timeout      jsontext.Value `json:"timeout"`
	Shell        *bool          `json:"shell"`
	DeviceType   string         `json:"device_type"`
	Enable       bool           `json:"enable"`
	Answers      []answer       `json:"answers"`
	Errors       []string       `json:"errors"`
	Jump         jsontext.Value `json:"jump"`
	Repeatable   bool           `json:"repeatable"`
}

// answer is an answer as it is written.
type answer struct {
	Prompt string `json:"prompt"`
	Send   string `json:"send"`
}

// jump is a jump as it is written; a string is its host.
type jump struct {
	Host         string `json:"host"`
	Port         *int   `json:"port"`
	CredentialID string `json:"credential_id"`
}

// Parse reads a job. Its error, of the reason JOB_INVALID, names the member that is wrong, and quotes no values. The job has
// its ID even then, if the line could be understood that far.
func Parse(line []byte) (*Job, error) {
	line = bytes.TrimPrefix(line, []byte("\ufeff")) // some editors start a file with it, and RFC 8259 lets readers ignore it
	var d document
	if string(bytes.TrimSpace(line)) == "null" { // which json takes for an empty document
		return &Job{}, credential.Errorf(Invalid, "the line is no job: it must be a JSON object")
	}
	if err := json.Unmarshal(line, &d, json.RejectUnknownMembers(true)); err != nil {
		return &Job{ID: idOf(line)}, credential.Errorf(Invalid, "the line is no job: %s", problem(err))
	}
	j := &Job{
		ID: d.ID, Host: host(d.Host), Port: port(d.Port), CredentialID: d.CredentialID, Commands: d.Commands, Config: d.Config,
		DeviceType: d.DeviceType, Enable: d.Enable, Repeatable: d.Repeatable,
	}
	err := j.read(&d)
	if err == nil {
		err = j.check()
	}
	if err != nil {
		return j, credential.Errorf(Invalid, "the line is no job: %w", err)
	}
	return j, nil
}

// read takes what isn't taken as it is.
func (j *Job) read(d *document) (err error) {
	if j.Timeout, err = timeout(d.Timeout); err != nil {
		return err
	}
	if j.Jump, err = d.jump(); err != nil {
		return err
	}
	needed := len(d.Config) > 0 || d.Enable
	if d.Shell != nil && !*d.Shell && needed {
		return errors.New("shell must not be false with config or enable: they need a terminal")
	}
	j.Shell = needed || d.DeviceType != "" || len(d.Answers) > 0
	if d.Shell != nil {
		j.Shell = *d.Shell
	}
	for i, a := range d.Answers {
		pattern, err := regexp.Compile(a.Prompt)
		if err != nil || a.Prompt == "" || len(a.Prompt) > maxPattern {
			return fmt.Errorf("answers: prompt of number %d must be a regular expression (RE2) of at most %d bytes", i+1, maxPattern)
		}
		if strings.ContainsFunc(a.Send, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
			return fmt.Errorf("answers: send of number %d must have no control characters but a line feed, which is Enter", i+1)
		}
		j.Answers = append(j.Answers, device.Answer{Prompt: pattern, Send: a.Send})
	}
	for i, expression := range d.Errors {
		pattern, err := regexp.Compile(expression)
		if err != nil || expression == "" || len(expression) > maxPattern {
			return fmt.Errorf("errors: number %d must be a regular expression (RE2) of at most %d bytes", i+1, maxPattern)
		}
		j.Errors = append(j.Errors, pattern)
	}
	return nil
}

// jump reads the device in between. Without its own credential it has the job's.
func (d *document) jump() (*Jump, error) {
	refused := errors.New(`jump must be a host, or an object of host, port and credential_id`)
	var written jump
	switch d.Jump.Kind() {
	case 0, 'n':
		return nil, nil
	case '"':
		if json.Unmarshal(d.Jump, &written.Host) != nil {
			return nil, refused
		}
	default:
		if json.Unmarshal(d.Jump, &written, json.RejectUnknownMembers(true)) != nil {
			return nil, refused
		}
	}
	j := &Jump{Host: host(written.Host), Port: port(written.Port), CredentialID: cmp.Or(written.CredentialID, d.CredentialID)}
	if err := checkTarget(j.Host, j.Port, j.CredentialID); err != nil {
		return nil, fmt.Errorf("jump: %w", err)
	}
	return j, nil
}

func port(written *int) int {
	if written == nil {
		return defaultPort
	}
	return *written
}

// host gives one device one name, whatever the caller's spelling.
func host(written string) string {
	name := strings.TrimRight(written, ".")
	if address, err := netip.ParseAddr(name); err == nil {
		return zoned(address.Unmap()).String()
	}
	return strings.ToLower(name)
}

// zoned gives one address one zone: an interface has a name, whose case matters, and a number, and only link-local addresses
// have zones at all.
func zoned(address netip.Addr) netip.Addr {
	if !address.IsLinkLocalUnicast() {
		return address.WithZone("")
	}
	if number, err := strconv.Atoi(address.Zone()); err == nil {
		if found, err := net.InterfaceByIndex(number); err == nil {
			return address.WithZone(found.Name)
		}
	}
	return address
}

func (j *Job) check() error {
	switch lines := len(j.Commands) + len(j.Config); {
	case j.ID == "" || len(j.ID) > maxID:
		return fmt.Errorf("id must have 1 to %d bytes", maxID)
	case lines == 0:
		return errors.New("commands must have at least one string, or config must")
	case lines > maxCommands:
		return fmt.Errorf("commands and config must have at most %d strings", maxCommands)
	case len(j.Answers) > maxAnswers || len(j.Errors) > maxAnswers:
		return fmt.Errorf("answers and errors must have at most %d items each", maxAnswers)
	}
	if err := checkTarget(j.Host, j.Port, j.CredentialID); err != nil {
		return err
	}
	for name, lines := range map[string][]string{"commands": j.Commands, "config": j.Config} {
		for i, line := range lines {
			if strings.TrimSpace(line) == "" || strings.ContainsFunc(line, unicode.IsControl) {
				return fmt.Errorf("%s: number %d must be a string of one line, without control characters", name, i+1)
			}
		}
	}
	return nil
}

// checkTarget checks what names a device and its credential.
func checkTarget(host string, port int, credentialID string) error {
	switch {
	case host == "" || len(host) > maxHost || strings.ContainsFunc(host, notInHost):
		return errors.New("host must be a device's name or address, without a port or a user")
	case strings.Contains(host, ":") && !isAddress(host):
		return errors.New("host must not have a port; the port is a separate member")
	case port < 1 || port > math.MaxUint16:
		return fmt.Errorf("port must be from 1 to %d", math.MaxUint16)
	case credentialID == "" || len(credentialID) > credential.MaxIDLength:
		return fmt.Errorf("credential_id must have 1 to %d bytes", credential.MaxIDLength)
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

// timeout reads a string such as "30s", or a number of seconds.
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
	"id": "a string", "host": "a string", "credential_id": "a string", "device_type": "a string",
	"port": "a whole number", "commands": "a list of strings", "config": "a list of strings", "errors": "a list of strings",
	"timeout": `a time such as "30s" or a number of seconds`, "jump": "a host, or an object of host, port and credential_id",
	"answers": `a list of objects {"prompt", "send"}`, "shell": "true or false", "enable": "true or false", "repeatable": "true or false",
}

// problem says what is wrong with a line, without what the decoder would quote of it.
func problem(err error) string {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		member := strings.TrimPrefix(string(semantic.JSONPointer), "/")
		switch {
		case errors.Is(err, json.ErrUnknownName):
			if list, rest, nested := strings.Cut(member, "/"); nested { // answers is the only list of objects
				return list + ": " + noMember(rest[strings.LastIndexByte(rest, '/')+1:], "an answer", []string{"prompt", "send"})
			}
			return noMember(member, "a job", slices.Sorted(maps.Keys(forms)))
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

// noMember names the nearest member that there is, or all of them.
func noMember(member, of string, names []string) string {
	if name := text.Nearest(member, names); name != "" {
		return "there is no member " + text.Quote(member, 40) + "; did you mean " + name + "?"
	}
	return "there is no member " + text.Quote(member, 40) + "; " + of + " has " + strings.Join(names, ", ")
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
			return text.Truncate(id.String(), maxID)
		}
		return ""
	}
	return ""
}
