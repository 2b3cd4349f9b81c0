package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Fixtures say what the backend holds. Only Credentials and Missing are needed; each of the others allows more checks.
//
// As YAML:
//
//	credentials:
//	  lab_creds: {username: admin, password: canary-4711, extra: {enable_password: canary-4712}}
//	missing: [absent]
//	malformed: {broken: [canary-4713]}
//	invalid_ids: ["../x"]
//	slow: [stalled]
//	versions:
//	  - {credential_id: lab_creds, version_label: AWSPREVIOUS, username: admin, password: canary-4714}
//	denied: [secret_creds]
//	deleted: [old_creds]
//	backend_gone:
//	  settings: {endpoint_url: "http://127.0.0.1:9"}
//	events:
//	  - command: [./change-password, lab_creds]
//	    undo: [./change-password, lab_creds, --back]
//	    credentials: {lab_creds: {username: admin, password: canary-4715}}
//	environment: {AWS_REGION: us-east-1}
type Fixtures struct {
	// Credentials are some that exist, by id. With several, batches and pages are checked better.
	Credentials map[string]Credential `yaml:"credentials"`
	// Missing are ids that could exist and don't.
	Missing []string `yaml:"missing"`
	// Malformed are ids of which something exists that isn't a credential, each with the secrets in it.
	Malformed map[string][]string `yaml:"malformed"`
	// InvalidIDs are ids that no credential of the backend could have, beyond those that the contract itself forbids.
	InvalidIDs []string `yaml:"invalid_ids"`
	// Slow are ids of which the backend takes more than ten seconds to say anything.
	Slow []string `yaml:"slow"`
	// Versions are versions other than the current ones, for a provider with the capability VERSION.
	Versions []Version `yaml:"versions"`
	// Denied are ids that the provider's own credentials may not read.
	Denied []string `yaml:"denied"`
	// Deleted are ids of credentials that are deleted, or scheduled for deletion.
	Deleted []string `yaml:"deleted"`
	// Events change the backend while the provider runs.
	Events []Event `yaml:"events"`
	// BackendGone says how to start the provider so that it finds no backend.
	BackendGone *Variation `yaml:"backend_gone"`
	// Environment is added to the provider's environment in every launch.
	Environment map[string]string `yaml:"environment"`
}

// Credential is what a credential must read as.
type Credential struct {
	Username string `yaml:"username"`
	// Password is nil for a credential that has none; new("canary-4711") makes one.
	Password *string `yaml:"password"`
	// Extra is all of its further fields; nil leaves them unchecked.
	Extra map[string]string `yaml:"extra"`
}

// Version is one version of a credential, named by id or by label.
type Version struct {
	CredentialID string `yaml:"credential_id"`
	VersionID    string `yaml:"version_id"`
	VersionLabel string `yaml:"version_label"`
	Credential   `yaml:",inline"`
}

// Variation is a different way to start the provider: settings and environment variables that replace others.
type Variation struct {
	Settings    map[string]any    `yaml:"settings"`
	Environment map[string]string `yaml:"environment"`
}

// Event is something that happens to the backend, and what a provider that was running before must answer after it. What is
// not named stays as it was.
type Event struct {
	// Command makes it happen: a program and its arguments, which ends when it has happened. Its environment is that of the
	// provider, and for each setting NAME the variable SETTING_NAME.
	Command []string `yaml:"command"`
	// Undo restores what was before; without it the backend stays changed.
	Undo []string `yaml:"undo"`
	// Credentials read like this afterwards: with other values, or ids that were missing before.
	Credentials map[string]Credential `yaml:"credentials"`
	// Missing don't exist any more, Deleted are deleted, Denied may not be read any more, Slow don't answer any more.
	Missing []string `yaml:"missing"`
	Deleted []string `yaml:"deleted"`
	Denied  []string `yaml:"denied"`
	Slow    []string `yaml:"slow"`
	// SessionEnded says that the backend has forgotten the provider's session (a token that it got by signing in): everything
	// reads as before, since the provider signs in again.
	SessionEnded bool `yaml:"session_ended"`
}

// ParseFixtures reads fixtures from YAML. Unknown keys are errors.
func ParseFixtures(text []byte) (Fixtures, error) {
	var fixtures Fixtures
	if err := decode(text, &fixtures); err != nil {
		return Fixtures{}, fmt.Errorf("fixtures: %w", err)
	}
	if err := fixtures.check(); err != nil {
		return Fixtures{}, err
	}
	return fixtures, nil
}

// ParseSettings reads settings from YAML: a mapping of the provider's settings, without the prefix that they have in a
// worker's file.
func ParseSettings(text []byte) (map[string]any, error) {
	settings := map[string]any{}
	if err := decode(text, &settings); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	for name, value := range settings {
		if _, date := value.(time.Time); date {
			return nil, fmt.Errorf("settings: %s is a date in YAML; put it in quotes", name)
		}
	}
	return settings, nil
}

// quotedValue is where the YAML library's errors quote what they found.
var quotedValue = regexp.MustCompile(" `[^`]*`")

// inWords has what stands for the types of Go in those errors.
var inWords = strings.NewReplacer(
	"unmarshal errors:", "it is not of the right form:", "cannot unmarshal", "can't take",
	"!!seq", "a list", "!!map", "a mapping", "!!str", "the string", "!!int", "the number", "!!float", "the number", "!!bool", "the boolean",
	"into map[string]conformance.Credential", "as a mapping of ids to credentials", "into map[string][]string", "as a mapping of ids to lists of secrets",
	"into map[string]interface {}", "as a mapping of settings", "into map[string]string", "as a mapping of strings", "into []string", "as a list of strings",
	"into []conformance.Version", "as a list of versions", "into conformance.Credential", "as a credential", "into conformance.Version", "as a version",
	"into conformance.Variation", "as settings and environment", "into []conformance.Event", "as a list of events", "into conformance.Event", "as an event", "into conformance.Fixtures", "as fixtures", "into string", "as a string",
	"not found in type conformance.Fixtures", "is none of a file of fixtures", "not found in type conformance.Credential", "is none of a credential",
	"not found in type conformance.Version", "is none of a version", "not found in type conformance.Variation", "is none of backend_gone",
	"not found in type conformance.Event", "is none of an event",
)

func decode(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return errors.New(inWords.Replace(quotedValue.ReplaceAllString(err.Error(), "")))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one YAML document in it (a line with ---)")
	}
	return nil
}

func (f Fixtures) check() error {
	if len(f.Credentials) == 0 || len(f.Missing) == 0 {
		return errors.New("fixtures: credentials and missing must each have at least one id")
	}
	for id, c := range f.Credentials {
		if c.Username == "" {
			return fmt.Errorf("fixtures: credential %q has no username", id)
		}
		if c.Password == nil && c.Extra[credential.PrivateKeyField] == "" {
			return fmt.Errorf("fixtures: credential %q has neither a password nor a private_key in extra", id)
		}
	}
	for _, id := range f.Missing {
		if _, exists := f.Credentials[id]; exists {
			return fmt.Errorf("fixtures: %q is among the credentials and among the missing", id)
		}
	}
	for i, event := range f.Events {
		if len(event.Command) == 0 {
			return fmt.Errorf("fixtures: event %d has no command", i+1)
		}
		if len(event.Credentials)+len(event.Missing)+len(event.Deleted)+len(event.Denied)+len(event.Slow) == 0 && !event.SessionEnded {
			return fmt.Errorf("fixtures: event %d doesn't say what differs after it: credentials, missing, deleted, denied, slow or session_ended", i+1)
		}
		for id, c := range event.Credentials {
			if c.Username == "" {
				return fmt.Errorf("fixtures: credential %q of event %d has no username", id, i+1)
			}
		}
	}
	for i, v := range f.Versions {
		if v.CredentialID == "" || (v.VersionID == "") == (v.VersionLabel == "") {
			return fmt.Errorf("fixtures: version %d needs a credential_id, and either a version_id or a version_label", i+1)
		}
	}
	return nil
}

// named is a secret with whose it is.
type named struct{ text, what string }

// secrets are all secrets of the fixtures.
func (f Fixtures) secrets() []named {
	var all []named
	add := func(id string, c Credential) {
		if c.Password != nil {
			all = append(all, named{*c.Password, fmt.Sprintf("the password of %q", id)})
		}
		for name, value := range c.Extra {
			all = append(all, named{value, fmt.Sprintf("field %q of %q", name, id)})
		}
	}
	for id, c := range f.Credentials {
		add(id, c)
	}
	for _, version := range f.Versions {
		add(version.CredentialID, version.Credential)
	}
	for id, secrets := range f.Malformed {
		for _, secret := range secrets {
			all = append(all, named{secret, fmt.Sprintf("a secret of %q", id)})
		}
	}
	for _, event := range f.Events {
		for id, c := range event.Credentials {
			add(id, c)
		}
	}
	return all
}
