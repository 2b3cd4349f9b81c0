package transport

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client returns a client with a generous time.
func client(t *testing.T, o Options) *Client {
	t.Helper()
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 20 * time.Second
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Transport().(*http.Transport).CloseIdleConnections)
	return c
}

// roundTripFunc is a transport that is one function.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestWholeBody: what net/http gets as a body never fails, however late it is written: the SDK withdraws its own as soon as
// the answer's headers are there.
func TestWholeBody(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("lab", "x")
	own := client(t, Options{})
	var bodies []io.Reader
	late := own.Through(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		bodies = append(bodies, r.Body)
		return own.Transport().RoundTrip(r)
	}))
	sdk := secretsmanager.New(secretsmanager.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL()), HTTPClient: late,
		Credentials: credentials.NewStaticCredentialsProvider(awssmtest.AccessKeyID, awssmtest.SecretAccessKey, ""),
	})
	if _, err := sdk.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 1 {
		t.Fatalf("%d bodies, want 1", len(bodies))
	}
	if _, err := io.Copy(io.Discard, bodies[0]); err != nil {
		t.Errorf("after the call: %v", err)
	}
}

// TestTimesAnswers: the time covers an answer to its end, not to its headers only.
func TestTimesAnswers(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client(t, Options{RequestTimeout: 300 * time.Millisecond}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if !isTimeout(err) || string(body) != "half of it" {
		t.Errorf("read %q, %v; want half of it and a timeout", body, err)
	}
}

// TestNoRedirects: a signed request goes to no other host than the one it was signed for.
func TestNoRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was redirected") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("signed"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client(t, Options{}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		server.Close()
		if answer.StatusCode != status {
			t.Errorf("status %d, want %d", answer.StatusCode, status)
		}
	}
}

// TestDirect: neither a container's credentials nor instance metadata are asked for through a proxy.
func TestDirect(t *testing.T) {
	if Direct().GetTransport().Proxy != nil {
		t.Error("a proxy")
	}
}

// TestIdleConnections: as many callers as a worker has keep their connections.
func TestIdleConnections(t *testing.T) {
	own := client(t, Options{}).Transport().(*http.Transport)
	if own.MaxIdleConnsPerHost < 100 || own.MaxIdleConns != 0 && own.MaxIdleConns < own.MaxIdleConnsPerHost {
		t.Errorf("%d idle connections a host, %d in all", own.MaxIdleConnsPerHost, own.MaxIdleConns)
	}
}
