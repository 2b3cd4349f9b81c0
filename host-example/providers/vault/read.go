package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// labelPrevious is the version before the current one. Vault numbers versions and has no labels; this one is ours.
const labelPrevious = "previous"

// maxParallel is how many credentials of a batch are read at the same time.
const maxParallel = 16

// secret is what Vault has at one path.
type secret struct {
	Data     json.RawMessage `json:"data"`
	Metadata struct {
		Version   int64     `json:"version"`
		Created   time.Time `json:"created_time"`
		Deletion  string    `json:"deletion_time"`
		Destroyed bool      `json:"destroyed"`
	} `json:"metadata"`
}

func unmarshal(data []byte, result any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // a number is handed on as it is written
	return decoder.Decode(result)
}

// checkID refuses an id that would become another path. Slashes separate directories below the prefix.
func checkID(id string) error {
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.TrimSpace(segment) != segment {
			return credential.Errorf(credential.CredentialIDInvalid, "%q can't be a path in Vault", id).With("problem", "an empty segment, a dot or spaces around one").
				WithHelp("give the path below the prefix, without a slash at its ends")
		}
	}
	return nil
}

// Get reads one credential, anew each time: caching is the worker's.
func (v *vault) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	if err := checkID(request.ID); err != nil {
		return nil, err
	}
	switch {
	case request.VersionLabel == labelPrevious:
		current, problem, err := v.read(ctx, request.ID, 0)
		if err != nil {
			return nil, err
		}
		if problem == missing {
			return nil, v.problem(request.ID, problem)
		}
		if current.Metadata.Version < 2 {
			return nil, noVersion(request.ID)
		}
		return v.version(ctx, request.ID, current.Metadata.Version-1)
	case request.VersionLabel != "":
		return nil, v.absentVersion(ctx, request.ID)
	case request.VersionID != "":
		number, err := strconv.ParseInt(request.VersionID, 10, 64)
		if err != nil || number < 1 || strconv.FormatInt(number, 10) != request.VersionID { // Vault takes 0 for the current one
			return nil, v.absentVersion(ctx, request.ID)
		}
		return v.version(ctx, request.ID, number)
	}
	found, problem, err := v.read(ctx, request.ID, 0)
	if err != nil {
		return nil, err
	}
	if problem != none {
		return nil, v.problem(request.ID, problem)
	}
	return parse(request.ID, found)
}

// version reads one version. Vault answers the same for a version and for an id that doesn't exist.
func (v *vault) version(ctx context.Context, id string, number int64) (*credential.Credential, error) {
	found, problem, err := v.read(ctx, id, number)
	switch {
	case err != nil:
		return nil, err
	case problem == missing:
		return nil, v.absentVersion(ctx, id)
	case problem == deleted:
		return nil, noVersion(id)
	case found.Metadata.Version != number:
		return nil, v.client.misconfigured("answers with another version than was asked for")
	}
	return parse(id, found)
}

// absentVersion returns VERSION_NOT_FOUND if there is a credential of this id, and what is wrong with it otherwise.
func (v *vault) absentVersion(ctx context.Context, id string) error {
	_, problem, err := v.read(ctx, id, 0)
	switch {
	case err != nil:
		return err
	case problem == missing:
		return v.problem(id, problem)
	}
	return noVersion(id)
}

func noVersion(id string) error {
	return credential.Errorf(credential.VersionNotFound, "credential %q has no such version; it may have been deleted or destroyed", id)
}

// state is why there is nothing to read.
type state int

const (
	none    state = iota
	missing       // Vault has nothing at the path
	deleted       // the version has been deleted or destroyed
)

// read reads a version of a path; 0 is the current one.
func (v *vault) read(ctx context.Context, id string, number int64) (*secret, state, error) {
	at := v.client.at("data", id)
	if number > 0 {
		at += "?version=" + strconv.FormatInt(number, 10)
	}
	got, err := v.session.send(ctx, http.MethodGet, at)
	if err != nil {
		return nil, none, err
	}
	var found secret
	understood := len(got.Data) > 0 && unmarshal(got.Data, &found) == nil && found.Metadata.Version > 0
	switch {
	case got.status == http.StatusOK && understood:
		return &found, none, nil
	case got.status == http.StatusNotFound && understood && (found.Metadata.Deletion != "" || found.Metadata.Destroyed):
		return &found, deleted, nil
	case got.status == http.StatusNotFound && len(got.Data) == 0 && got.Errors != nil && len(got.Errors) == 0:
		return nil, missing, nil
	case got.status == http.StatusNotFound && len(got.Errors) > 0:
		return nil, none, credential.Errorf(credential.BackendMisconfigured, "Vault at %s has no secrets engine at %s/", v.client.base.Host, v.client.mount).
			WithHelp("set plugin_vault_mount and plugin_vault_namespace; vault secrets list shows the engines")
	default:
		return nil, none, credential.Errorf(credential.BackendMisconfigured, "Vault at %s doesn't answer as a key/value engine of version 2 at %s/", v.client.base.Host, v.client.mount).
			WithHelp("vault secrets list -detailed shows the versions; vault kv enable-versioning %s", v.client.mount)
	}
}

func (v *vault) problem(id string, problem state) error {
	if problem == deleted {
		return credential.Errorf(credential.CredentialDeleted, "the current version of credential %q has been deleted", id).
			WithHelp("vault kv undelete, or store a new version")
	}
	return credential.Errorf(credential.CredentialNotFound, "Vault has no credential %q", id).
		WithHelp("vault kv put -mount=%s %s username=... password=-", v.client.mount, strings.TrimPrefix(v.client.prefix+"/"+id, "/"))
}

// GetBatch reads several credentials side by side: Vault has no request for many, but they share one session, and one call
// of the worker brings all.
func (v *vault) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	if _, err := v.session.current(ctx); err != nil {
		return nil, err // none could be tried
	}
	results := make([]credential.Result, len(requests))
	room := make(chan struct{}, maxParallel)
	var reads sync.WaitGroup
	for i, request := range requests {
		room <- struct{}{}
		reads.Go(func() {
			defer func() { <-room }()
			results[i].Credential, results[i].Err = v.Get(ctx, request)
		})
	}
	reads.Wait()
	return results, nil
}

// parse reads a secret's fields. Its errors name the field and the problem, never what is in it.
func parse(id string, found *secret) (*credential.Credential, error) {
	malformed := func(field, problem string) error {
		return credential.Errorf(credential.CredentialMalformed, "%q isn't a credential: %s %s", id, field, problem).
			With("field", field).With("problem", problem).WithHelp("store a new version with username and password")
	}
	var fields map[string]any
	if unmarshal(found.Data, &fields) != nil || fields == nil {
		return nil, malformed("data", "is not an object")
	}
	result := &credential.Credential{
		ID: id, VersionID: strconv.FormatInt(found.Metadata.Version, 10), VersionCreated: found.Metadata.Created, Extra: map[string]credential.Redacted{},
	}
	for name, value := range fields {
		content, isString := value.(string)
		if name == "username" || name == "password" {
			switch {
			case !isString:
				return nil, malformed(name, "is not a string")
			case strings.ContainsAny(content, "\x00\r\n"): // it would lock accounts
				return nil, malformed(name, "holds a line break or NUL")
			case name == "username":
				result.Username = content
			default:
				result.Password = credential.Password(content)
			}
			continue
		}
		switch value := value.(type) {
		case string:
			result.Extra[name] = credential.NewRedacted(value)
		case json.Number:
			result.Extra[name] = credential.NewRedacted(value.String())
		case bool:
			result.Extra[name] = credential.NewRedacted(strconv.FormatBool(value))
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
