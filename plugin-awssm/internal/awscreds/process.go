package awscreds

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// processKill is how long a process's children may keep its output open once it was killed.
const processKill = time.Second

// maxPrinted is how much of what a process prints is read, in bytes.
const maxPrinted = 64 << 10

// output is what a process has printed, up to maxPrinted. What comes after is thrown away, and full is called.
type output struct {
	text    []byte
	tooMuch bool
	full    func()
}

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	kept := min(len(text), maxPrinted-len(o.text))
	o.text = append(o.text, text[:kept]...)
	if kept < len(text) && !o.tooMuch {
		o.tooMuch = true
		o.full()
	}
	return len(text), nil
}

// passEnvironment is what a helper such as op or aws-vault may lack: a host passes no more than it must.
const passEnvironment = "a variable that the program needs must be named in credential_plugin_pass_env"

// runProcess runs a credential_process and reads the credentials that it prints. The line is split into words and run
// without a shell, as boto3 does.
func runProcess(ctx context.Context, line string) (aws.Credentials, error) {
	words, err := SplitWords(line)
	if err != nil {
		return aws.Credentials{}, unauthenticated("credential_process can't be split into words: %v", err).WithHelp("correct the quoting")
	}
	if len(words) == 0 {
		return aws.Credentials{}, unauthenticated("credential_process is empty").WithHelp("name a program, or remove the key")
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	command := exec.CommandContext(running, words[0], words[1:]...)
	command.WaitDelay = processKill
	printed, complaints := &output{full: stop}, &output{full: func() {}}
	command.Stdout, command.Stderr = printed, complaints
	program := printable(words[0])
	err = command.Run()
	var exit *exec.ExitError
	byHand := "run the profile's credential_process by hand as the worker's user, with the worker's environment"
	const mustPrint = `it must print JSON: {"Version": 1, "AccessKeyId": "...", "SecretAccessKey": "...", "SessionToken": "...", "Expiration": "2026-01-31T12:00:00Z"}`
	switch {
	case printed.tooMuch:
		return aws.Credentials{}, unauthenticated("credential_process %s prints no credentials: it prints more than %d KiB", program, maxPrinted>>10).WithHelp(mustPrint).WithHelp("%s", byHand)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return aws.Credentials{}, unavailable("credential_process %s doesn't end in time", program).
			WithHelp("%s: it may wait for an answer to a prompt", byHand).WithHelp("give it more time with credential_process_timeout").WithHelp(passEnvironment)
	case ctx.Err() != nil:
		return aws.Credentials{}, credential.Errorf(credential.Cancelled, "the provider ends")
	case errors.As(err, &exit):
		said := "; it printed nothing to standard error"
		if len(complaints.text) > 0 {
			said = "; what it printed to standard error isn't shown, since it may hold a secret"
		}
		return aws.Credentials{}, unauthenticated("credential_process %s fails (%s)%s", program, exit.ProcessState, said).WithHelp("%s", byHand).WithHelp(passEnvironment)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return aws.Credentials{}, unauthenticated("credential_process %s can't be started: %v", program, startProblem(err)).
			WithHelp("name the program by its whole path, or install it; it is run without a shell").WithHelp(passEnvironment)
	}
	creds, problem := parseCredentials(printed.text, "SessionToken", true)
	if problem != "" {
		return aws.Credentials{}, unauthenticated("credential_process %s prints no credentials: %s", program, problem).
			WithHelp(mustPrint).
			WithHelp("%s", byHand)
	}
	return creds, nil
}

// startProblem returns why a program can't be started, without its path.
func startProblem(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// parseCredentials reads the JSON that credential processes and container endpoints give. Keys are exact, as they are to
// boto3, and so is what may be missing. The problem never quotes the text.
func parseCredentials(text []byte, tokenKey string, versioned bool) (creds aws.Credentials, problem string) {
	var members map[string]json.RawMessage
	if !utf8.Valid(text) || json.Unmarshal(text, &members) != nil || members == nil {
		return aws.Credentials{}, "it isn't a JSON object"
	}
	var version float64
	if versioned && (json.Unmarshal(members["Version"], &version) != nil || version != 1) {
		return aws.Credentials{}, `"Version" isn't 1`
	}
	read := func(key string, needed bool) string {
		raw, there := members[key]
		var value *string
		switch {
		case problem != "":
		case !there && needed:
			problem = `"` + key + `" is missing`
		case there && json.Unmarshal(raw, &value) != nil:
			problem = `"` + key + `" isn't a string`
		case needed && (value == nil || *value == ""):
			problem = `"` + key + `" is empty`
		}
		if value == nil {
			return ""
		}
		return *value
	}
	creds = aws.Credentials{AccessKeyID: read("AccessKeyId", true), SecretAccessKey: read("SecretAccessKey", true), SessionToken: read(tokenKey, false)}
	if _, there := members[tokenKey]; !there && !versioned && problem == "" {
		problem = `"` + tokenKey + `" is missing`
	}
	if expiration := read("Expiration", !versioned); problem == "" && expiration != "" {
		if creds.Expires, creds.CanExpire = parseTime(expiration); !creds.CanExpire {
			problem = `"Expiration" is not a time with a zone, such as 2026-01-31T12:00:00Z`
		}
	}
	if problem != "" {
		return aws.Credentials{}, problem
	}
	return creds, ""
}

// printable is a program's name as far as it may be shown.
func printable(name string) string {
	if len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "(its name isn't shown)"
	}
	return name
}
