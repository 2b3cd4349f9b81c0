package admin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guard is one of which only the refusals are there.
type guard struct {
	mu       sync.Mutex
	refusals []admin.Quarantine
}

func (g *guard) Refused(context.Context, ...string) ([]admin.Quarantine, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.refusals), nil
}

func (g *guard) Lift(_ context.Context, id string, note func(admin.Quarantine) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.IndexFunc(g.refusals, func(q admin.Quarantine) bool { return q.CredentialID == id })
	if at < 0 {
		return credential.Errorf(admin.NotQuarantined, "no device refuses %q", id)
	}
	if err := note(g.refusals[at]); err != nil {
		return err
	}
	g.refusals = slices.Delete(g.refusals, at, at+1)
	return nil
}

// unnoted is for tests that don't look at who lifts.
func unnoted(context.Context, admin.Quarantine, string, string) error { return nil }

// serve serves quarantines at a free port.
func serve(t *testing.T, log hclog.Logger) (*admin.Quarantines, *admin.Server, http.Handler) {
	t.Helper()
	q, mux := admin.NewQuarantines(log), http.NewServeMux()
	q.Routes(mux)
	server, err := admin.Listen("127.0.0.1:0", mux, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return q, server, mux
}

func wantReason(t *testing.T, err error, want credential.Reason) {
	t.Helper()
	if got := credential.ReasonOf(err); got != want {
		t.Errorf("%v: %v, want %s", got, err, want)
	}
}

func TestQuarantines(t *testing.T) {
	var log bytes.Buffer
	q, server, _ := serve(t, hclog.New(&hclog.LoggerOptions{Output: &log}))
	client := admin.NewClient(server.Address())
	_, err := client.List(t.Context())
	wantReason(t, err, admin.WorkerUnavailable)
	wantReason(t, client.Lift(t.Context(), "lab", "ada"), admin.WorkerUnavailable)

	ids := []string{"lab", "branch/firewalls", "..", ".", "a/../b", "a//b", "%2F", "a b", "ü", "x?y#z", "a/", "/a", "a%", "+"}
	g := &guard{}
	for i, id := range ids {
		g.refusals = append(g.refusals, admin.Quarantine{CredentialID: id, Devices: i + 1, Quarantined: i > 0, RetrySeconds: 60 * i})
	}
	var lifted []string
	full := false
	q.Guard(g, func(_ context.Context, q admin.Quarantine, user, peer string) error {
		if full {
			return credential.Errorf(credential.Internal, "the audit log is full")
		}
		lifted = append(lifted, q.CredentialID+" by "+user)
		if !strings.HasPrefix(peer, "127.0.0.1:") {
			t.Errorf("peer %s", peer)
		}
		return nil
	})
	all, err := client.List(t.Context())
	if err != nil || len(all) != len(ids) || all[1] != (admin.Quarantine{CredentialID: "branch/firewalls", Devices: 2, Quarantined: true, RetrySeconds: 60}) || all[0].Quarantined {
		t.Errorf("listed %+v, %v", all, err)
	}
	full = true
	wantReason(t, client.Lift(t.Context(), ids[0], "ada"), credential.Internal)
	full = false
	for _, id := range ids {
		wantReason(t, client.Lift(t.Context(), id+"x", "ada"), admin.NotQuarantined)
		if err := client.Lift(t.Context(), id, "ada"); err != nil {
			t.Errorf("lift %q: %v", id, err)
		}
		wantReason(t, client.Lift(t.Context(), id, "ada"), admin.NotQuarantined)
		if !strings.Contains(log.String(), "lifted by hand") {
			t.Errorf("%q: nothing in the log", id)
		}
		log.Reset()
	}
	if len(lifted) != len(ids) || lifted[1] != "branch/firewalls by ada" {
		t.Errorf("noted %q", lifted)
	}
	if all, err = client.List(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("listed %+v, %v", all, err)
	}
}

// Slashes may stand as they are, for people with curl.
func TestLiftWithSlashes(t *testing.T) {
	q, server, _ := serve(t, hclog.NewNullLogger())
	g := &guard{refusals: []admin.Quarantine{{CredentialID: "branch/firewalls"}}}
	q.Guard(g, unnoted)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+server.Address()+"/quarantines/branch/firewalls", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent || len(g.refusals) != 0 {
		t.Errorf("status %s, left %v", response.Status, g.refusals)
	}
}

func TestWhoMayLift(t *testing.T) {
	q, _, handler := serve(t, hclog.NewNullLogger())
	for _, test := range []struct {
		name, peer, host string
		header           [2]string
		want             int
	}{
		{"loopback", "127.0.0.1:5000", "127.0.0.1:9464", [2]string{}, 204},
		{"another loopback address", "127.8.0.1:5000", "127.0.0.1", [2]string{}, 204},
		{"IPv6", "[::1]:5000", "[::1]:9464", [2]string{}, 204},
		{"IPv6 without a port", "[::1]:5000", "[::1]", [2]string{}, 204},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:5000", "localhost:9464", [2]string{}, 204},
		{"another machine", "192.0.2.7:5000", "127.0.0.1:9464", [2]string{}, 403},
		{"another machine, IPv6", "[2001:db8::7]:5000", "localhost", [2]string{}, 403},
		{"another machine that says it isn't", "192.0.2.7:5000", "localhost", [2]string{"X-Forwarded-For", "127.0.0.1"}, 403},
		{"a name that was made to resolve to loopback", "127.0.0.1:5000", "evil.example:9464", [2]string{}, 403},
		{"a name that looks like it", "127.0.0.1:5000", "127.0.0.1.evil.example", [2]string{}, 403},
		{"no name", "127.0.0.1:5000", "", [2]string{}, 403},
		{"a web page", "127.0.0.1:5000", "localhost:9464", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a web page of another port", "127.0.0.1:5000", "localhost:9464", [2]string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a web page in an old browser", "127.0.0.1:5000", "localhost:9464", [2]string{"Origin", "http://evil.example"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &guard{refusals: []admin.Quarantine{{CredentialID: "lab"}}}
			q.Guard(g, unnoted)
			ask := func(method, path string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, path, nil)
				r.RemoteAddr, r.Host = test.peer, test.host
				if test.header[0] != "" {
					r.Header.Set(test.header[0], test.header[1])
				}
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, r)
				for name := range recorder.Header() {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s allows other origins: %s", method, name)
					}
				}
				return recorder
			}
			listed := ask(http.MethodGet, "/quarantines")
			if open := test.want == 204 || test.header[0] == "Sec-Fetch-Site" || test.header[0] == "Origin"; open != (listed.Code == 200) {
				t.Errorf("list: status %d", listed.Code)
			}
			lifted := ask(http.MethodDelete, "/quarantines/lab")
			if lifted.Code != test.want || (len(g.refusals) == 0) != (test.want == 204) {
				t.Errorf("lift: status %d, want %d; left %v", lifted.Code, test.want, g.refusals)
			}
			if test.want == 403 && !strings.Contains(lifted.Body.String(), "host-example quarantine list") {
				t.Errorf("nothing to do about it: %s", lifted.Body)
			}
		})
	}
}

func TestListen(t *testing.T) {
	_, server, _ := serve(t, hclog.NewNullLogger())
	if _, err := admin.Listen(server.Address(), http.NotFoundHandler(), hclog.NewNullLogger()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening twice: %v", err)
	}
	server.Close()
	if conn, err := net.DialTimeout("tcp", server.Address(), time.Second); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
}

// A request that doesn't end holds up the end of the worker for a while only.
func TestCloseWithARequestUnderWay(t *testing.T) {
	started := make(chan struct{})
	server, err := admin.Listen("127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	}), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", server.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-started
	start := time.Now()
	server.Close()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestClientErrors(t *testing.T) {
	_, server, _ := serve(t, hclog.NewNullLogger())
	server.Close()
	_, err := admin.NewClient(server.Address()).List(t.Context())
	wantReason(t, err, admin.WorkerUnavailable)
	var e *credential.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, server.Address()) || len(e.Help) == 0 {
		t.Errorf("%v", err)
	}
	other := httptest.NewServer(http.RedirectHandler("http://elsewhere.example/", http.StatusFound))
	defer other.Close()
	_, err = admin.NewClient(strings.TrimPrefix(other.URL, "http://")).List(t.Context())
	wantReason(t, err, admin.WorkerUnavailable)
	if !strings.Contains(err.Error(), "no worker") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantReason(t, admin.NewClient("127.0.0.1:1").Lift(ctx, "lab", "ada"), admin.WorkerUnavailable)
}

// An address for all interfaces is one to listen at; the client asks loopback.
func TestClientOfAllInterfaces(t *testing.T) {
	q, mux := admin.NewQuarantines(hclog.NewNullLogger()), http.NewServeMux()
	q.Routes(mux)
	q.Guard(&guard{}, unnoted)
	server, err := admin.Listen(":0", mux, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Address())
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "127.0.0.1:" + port, "localhost:" + port} {
		if _, err := admin.NewClient(address).List(t.Context()); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
