package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Each of these methods is an ability that the worker is told of because it is there. Delete what your service can't do.

// List returns one page of keys (LIST).
func (p *keyvalue) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if pageToken != "" {
		query.Set("page", pageToken)
	}
	var found struct {
		Keys []string `json:"keys"`
		Next string   `json:"next"`
	}
	refusal, err := p.client.call(ctx, http.MethodGet, "/v1/keys", query, nil, &found)
	switch {
	case err != nil:
		return credential.Page{}, err
	case refusal == "no_such_page":
		return credential.Page{}, credential.Errorf(credential.PageTokenInvalid, "the service doesn't know the page token").
			WithHelp("list again from the first page")
	case refusal != "":
		return credential.Page{}, credential.Errorf(credential.Internal, "the service refuses a listing in a way that this version doesn't know")
	}
	page := credential.Page{NextToken: found.Next}
	for _, key := range found.Keys {
		page.Credentials = append(page.Credentials, credential.Summary{ID: key})
	}
	return page, nil
}

// wanted and given are one key in a batch.
type (
	wanted struct {
		Key     string `json:"key"`
		Version string `json:"version,omitempty"`
		Label   string `json:"label,omitempty"`
	}
	given struct {
		entry
		Error string `json:"error"`
	}
)

// GetBatch reads up to 100 keys in one request (BATCH). One that fails doesn't fail the others.
func (p *keyvalue) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	body := make([]wanted, len(requests))
	for i, request := range requests {
		body[i] = wanted{Key: request.ID, Version: request.VersionID, Label: request.VersionLabel}
	}
	var found []given
	refusal, err := p.client.call(ctx, http.MethodPost, "/v1/batch", nil, body, &found)
	if err != nil {
		return nil, err
	}
	if refusal != "" || len(found) != len(requests) {
		return nil, credential.Errorf(credential.Internal, "the service doesn't answer a batch of %d keys", len(requests))
	}
	results := make([]credential.Result, len(requests))
	for i, request := range requests {
		if !possibleID.MatchString(request.ID) {
			results[i].Err = credential.Errorf(credential.CredentialIDInvalid, "%q can't be a key of the service", request.ID)
			continue
		}
		results[i].Credential, results[i].Err = toCredential(request.ID, found[i].Error, found[i].entry)
	}
	return results, nil
}

// Validate looks at the service, the token and, if one is named, a credential: side by side, each within the caller's time.
func (p *keyvalue) Validate(ctx context.Context, id string) (credential.Report, error) { //nolint:unparam // provider.Validator has the error
	looks := []struct {
		name, passed string
		look         func() error
	}{
		{"service", "the service at " + p.client.base.Host + " answers", func() error {
			_, err := p.client.call(ctx, http.MethodGet, "/v1/health", nil, nil, &struct{}{})
			return err
		}},
		{"token", "the token may list keys", func() error {
			_, err := p.List(ctx, 1, "")
			return err
		}},
	}
	if id != "" {
		looks = append(looks, struct {
			name, passed string
			look         func() error
		}{"read", "credential " + strconv.Quote(id) + " can be read", func() error {
			_, err := p.Get(ctx, credential.Request{ID: id})
			return err
		}})
	}
	report := credential.Report{Checks: make([]credential.Check, len(looks))}
	var all sync.WaitGroup
	for i, l := range looks {
		all.Go(func() { report.Checks[i] = checked(l.name, l.passed, l.look()) })
	}
	all.Wait()
	return report, nil
}

// checked turns the outcome of one look into a check, with what to do about it.
func checked(name, passed string, err error) credential.Check {
	if err == nil {
		return credential.Check{Name: name, Status: credential.StatusPassed, Message: passed}
	}
	check := credential.Check{Name: name, Status: credential.StatusFailed, Reason: credential.DeadlineExceeded,
		Message: "the time was up first", Remedy: "see why the service is slow"}
	var known *credential.Error
	if errors.As(err, &known) {
		check.Reason, check.Message, check.Remedy = known.Reason, known.Error(), strings.Join(known.Help, "\n")
	}
	if check.Remedy == "" {
		check.Remedy = "see the service's own log"
	}
	return check
}
