package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxDepth bounds how many directories one in the other are listed.
const maxDepth = 16

// List returns one page of ids, those in directories below the prefix included. Vault lists a directory as a whole, so a
// page token names the last id of the page before, and what comes before that isn't listed again.
func (v *vault) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	after, err := v.openToken(pageToken)
	if err != nil {
		return credential.Page{}, err
	}
	var page credential.Page
	full, err := v.walk(ctx, "", after, pageSize, 0, &page)
	if err != nil {
		return credential.Page{}, err
	}
	if full {
		page.NextToken = v.sealToken(page.Credentials[len(page.Credentials)-1].ID)
	}
	return page, nil
}

// walk adds the ids of a directory that come after one, and reports whether the page is full.
func (v *vault) walk(ctx context.Context, directory, after string, pageSize, depth int, page *credential.Page) (full bool, err error) {
	got, err := v.session.send(ctx, "LIST", strings.TrimSuffix(v.client.at("metadata", directory), "/"))
	if err != nil {
		return false, err
	}
	var found struct {
		Keys []string `json:"keys"`
	}
	switch {
	case got.status == http.StatusNotFound && got.Errors != nil && len(got.Errors) == 0:
		return false, nil // nothing is stored there
	case got.status != http.StatusOK || unmarshal(got.Data, &found) != nil:
		return false, credential.Errorf(credential.BackendMisconfigured, "Vault at %s doesn't list %s/ as a key/value engine of version 2", v.client.base.Host, v.client.mount).
			WithHelp("set plugin_vault_mount and plugin_vault_namespace; vault secrets list shows the engines")
	}
	slices.Sort(found.Keys)
	first, rest, _ := strings.Cut(after, "/")
	for _, key := range found.Keys {
		name, isDirectory := strings.CutSuffix(key, "/")
		below := ""
		switch {
		case after == "":
		case isDirectory && strings.Contains(after, "/") && name == first:
			below = rest
		case key <= after && (!isDirectory || !strings.HasPrefix(after, key)):
			continue
		}
		id := name
		if directory != "" {
			id = directory + "/" + name
		}
		if isDirectory {
			if depth < maxDepth {
				if full, err := v.walk(ctx, id, below, pageSize, depth+1, page); full || err != nil {
					return full, err
				}
			}
			continue
		}
		if len(page.Credentials) == pageSize {
			return true, nil
		}
		page.Credentials = append(page.Credentials, credential.Summary{ID: id})
	}
	return false, nil
}

// sealToken makes a page token that openToken knows again, so that no other is taken for one.
func (v *vault) sealToken(id string) string {
	return base64.RawURLEncoding.EncodeToString(append(v.seal(id), id...))
}

func (v *vault) seal(id string) []byte {
	mac := hmac.New(sha256.New, v.pages)
	_, _ = mac.Write([]byte(id))
	return mac.Sum(nil)[:16]
}

func (v *vault) openToken(token string) (id string, err error) {
	if token == "" {
		return "", nil
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(token); err == nil && len(raw) > 16 {
		if id := string(raw[16:]); hmac.Equal(raw[:16], v.seal(id)) && token == v.sealToken(id) { // the decoder skips line breaks
			return id, nil
		}
	}
	return "", credential.Errorf(credential.PageTokenInvalid, "no listing of this process gave the page token").WithHelp("list again from the first page")
}

// Validate looks at Vault, the session, the listing and, if one is named, a credential: side by side.
func (v *vault) Validate(ctx context.Context, id string) (credential.Report, error) { //nolint:unparam // provider.Validator has the error
	looks := []struct {
		name string
		look func() (found string, err error)
	}{
		{"vault", func() (string, error) {
			got, err := v.client.call(ctx, http.MethodGet, "sys/health?standbyok=true&perfstandbyok=true", credential.Redacted{}, nil)
			if err == nil && got.status != http.StatusOK {
				err = v.client.misconfigured("doesn't answer as Vault")
			}
			return "Vault at " + v.client.base.Host + " answers", err
		}},
		{"login", func() (string, error) {
			held, err := v.session.current(ctx)
			if err != nil || held.expires.IsZero() {
				return "logged in", err
			}
			return "logged in until " + held.expires.UTC().Format("2006-01-02 15:04:05 UTC"), nil
		}},
		{"list", func() (string, error) {
			_, err := v.List(ctx, 1, "")
			return "the token may list credentials", err
		}},
		{"read", func() (string, error) {
			_, err := v.Get(ctx, credential.Request{ID: id})
			return fmt.Sprintf("credential %q can be read", id), err
		}},
	}
	if id == "" {
		looks = looks[:len(looks)-1]
	}
	report := credential.Report{Checks: make([]credential.Check, len(looks))}
	var all sync.WaitGroup
	for i, look := range looks {
		all.Go(func() {
			found, err := look.look()
			report.Checks[i] = check(look.name, found, err)
		})
	}
	all.Wait()
	if held, err := v.session.current(ctx); err == nil && !held.renewable {
		report.BackendCredentialsExpire = held.expires
	}
	return report, nil
}

func check(name, found string, err error) credential.Check {
	if err == nil {
		return credential.Check{Name: name, Status: credential.StatusPassed, Message: found}
	}
	failed := credential.Check{Name: name, Status: credential.StatusFailed, Message: err.Error(), Reason: credential.ReasonOf(err), Remedy: "see whether Vault answers within the caller's time"}
	if errors.Is(err, context.DeadlineExceeded) {
		failed.Reason = credential.DeadlineExceeded
	}
	if e, ok := errors.AsType[*credential.Error](err); ok && len(e.Help) > 0 {
		failed.Remedy = strings.Join(e.Help, "\n")
	}
	if name == "list" && failed.Reason == credential.AccessDenied {
		failed.Status, failed.Message = credential.StatusWarning, failed.Message+"; credentials can be read by id, but not listed"
	}
	return failed
}
