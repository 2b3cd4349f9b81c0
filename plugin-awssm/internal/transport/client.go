// Package transport carries the requests of the AWS SDK: one HTTP client for Secrets Manager, STS and SSO, the proxy that the
// environment names, and the words for what goes wrong on the way.
//
//	client, err := transport.New(transport.Options{RequestTimeout: 3 * time.Second})
//	config := aws.Config{HTTPClient: client}
//	...
//	return transport.Peer{Name: "STS", Stage: "credentials"}.Failure(ctx, err)
//
// What a service answers is mapped by its caller; an answer that isn't the service's is mapped here.
package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// idleConnections is how many connections to one host are kept for the next request. The SDK keeps 10: with more callers than
// that, over TLS, most requests pay for a handshake.
const idleConnections = 100

// Options of a client.
type Options struct {
	// RequestTimeout bounds one request and its answer, to the end of the answer's body. It must be positive.
	RequestTimeout time.Duration
	// CABundle is a PEM file of certificate authorities that replace the system's. Default: the system's.
	CABundle string
	// CABundleFrom names the variable or file that CABundle comes from, for its errors.
	CABundleFrom string
}

// Client sends requests. It implements aws.HTTPClient, and may be used concurrently.
//
// A request's body is sent from memory. The SDK (smithy-go 1.28) withdraws its own reader as soon as the answer's headers
// are there, and the reader's WriteTo then returns io.EOF as an error. If net/http is still making sure that there is nothing
// left to write, it takes that for a failed write and closes the connection, with the rest of the answer unread: a large
// secret or a page of a list fails with "use of closed network connection". Bodies here are a few hundred bytes, and one in
// memory also spares net/http a flush between headers and body.
//
// The time limit is a context's. That of http.Client starts two goroutines and a timer for every request. Redirects are not
// followed: AWS sends none, and a captive portal's must not get a signed request.
type Client struct {
	transport http.RoundTripper
	timeout   time.Duration
	proxied   bool // a proxy may be on the way
}

// New returns a client, or BACKEND_MISCONFIGURED for a CA bundle that can't be used. It reads the proxy variables once.
func New(o Options) (*Client, error) {
	roots, err := authorities(o)
	if err != nil {
		return nil, err
	}
	route := newProxy(os.Getenv)
	built := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = 0 // no bound besides that of each host
		t.MaxIdleConnsPerHost = idleConnections
		t.Proxy = route.of
		t.GetProxyConnectHeader = askedToConnect
		t.OnProxyConnectResponse = checkConnect
		if roots != nil {
			t.TLSClientConfig = withRoots(t.TLSClientConfig, roots)
		}
	})
	return &Client{transport: built.GetTransport(), timeout: o.RequestTimeout, proxied: route.named}, nil
}

// Direct returns a client of the SDK's kind that goes through no proxy: what a machine or a container tells about itself is
// asked on the spot, and a proxy has no business with the keys in the answer.
func Direct() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
}

// Through returns a client that sends its requests through another transport, with the same time limit.
func (c *Client) Through(transport http.RoundTripper) *Client {
	return &Client{transport: transport, timeout: c.timeout}
}

// Transport returns what the client sends its requests through.
func (c *Client) Transport() http.RoundTripper { return c.transport }

// Do implements aws.HTTPClient.
func (c *Client) Do(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), c.timeout)
	request = request.WithContext(ctx) // a copy: the SDK signs the original again when it retries
	if request.Body != nil && request.Body != http.NoBody {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			cancel()
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	var way *tunnel
	if c.proxied {
		way = &tunnel{}
		request = request.WithContext(context.WithValue(ctx, tunnelKey{}, way))
	}
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
		cancel()
		return nil, way.explain(err)
	}
	answer.Body = timedBody{answer.Body, cancel}
	return answer, nil
}

// timedBody is an answer's body, whose time ends when it is closed.
type timedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b timedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// maxBundle bounds a CA bundle, in bytes.
const maxBundle = 16 << 20

// authorities reads the CA bundle; nil without one.
func authorities(o Options) (*x509.CertPool, error) {
	if o.CABundle == "" {
		return nil, nil
	}
	pem, err := regular.Read(o.CABundle, maxBundle)
	if err != nil {
		return nil, misconfigured("the CA bundle %s (%s) can't be read: %v", o.CABundle, o.CABundleFrom, fileProblem(err)).
			WithHelp("correct the path or the file's permissions")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, misconfigured("the CA bundle %s (%s) holds no certificate in PEM form", o.CABundle, o.CABundleFrom).
			WithHelp("name a file with BEGIN CERTIFICATE lines")
	}
	return roots, nil
}

func withRoots(config *tls.Config, roots *x509.CertPool) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	config.RootCAs = roots
	return config
}

func misconfigured(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendMisconfigured, format, args...)
}
