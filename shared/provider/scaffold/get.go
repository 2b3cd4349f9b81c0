package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// possibleID is what the service allows as a key. What becomes part of a path must not be a dot or two.
var possibleID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// entry is one key of the service. Its value is whatever a user has stored there.
type entry struct {
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	Version string          `json:"version"`
	Created time.Time       `json:"created"`
}

// Get reads one credential, anew each time: caching is the worker's.
func (p *keyvalue) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	if !possibleID.MatchString(request.ID) {
		return nil, credential.Errorf(credential.CredentialIDInvalid, "%q can't be a key of the service", request.ID).
			WithHelp("use up to 128 letters, digits, dots, dashes and underscores, a letter or digit first")
	}
	query := url.Values{}
	if request.VersionID != "" {
		query.Set("version", request.VersionID)
	}
	if request.VersionLabel != "" {
		query.Set("label", request.VersionLabel)
	}
	var found entry
	refusal, err := p.client.call(ctx, http.MethodGet, "/v1/keys/"+request.ID, query, nil, &found)
	if err != nil {
		return nil, err
	}
	hclog.FromContext(ctx).Debug("read", "credential_id", request.ID, "version", found.Version) // never the value
	return toCredential(request.ID, refusal, found)
}

// toCredential turns what the service says of one key into a credential, or into the reason why there is none.
func toCredential(id, refusal string, found entry) (*credential.Credential, error) {
	switch refusal {
	case "":
	case "no_such_key":
		return nil, credential.Errorf(credential.CredentialNotFound, "the service has no key %q", id).
			WithHelp(`store it: {"username": "...", "password": "..."}`)
	case "no_such_version":
		return nil, credential.Errorf(credential.VersionNotFound, "key %q has no such version", id)
	case "forbidden":
		return nil, credential.Errorf(credential.AccessDenied, "the token may not read key %q", id).
			With("action", "read").With("resource", id).WithHelp("allow it, or use another token")
	case "deleted":
		return nil, credential.Errorf(credential.CredentialDeleted, "key %q is deleted", id).WithHelp("restore it in the service")
	default:
		return nil, credential.Errorf(credential.Internal, "the service refuses key %q in a way that this version doesn't know", id)
	}
	return parse(id, found)
}

// parse reads the value. Its errors name the field and the problem, never what is in it.
func parse(id string, found entry) (*credential.Credential, error) {
	malformed := func(field, problem string) error {
		return credential.Errorf(credential.CredentialMalformed, "key %q isn't a credential: %s %s", id, field, problem).
			With("field", field).With("problem", problem).WithHelp("correct the value in the service")
	}
	decoder := json.NewDecoder(bytes.NewReader(found.Value))
	decoder.UseNumber() // a number is handed on as it is written
	var fields map[string]any
	if decoder.Decode(&fields) != nil || fields == nil {
		return nil, malformed("value", "is not a JSON object")
	}
	result := &credential.Credential{ID: id, VersionID: found.Version, VersionCreated: found.Created, Extra: map[string]credential.Redacted{}}
	for name, value := range fields {
		text, isText := value.(string)
		switch {
		case name == "username" || name == "password":
			if !isText {
				return nil, malformed(name, "is not a text")
			}
			if strings.ContainsAny(text, "\x00\r\n") {
				return nil, malformed(name, "holds a line break or NUL") // it would lock accounts
			}
			if name == "username" {
				result.Username = text
			} else {
				result.Password = credential.Password(text)
			}
		case isText:
			result.Extra[name] = credential.NewRedacted(text)
		default:
			switch value := value.(type) {
			case json.Number:
				result.Extra[name] = credential.NewRedacted(value.String())
			case bool:
				encoded, _ := json.Marshal(value) // true or false
				result.Extra[name] = credential.NewRedacted(string(encoded))
			}
		}
	}
	_, hasPassword := result.Password.Get()
	switch {
	case result.Username == "":
		return nil, malformed("username", "is missing or empty")
	case !hasPassword && result.Extra[credential.PrivateKeyField].IsEmpty():
		return nil, malformed("password", "is missing, and there is no private_key")
	}
	return result, nil
}
