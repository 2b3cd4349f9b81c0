package awssmtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"
)

// awsCLI is read before the environment is cleaned: its name starts with AWS_ like the settings that must not leak in.
var awsCLI = os.Getenv("AWS_CLI")

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	home, err := os.MkdirTemp("", "awssmtest")
	if err != nil {
		panic(err)
	}
	os.Setenv("HOME", home)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(home)
		os.Exit(code)
	}))
}

// caller is who calls, from where, and how patiently.
type caller struct {
	region   string
	provider aws.CredentialsProvider
	http     *http.Client
	retries  int
}

func defaultCaller(t testing.TB) caller {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 100
	t.Cleanup(transport.CloseIdleConnections)
	return caller{
		region:   "us-east-1",
		provider: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
		http:     &http.Client{Transport: unhurried{transport}},
	}
}

// unhurried works around a race in the SDK: it withdraws a request's body as soon as the answer's headers are there, and its body's
// WriteTo then returns io.EOF as an error to net/http, which may still be making sure that there is nothing left to write, and which
// closes the connection with the rest of the answer unread. A server on loopback is fast enough for that. Read returns io.EOF too,
// but there it is no error, so WriteTo is hidden.
type unhurried struct{ *http.Transport }

func (u unhurried) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context()) // a copy: a transport may not change the request
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return u.Transport.RoundTrip(r)
}

func (c caller) config() aws.Config {
	return aws.Config{
		Region:           c.region,
		Credentials:      c.provider,
		HTTPClient:       c.http,
		RetryMaxAttempts: c.retries + 1,
	}
}

func (c caller) secrets(url string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(c.config(), func(o *secretsmanager.Options) { o.BaseEndpoint = &url })
}

func (c caller) sts(url string) *sts.Client {
	return sts.NewFromConfig(c.config(), func(o *sts.Options) { o.BaseEndpoint = &url })
}

// start gives a server and a client of it.
func start(t *testing.T, options Options) (*Server, *secretsmanager.Client) {
	t.Helper()
	s := StartTest(t, options)
	return s, defaultCaller(t).secrets(s.URL())
}

// codeOf returns the service's error code, or "" for success.
func codeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("the service gave no error: %v", err)
	}
	return api.ErrorCode()
}

// wantCode fails the test unless the error has the code, and returns its message.
func wantCode(t testing.TB, err error, code string) string {
	t.Helper()
	if got := codeOf(t, err); got != code {
		t.Fatalf("error code = %q (%v), want %q", got, err, code)
	}
	if err == nil {
		return ""
	}
	var api smithy.APIError
	errors.As(err, &api)
	return api.ErrorMessage()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, client *secretsmanager.Client, id string) (*secretsmanager.GetSecretValueOutput, error) {
	t.Helper()
	return client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
}

// eventually polls for an event.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !happened() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: did not happen in 10 s", what)
		case <-time.After(time.Millisecond):
		}
	}
}
