package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// proxyServer answers CONNECT with a status; with 200 it connects to the server, whatever host was asked for.
type proxyServer struct {
	url      string
	connects atomic.Int64
}

func startProxy(t *testing.T, status int, to string) *proxyServer {
	t.Helper()
	p := &proxyServer{}
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			t.Errorf("%s %s at the proxy, want CONNECT", r.Method, r.URL)
		}
		p.connects.Add(1)
		if status != http.StatusOK {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, html)
			return
		}
		beyond, err := net.Dial("tcp", target.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer beyond.Close()
		conn, _, err := http.NewResponseController(w).Hijack() // before the answer: the client's first bytes would be in a buffer
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			_, _ = io.Copy(beyond, conn)
			beyond.Close()
		}()
		_, _ = io.Copy(conn, beyond)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	p.url = server.URL
	return p
}

// beyondProxy starts a Secrets Manager over TLS that is reached through a proxy alone: its host's name is known to no resolver.
func beyondProxy(t *testing.T, s *settings) *awssmtest.Server {
	t.Helper()
	server := awssmtest.StartTest(t, awssmtest.Options{TLS: true})
	server.PutSecret("tom/credentials/lab", labSecret)
	at, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, server.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	t.Setenv("NO_PROXY", "")
	s.EndpointURL = "https://awssmtest.test:" + at.Port()
	return server
}

// proxied is a proxy that answers CONNECT with this status.
func proxied(status int) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, _ *awssmtest.Server, s *settings) {
		t.Setenv("HTTPS_PROXY", startProxy(t, status, beyondProxy(t, s).URL()).url)
	}
}

// proxy is a value of HTTPS_PROXY.
func proxy(value string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, _ *awssmtest.Server, s *settings) {
		beyondProxy(t, s)
		t.Setenv("HTTPS_PROXY", value)
	}
}

// TestConnect: through TLS, a proxy that connects is used; one that refuses isn't asked twice; one that fails is.
func TestConnect(t *testing.T) {
	for name, test := range map[string]struct {
		status   int
		reason   credential.Reason // empty: read
		connects int64
	}{
		"connects": {200, "", 1},
		"password": {407, credential.BackendMisconfigured, 1},
		"refuses":  {403, credential.BackendMisconfigured, 1},
		"fails":    {502, credential.BackendUnavailable, 3},
	} {
		t.Run(name, func(t *testing.T) {
			awsFiles(t, "", "")
			useKeys(t)
			s := defaultSettings()
			s.Region = "us-east-1"
			server := beyondProxy(t, &s)
			through := startProxy(t, test.status, server.URL())
			t.Setenv("HTTPS_PROXY", through.url)
			p, _ := open(t, s)
			_, err := get(t, p, "lab")
			if reason := credential.ReasonOf(err); reason != test.reason {
				t.Errorf("reason %q (%v), want %q", reason, err, test.reason)
			}
			if n := through.connects.Load(); n != test.connects {
				t.Errorf("%d times CONNECT, want %d", n, test.connects)
			}
		})
	}
}

// TestUnreadableProxyBypassed: a variable that can't be read doesn't matter to hosts that NO_PROXY keeps from the proxy.
func TestUnreadableProxyBypassed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://me:100%@192.0.2.1:3128")
	t.Setenv("NO_PROXY", "127.0.0.1")
	server, p := start(t)
	server.PutSecret("tom/credentials/lab", labSecret)
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
}

// TestRetriedLikeReset: an answer that was cut and a 429 without a body are worth another attempt.
func TestRetriedLikeReset(t *testing.T) {
	for name, fault := range map[string]awssmtest.Fault{
		"reset": {Reset: true, Times: 1}, "cut": {Truncate: true, Times: 1}, "429": {Status: 429, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := start(t)
			server.PutSecret("tom/credentials/lab", labSecret)
			server.Inject(fault)
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatal(err)
			}
		})
	}
}
