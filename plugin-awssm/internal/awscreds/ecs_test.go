package awscreds

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// ecsHost is where ECS answers a relative URI. It is link-local: nothing here may reach it.
const ecsHost = "169.254.170.2:80"

// leadECS leads connections to the address of ECS to a server on loopback, and refuses all others that would leave the
// machine. All above TCP is as it is on ECS: the URL from the relative URI, the request and its Host, the answer.
func leadECS(t *testing.T, e *Environment, to string) *atomic.Int64 {
	t.Helper()
	led := &atomic.Int64{}
	e.direct = e.direct.WithTransportOptions(func(transport *http.Transport) {
		transport.DisableKeepAlives = true
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == ecsHost {
				led.Add(1)
				address = strings.TrimPrefix(to, "http://")
			}
			if host, _, _ := net.SplitHostPort(address); !strings.EqualFold(host, "localhost") && !net.ParseIP(host).IsLoopback() {
				return nil, fmt.Errorf("a test wants to leave the machine for %s", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})
	return led
}

// TestECS: the relative URI of ECS, which comes before a full one, with the answers that an endpoint may give.
func TestECS(t *testing.T) {
	good := `{"AccessKeyId":"A","SecretAccessKey":"` + canary + `","Token":"T","Expiration":"2100-01-01T00:00:00+0000"}`
	for name, test := range map[string]struct {
		answers []string // "STATUS BODY"; the last one repeats
		reason  credential.Reason
		says    string
		asked   int64
	}{
		"credentials":      {[]string{"200 " + good}, "", "", 1},
		"fails once":       {[]string{"500 ", "200 " + good}, "", "", 2},
		"throttles once":   {[]string{"429 ", "200 " + good}, "", "", 2},
		"fails":            {[]string{"503 " + canary}, credential.BackendUnavailable, "it fails with HTTP status 503", 3},
		"refuses":          {[]string{"403 " + canary}, credential.BackendUnauthenticated, "it refuses with HTTP status 403", 1},
		"HTML":             {[]string{"200 <html>" + canary}, credential.BackendUnauthenticated, "it isn't a JSON object", 1},
		"half a pair":      {[]string{`200 {"AccessKeyId":"A","Token":"T"}`}, credential.BackendUnauthenticated, `"SecretAccessKey" is missing`, 1},
		"token of 2 lines": {[]string{`200 {"AccessKeyId":"A","SecretAccessKey":"s","Token":"T\n","Expiration":"2100-01-01T00:00:00Z"}`}, credential.BackendUnauthenticated, "session token holds a line end", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := test.answers[min(int(asked.Add(1)), len(test.answers))-1]
				if r.Host != "169.254.170.2" || r.URL.String() != "/creds?id=task" {
					t.Errorf("asked for %s at %s", r.URL, r.Host)
				}
				status, body, _ := strings.Cut(answer, " ")
				code := 0
				_, _ = fmt.Sscan(status, &code)
				w.WriteHeader(code)
				_, _ = w.Write([]byte(body))
			}))
			defer server.Close()
			t.Setenv("HOME", t.TempDir())
			t.Setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds?id=task")
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/never")
			e, err := Load(Options{SessionName: ourSession, RequestTimeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			led := leadECS(t, e, server.URL)
			creds, err := NewChain(e, hclog.NewNullLogger()).Obtain(t.Context())
			if led.Load() == 0 || asked.Load() != test.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), test.asked)
			}
			if test.reason == "" {
				if err != nil || creds.AccessKeyID != "A" || creds.SessionToken != "T" || creds.Expires.Year() != 2100 {
					t.Errorf("got %v, expire %s", err, creds.Expires)
				}
				return
			}
			e2 := wantReason(t, err, test.reason)
			if !strings.Contains(e2.Message, test.says) || !strings.Contains(e2.Message, "container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)") {
				t.Errorf("%q", e2.Message)
			}
		})
	}
}
