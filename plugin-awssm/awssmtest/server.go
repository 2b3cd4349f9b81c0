package awssmtest

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The identity that every server knows from the start. These are the example keys of AWS's own documentation.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"
)

// Options of a server. The zero value is a plain HTTP server in us-east-1 that verifies every signature.
type Options struct {
	// Addr is where Start listens. Default "127.0.0.1:0", a free port.
	Addr string
	// Region is the home region: the one that PutSecret and its like write to, and the one in Env. Default "us-east-1".
	Region string
	// Account is the account id, twelve digits. Default "123456789012".
	Account string
	// Now is the server's clock: it stamps secrets, judges signatures and ends sessions. Default time.Now.
	Now func() time.Time
	// Latency is added to every answer, by a timer. Default 0. See also Server.SetLatency.
	Latency time.Duration
	// TLS serves HTTPS with a certificate for 127.0.0.1, localhost and awssmtest.test (for clients that a proxy connects), signed by an authority made for this server: see CAPEM.
	TLS bool
	// SharedRegions gives all regions one state, as if every secret were replicated at once. Default: each region has its own.
	SharedRegions bool
	// BatchPage is how many of the secrets that a BatchGetSecretValue names are answered on one page, with a NextToken for the
	// others. Default: all of them.
	BatchPage int
	// AcceptAnyCredentials answers unsigned and wrongly signed requests as the default identity. For trying things by hand only.
	AcceptAnyCredentials bool
}

// Server is an in-memory Secrets Manager and STS. All its methods may be called concurrently.
type Server struct {
	options  Options
	identity *identities
	rules    *rules
	policies policies
	faults   *faults
	record   *record
	latency  atomic.Int64
	serial   atomic.Int64 // orders secrets by creation

	regionMu sync.Mutex
	regions  map[string]*state

	lifeMu  sync.Mutex
	closed  bool
	closing chan struct{} // closed by Close: ends stalls and delays
	active  sync.WaitGroup

	http  *http.Server
	url   string
	caPEM []byte
}

// New returns a server that does not listen: use it as an http.Handler. Close it to end stalled requests.
func New(options Options) *Server {
	options.Addr = cmp.Or(options.Addr, "127.0.0.1:0")
	options.Region = cmp.Or(options.Region, "us-east-1")
	options.Account = cmp.Or(options.Account, "123456789012")
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{
		options:  options,
		identity: newIdentities(),
		rules:    &rules{},
		policies: policies{identity: make(map[string]attached), resource: make(map[string]*policy)},
		faults:   &faults{},
		record:   newRecord(),
		regions:  make(map[string]*state),
		closing:  make(chan struct{}),
	}
	s.latency.Store(int64(options.Latency))
	s.AddIdentity(AccessKeyID, SecretAccessKey, "arn:aws:iam::"+options.Account+":user/tom")
	return s
}

// Start returns a server that listens. Close it when done.
func Start(options Options) (*Server, error) {
	s := New(options)
	listener, err := net.Listen("tcp", s.options.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.options.Addr, err)
	}
	s.url = "http://" + listener.Addr().String()
	if s.options.TLS {
		certificate, ca, err := selfSigned(time.Now())
		if err != nil {
			listener.Close()
			return nil, fmt.Errorf("make the certificate: %w", err)
		}
		s.caPEM = ca
		s.url = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 30 * time.Second,
		// Clients that refuse the certificate or vanish are what tests are about; they don't belong on stderr.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.active.Add(1)
	go func() {
		defer s.active.Done()
		_ = s.http.Serve(listener) // returns http.ErrServerClosed after Close
	}()
	return s, nil
}

// TB is the part of testing.TB that StartTest needs, so that programs which embed the server don't link package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// StartTest is Start for tests: it fails the test on an error and closes the server when the test ends.
func StartTest(t TB, options Options) *Server {
	t.Helper()
	s, err := Start(options)
	if err != nil {
		t.Fatalf("start the in-memory Secrets Manager: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Close stops listening, cuts every connection, ends stalled requests and waits for the handlers. It may be called more than once.
func (s *Server) Close() {
	s.lifeMu.Lock()
	if s.closed {
		s.lifeMu.Unlock()
		return
	}
	s.closed = true
	close(s.closing)
	s.lifeMu.Unlock()

	if s.http != nil {
		s.http.Close()
	}
	s.active.Wait()
}

// URL is the endpoint of both services, such as "http://127.0.0.1:41234". Empty for a server that doesn't listen.
func (s *Server) URL() string { return s.url }

// CAPEM is the certificate of the authority that signed the server's certificate, PEM-encoded. Nil without Options.TLS.
func (s *Server) CAPEM() []byte { return s.caPEM }

// DefaultRegion is the home region, Options.Region or its default.
func (s *Server) DefaultRegion() string { return s.options.Region }

// Account is the account id, Options.Account or its default.
func (s *Server) Account() string { return s.options.Account }

// SetLatency changes what Options.Latency set.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Env returns the environment, as "NAME=value", that points an AWS SDK or the AWS CLI at the server: the default identity's keys, the
// home region, both endpoints, and no instance metadata. The authority of Options.TLS is left to the caller (AWS_CA_BUNDLE).
func (s *Server) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + SecretAccessKey,
		"AWS_REGION=" + s.options.Region,
		"AWS_DEFAULT_REGION=" + s.options.Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + s.url,
		"AWS_ENDPOINT_URL_STS=" + s.url,
	}
}

// enter counts a request in, so that Close can wait for it; false means that the server is closed.
func (s *Server) enter() bool {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.closed {
		return false
	}
	s.active.Add(1)
	return true
}
