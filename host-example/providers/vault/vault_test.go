package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/conformance"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a Vault, real or not, with what the tests need to change it.
type backend struct{ url, root, roleID, secretID string }

// each runs a test on the stand-in and, where VAULT_BINARY names one, on a real Vault or OpenBao.
func each(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	t.Run("stand-in", func(t *testing.T) {
		_, b := newStandIn(t)
		test(t, b)
	})
	t.Run("real", func(t *testing.T) {
		if os.Getenv("VAULT_BINARY") == "" {
			t.Skip("VAULT_BINARY names no vault or bao")
		}
		test(t, startReal(t))
	})
}

// api makes a request with the root token.
func (b backend) api(t *testing.T, method, at string, body any) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, b.url+"/v1/"+at, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", b.root)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var document map[string]any
	_ = json.NewDecoder(response.Body).Decode(&document)
	if response.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %v", method, at, response.Status, document["errors"])
	}
	return document
}

func (b backend) put(t *testing.T, id string, fields map[string]any) {
	t.Helper()
	b.api(t, http.MethodPost, "secret/data/credentials/"+id, map[string]any{"data": fields})
}

func (b backend) login(more map[string]any) map[string]any {
	all := map[string]any{"url": b.url, "role_id": b.roleID, "secret_id": b.secretID}
	for name, value := range more {
		all[name] = value
	}
	return all
}

// workerPolicy is the README's.
const workerPolicy = `path "secret/data/credentials/*" { capabilities = ["read"] }
path "secret/metadata/credentials/*" { capabilities = ["list"] }
path "secret/metadata/credentials" { capabilities = ["list"] }
`

func startReal(t *testing.T) backend {
	t.Helper()
	const address, root = "127.0.0.1:8211", "root-token-4710"
	command := exec.Command(os.Getenv("VAULT_BINARY"), "server", "-dev", "-dev-no-store-token", "-dev-root-token-id="+root, "-dev-listen-address="+address)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	b := backend{url: "http://" + address, root: root}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		response, err := client.Get(b.url + "/v1/sys/health")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatalf("Vault isn't ready: %v", err)
		}
	}
	b.api(t, http.MethodPost, "sys/auth/approle", map[string]any{"type": "approle"})
	b.api(t, http.MethodPut, "sys/policies/acl/tom", map[string]any{"policy": workerPolicy})
	b.api(t, http.MethodPost, "auth/approle/role/tom", map[string]any{"token_policies": "tom", "token_ttl": "1h"})
	data := func(document map[string]any) map[string]any { return document["data"].(map[string]any) }
	b.roleID = data(b.api(t, http.MethodGet, "auth/approle/role/tom/role-id", nil))["role_id"].(string)
	b.secretID = data(b.api(t, http.MethodPost, "auth/approle/role/tom/secret-id", nil))["secret_id"].(string)
	return b
}

func wantReason(t *testing.T, err error, want credential.Reason) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %s", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret is in %v", err)
	}
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		for n := range 4 {
			b.put(t, "site/lab", map[string]any{"username": "admin", "password": fmt.Sprintf(" canary-%d ", n+1), "port": 22, "legacy": true, "list": []int{1}})
		}
		b.api(t, http.MethodPut, "secret/destroy/credentials/site/lab", map[string]any{"versions": []int{2}})
		b.put(t, "single", map[string]any{"username": "admin", "password": "canary"})
		p := providertest.Serve(t, definition, b.login(nil))
		for request, want := range map[credential.Request]string{
			{ID: "site/lab"}: "4", {ID: "site/lab", VersionID: "1"}: "1", {ID: "site/lab", VersionLabel: "previous"}: "3",
		} {
			got, err := p.Get(t.Context(), request)
			if err != nil {
				t.Fatalf("%+v: %v", request, err)
			}
			password, _ := got.Password.Get()
			if got.VersionID != want || password.Reveal() != " canary-"+want+" " || got.VersionCreated.IsZero() ||
				len(got.Extra) != 2 || got.Extra["port"].Reveal() != "22" || got.Extra["legacy"].Reveal() != "true" {
				t.Errorf("%+v: %+v", request, got)
			}
		}
		for request, want := range map[credential.Request]credential.Reason{
			{ID: "site/lab", VersionID: "2"}: credential.VersionNotFound, {ID: "site/lab", VersionID: "9"}: credential.VersionNotFound,
			{ID: "site/lab", VersionID: "0"}: credential.VersionNotFound, {ID: "site/lab", VersionID: "+1"}: credential.VersionNotFound,
			{ID: "site/lab", VersionLabel: "AWSPREVIOUS"}: credential.VersionNotFound, {ID: "single", VersionLabel: "previous"}: credential.VersionNotFound,
			{ID: "absent"}: credential.CredentialNotFound, {ID: "absent", VersionID: "1"}: credential.CredentialNotFound,
			{ID: "absent", VersionLabel: "previous"}: credential.CredentialNotFound, {ID: "site"}: credential.CredentialNotFound,
			{ID: "/x"}: credential.CredentialIDInvalid, {ID: "x//y"}: credential.CredentialIDInvalid, {ID: "../x"}: credential.CredentialIDInvalid,
		} {
			_, err := p.Get(t.Context(), request)
			if !errors.Is(err, want) {
				t.Errorf("%+v: %v, want %s", request, err, want)
			}
		}
		b.api(t, http.MethodDelete, "secret/data/credentials/site/lab", nil)
		_, err := p.Get(t.Context(), credential.Request{ID: "site/lab"})
		wantReason(t, err, credential.CredentialDeleted)
		if got, err := p.Get(t.Context(), credential.Request{ID: "site/lab", VersionLabel: "previous"}); err != nil || got.VersionID != "3" {
			t.Errorf("the version before a deleted one: %v, %v", got, err)
		}
		results, err := p.GetBatch(t.Context(), []credential.Request{{ID: "single"}, {ID: "absent"}, {ID: "single", VersionID: "1"}})
		if err != nil || results[0].Credential == nil || !errors.Is(results[1].Err, credential.CredentialNotFound) || results[2].Credential == nil {
			t.Errorf("%+v, %v", results, err)
		}
		if strings.Contains(p.Log(), "canary") || strings.Contains(p.Log(), b.secretID) {
			t.Error("a secret is in the log")
		}
	})
}

func TestListing(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		want := []string{"a", "a-b", "a/x", "a/y/z", "a0", "b", "c/d"}
		for _, id := range want {
			b.put(t, id, map[string]any{"username": "u", "password": "p"})
		}
		p := providertest.Serve(t, definition, b.login(nil))
		for size := 1; size <= len(want)+1; size++ {
			var got []string
			for token := ""; ; {
				page, err := p.List(t.Context(), size, token)
				if err != nil || len(page.Credentials) > size {
					t.Fatalf("pages of %d: %+v, %v", size, page, err)
				}
				for _, c := range page.Credentials {
					got = append(got, c.ID)
				}
				if token = page.NextToken; token == "" {
					break
				}
			}
			slices.Sort(got)
			if sorted := slices.Sorted(slices.Values(want)); !slices.Equal(got, sorted) {
				t.Errorf("pages of %d: %v, want %v", size, got, sorted)
			}
		}
		_, err := p.List(t.Context(), 1, "YQ")
		wantReason(t, err, credential.PageTokenInvalid)
		report, err := p.Validate(t.Context(), "a")
		if err != nil || len(report.Checks) != 4 || slices.ContainsFunc(report.Checks, func(c credential.Check) bool { return c.Status != credential.StatusPassed }) {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

func TestMisconfigured(t *testing.T) {
	each(t, func(t *testing.T, b backend) {
		for name, test := range map[string]struct {
			change map[string]any
			want   credential.Reason
		}{
			"wrong secret id":     {map[string]any{"secret_id": "canary"}, credential.BackendUnauthenticated},
			"wrong approle mount": {map[string]any{"approle_mount": "other"}, credential.BackendUnauthenticated},
			"wrong scheme":        {map[string]any{"url": strings.Replace(b.url, "http:", "https:", 1)}, credential.BackendMisconfigured},
			"nothing there":       {map[string]any{"url": "http://127.0.0.1:9"}, credential.BackendUnavailable},
		} {
			_, err := providertest.Serve(t, definition, b.login(test.change)).Get(t.Context(), credential.Request{ID: "lab"})
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %s", name, err, test.want)
			}
		}
		root := map[string]any{"url": b.url, "token": b.root, "mount": "other"}
		_, err := providertest.Serve(t, definition, root).Get(t.Context(), credential.Request{ID: "lab"})
		wantReason(t, err, credential.BackendMisconfigured)
		_, err = providertest.Serve(t, definition, map[string]any{"url": b.url, "token": "canary-wrong"}).Get(t.Context(), credential.Request{ID: "lab"})
		wantReason(t, err, credential.BackendUnauthenticated)
	})
}

func TestSettings(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"no way to sign in":    {"url": "http://v"},
		"two ways":             {"url": "http://v", "token": "canary", "token_file": "/x"},
		"half an AppRole":      {"url": "http://v", "role_id": "r"},
		"a password in it":     {"url": "http://u:canary@v", "token": "x"},
		"no CA":                {"url": "https://v", "token": "x", "ca_cert": "/nonexistent"},
		"a mount that escapes": {"url": "https://v", "token": "x", "mount": "../sys"},
	} {
		err := providertest.Start(t, definition).Configure(t.Context(), settings)
		if !errors.Is(err, credential.SettingsInvalid) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One login serves all callers; when Vault drops the token, one more does, and no caller sees it.
func TestOneSessionForAll(t *testing.T) {
	s, b := newStandIn(t)
	b.put(t, "lab", map[string]any{"username": "admin", "password": "p"})
	p := providertest.Serve(t, definition, b.login(nil))
	for round := 1; round <= 3; round++ {
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if n := s.count("login"); n != round {
			t.Errorf("%d logins after round %d", n, round)
		}
		s.revokeAll()
	}
}

func TestTokenIsRenewedBeforeItsEnd(t *testing.T) {
	s, b := newStandIn(t)
	s.set(func() { s.ttl = 3 * time.Second })
	b.put(t, "lab", map[string]any{"username": "admin", "password": "p"})
	p := providertest.Serve(t, definition, b.login(nil))
	for end := time.Now().Add(20 * time.Second); s.count("renew") < 2; time.Sleep(20 * time.Millisecond) {
		if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("%d renewals", s.count("renew"))
		}
	}
	if n := s.count("login"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestDeniedIsNoLostSession(t *testing.T) {
	s, b := newStandIn(t)
	p := providertest.Serve(t, definition, b.login(nil))
	_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	wantReason(t, err, credential.CredentialNotFound)
	s.set(func() {
		for _, token := range s.tokens {
			token.denied = true
		}
	})
	for range 3 {
		_, err = p.Get(t.Context(), credential.Request{ID: "lab"})
		wantReason(t, err, credential.AccessDenied)
	}
	if n := s.count("login"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	s, b := newStandIn(t)
	b.put(t, "lab", map[string]any{"username": "admin", "password": "p"})
	path := filepath.Join(t.TempDir(), "token")
	write := func() {
		token := b.api(t, http.MethodPost, "auth/token/create", nil)["auth"].(map[string]any)["client_token"].(string)
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := providertest.Serve(t, definition, map[string]any{"url": b.url, "token_file": path})
	_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	wantReason(t, err, credential.BackendUnauthenticated)
	for range 2 {
		write()
		if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
			t.Error(err)
		}
		s.revokeAll()
		_, err = p.Get(t.Context(), credential.Request{ID: "lab"})
		wantReason(t, err, credential.BackendUnauthenticated)
	}
}

func TestFailingVault(t *testing.T) {
	s, b := newStandIn(t)
	p := providertest.Serve(t, definition, b.login(nil))
	for status, want := range map[int]credential.Reason{
		429: credential.Throttled, 500: credential.BackendUnavailable, 503: credential.BackendUnavailable, 473: credential.BackendUnavailable,
		412: credential.BackendUnavailable, 302: credential.BackendMisconfigured, 418: credential.BackendMisconfigured,
	} {
		s.set(func() { s.fail = status })
		_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
		if !errors.Is(err, want) {
			t.Errorf("status %d: %v, want %s", status, err, want)
		}
	}
}

func TestConformance(t *testing.T) {
	s, b := newStandIn(t)
	b.put(t, "lab", map[string]any{"username": "admin", "password": "canary-4711", "port": 1})
	b.put(t, "lab", map[string]any{"username": "admin", "password": "canary-4713", "enable_password": "canary-4714"})
	b.put(t, "site/core", map[string]any{"username": "netops", "password": "canary-4715"})
	b.put(t, "broken", map[string]any{"username": "admin", "password": "canary-4716\n"})
	s.set(func() { s.stalled["secret/data/credentials/stalled"] = true })
	plugin := filepath.Join(t.TempDir(), "tom-credential-vault")
	if output, err := exec.Command("go", "build", "-o", plugin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	conformance.Run(t, conformance.Options{
		Plugin: plugin, Settings: b.login(map[string]any{"request_timeout": "20s"}),
		Fixtures: conformance.Fixtures{
			Credentials: map[string]conformance.Credential{
				"lab":       {Username: "admin", Password: new("canary-4713"), Extra: map[string]string{"enable_password": "canary-4714"}},
				"site/core": {Username: "netops", Password: new("canary-4715"), Extra: map[string]string{}},
			},
			Missing: []string{"absent"}, Malformed: map[string][]string{"broken": {"canary-4716"}}, InvalidIDs: []string{"../x", "a//b"}, Slow: []string{"stalled"},
			Versions: []conformance.Version{
				{CredentialID: "lab", VersionID: "1", Credential: conformance.Credential{Username: "admin", Password: new("canary-4711")}},
				{CredentialID: "lab", VersionLabel: "previous", Credential: conformance.Credential{Username: "admin", Password: new("canary-4711")}},
			},
			BackendGone: &conformance.Variation{Settings: map[string]any{"url": "http://127.0.0.1:9"}},
		},
	})
}
