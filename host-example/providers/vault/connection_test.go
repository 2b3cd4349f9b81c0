package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider/providertest"
)

// overTLS serves a stand-in over TLS, and returns a file with its certificate's authority.
func overTLS(t *testing.T) (*standIn, backend, string) {
	t.Helper()
	s, b := newStandIn(t)
	b.put(t, "lab", map[string]any{"username": "admin", "password": "canary-4720"})
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	b.url = server.URL
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, b, bundle
}

// TestCertificate: ca_cert names whom to trust, verify_ssl turns the question off with a warning, and without either an
// unknown authority is refused before anything secret is sent.
func TestCertificate(t *testing.T) {
	s, b, bundle := overTLS(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		settings map[string]any
		want     credential.Reason // empty: read
		warns    bool
	}{
		"ca_cert":                      {map[string]any{"ca_cert": bundle}, "", false},
		"verify_ssl off":               {map[string]any{"verify_ssl": false}, "", true},
		"verify_ssl on":                {map[string]any{"verify_ssl": true}, credential.BackendMisconfigured, false},
		"neither":                      {nil, credential.BackendMisconfigured, false},
		"ca_cert, another host's name": {map[string]any{"ca_cert": bundle, "url": strings.Replace(b.url, "127.0.0.1", "localhost", 1)}, credential.BackendMisconfigured, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.count("login")
			p := providertest.Serve(t, definition, b.login(test.settings))
			_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want != "" {
				wantReason(t, err, test.want)
				if n := s.count("login") - before; n != 0 {
					t.Errorf("%d logins at a server that isn't trusted", n)
				}
			}
			if warned := strings.Contains(p.Log(), "certificate is not checked"); warned != test.warns {
				t.Errorf("warned: %t, want %t: %s", warned, test.warns, p.Log())
			}
		})
	}
	err := providertest.Start(t, definition).Configure(t.Context(), b.login(map[string]any{"ca_cert": empty}))
	wantReason(t, err, credential.SettingsInvalid)
}

// TestNamespace: every request, the login included, is made in the namespace of the settings.
func TestNamespace(t *testing.T) {
	s, b := newStandIn(t)
	b.put(t, "lab", map[string]any{"username": "admin", "password": "canary-4721"})
	s.set(func() { s.namespace = "network/lab" })
	p := providertest.Serve(t, definition, b.login(map[string]any{"namespace": "network/lab"}))
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
		t.Fatal(err)
	}
	if page, err := p.List(t.Context(), 10, ""); err != nil || len(page.Credentials) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	_, err := providertest.Serve(t, definition, b.login(nil)).Get(t.Context(), credential.Request{ID: "lab"})
	wantReason(t, err, credential.BackendUnauthenticated)
	for _, namespace := range []string{"../root", "/lab", "lab/", "a//b"} {
		err := providertest.Start(t, definition).Configure(t.Context(), b.login(map[string]any{"namespace": namespace}))
		wantReason(t, err, credential.SettingsInvalid)
	}
}

// TestAgent: with agent_auth no token is sent, since the agent at the url adds one.
func TestAgent(t *testing.T) {
	s, b := newStandIn(t)
	b.put(t, "lab", map[string]any{"username": "admin", "password": "canary-4722"})
	s.set(func() { s.agent = standInRoot })
	p := providertest.Serve(t, definition, map[string]any{"url": b.url, "agent_auth": true})
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); err != nil {
		t.Fatal(err)
	}
	if n := s.count("login") + s.count("lookup"); n != 0 {
		t.Errorf("%d logins and look-ups", n)
	}
	s.set(func() { s.agent = "" })
	_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	wantReason(t, err, credential.AccessDenied)
}
