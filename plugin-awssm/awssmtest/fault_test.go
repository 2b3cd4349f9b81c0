package awssmtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestFaults(t *testing.T) {
	s, client := start(t, Options{})
	s.PutSecret("s", strings.Repeat("v", 5000))
	for name, c := range map[string]struct {
		fault Fault
		want  func(error) bool
	}{
		"throttling": {Fault{Code: "ThrottlingException", Message: "Rate exceeded"}, func(err error) bool {
			return strings.Contains(err.Error(), "StatusCode: 400") && strings.Contains(err.Error(), "ThrottlingException: Rate exceeded")
		}},
		"internal error": {Fault{Code: "InternalServiceError"}, func(err error) bool {
			return strings.Contains(err.Error(), "StatusCode: 500")
		}},
		"status alone": {Fault{Status: 503, RetryAfter: "7"}, func(err error) bool {
			var r *awshttp.ResponseError
			return errors.As(err, &r) && r.HTTPStatusCode() == 503 && r.Response.Header.Get("Retry-After") == "7"
		}},
		"reset":          {Fault{Reset: true}, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		"truncated":      {Fault{Truncate: true}, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"proxy's page":   {Fault{Body: "<html>sign in</html>"}, func(err error) bool { return strings.Contains(err.Error(), "deserializ") }},
		"malformed JSON": {Fault{Body: `{"SecretString":`, ContentType: "application/x-amz-json-1.1"}, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Service, c.fault.Operation, c.fault.SecretID, c.fault.Region = "secretsmanager", "GetSecretValue", "s", "us-east-1"
			c.fault.Times = 1
			fault := s.Inject(c.fault)
			if _, err := get(t, client, "s"); err == nil || !c.want(err) {
				t.Errorf("err = %v", err)
			}
			if _, err := get(t, client, "s"); err != nil {
				t.Errorf("after the fault was spent: %v", err)
			}
			if fault.Hits() != 1 {
				t.Errorf("%d hits", fault.Hits())
			}
		})
	}
	for name, fault := range map[string]Fault{
		"another service":   {Service: "sts"},
		"another operation": {Operation: "ListSecrets"},
		"another secret":    {SecretID: "t*"},
		"another region":    {Region: "eu-west-1"},
	} {
		fault.Code = "ThrottlingException"
		i := s.Inject(fault)
		if _, err := get(t, client, "s"); err != nil || i.Hits() != 0 {
			t.Errorf("%s: %v, %d hits", name, err, i.Hits())
		}
		i.Remove()
	}
	s.Inject(Fault{Code: "A"})
	s.Inject(Fault{Code: "B"})
	s.RemoveFaults()
	_, err := get(t, client, "s")
	check(t, err)
}

func TestDelays(t *testing.T) {
	s, client := start(t, Options{Latency: 30 * time.Millisecond})
	s.PutSecret("s", "v")
	took := func() time.Duration {
		start := time.Now()
		_, err := get(t, client, "s")
		check(t, err)
		return time.Since(start)
	}
	if d := took(); d < 30*time.Millisecond {
		t.Errorf("latency: %s", d)
	}
	s.SetLatency(0)
	defer s.Inject(Fault{Delay: 50 * time.Millisecond}).Remove()
	if d := took(); d < 50*time.Millisecond {
		t.Errorf("delay: %s", d)
	}
}

func TestStalls(t *testing.T) {
	s, client := start(t, Options{})
	s.PutSecret("s", "v")
	result := make(chan error)
	call := func(ctx context.Context) {
		id := "s"
		_, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		result <- err
	}

	fault := s.Inject(Fault{Stall: true, Times: 1})
	go call(t.Context())
	eventually(t, "stall", func() bool { return fault.Waiting() == 1 })
	_, err := get(t, client, "s") // the fault is spent, though it still holds its request
	check(t, err)
	fault.Remove()
	if err := <-result; err != nil {
		t.Errorf("released: %v", err)
	}

	fault = s.Inject(Fault{Stall: true})
	ctx, cancel := context.WithCancel(t.Context())
	go call(ctx)
	eventually(t, "stall", func() bool { return fault.Waiting() == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	eventually(t, "end of the stall", func() bool { return fault.Waiting() == 0 })

	go call(t.Context())
	eventually(t, "stall", func() bool { return fault.Waiting() == 1 })
	if n := s.Count("GetSecretValue"); n != 4 {
		t.Errorf("%d calls counted while one is stalled, want 4", n)
	}
	s.Close()
	if err := <-result; err == nil {
		t.Error("a closed server answered")
	}
	s.Close()
}

func TestCloseEndsStallsOfAnotherServer(t *testing.T) {
	s := New(Options{})
	front := httptest.NewServer(s)
	defer front.Close()
	fault := s.Inject(Fault{Stall: true})
	result := make(chan error)
	go func() {
		_, err := get(t, defaultCaller(t).secrets(front.URL), "s")
		result <- err
	}()
	eventually(t, "stall", func() bool { return fault.Waiting() == 1 })
	s.Close()
	if n := fault.Waiting(); n != 0 {
		t.Errorf("%d requests are stalled after Close", n)
	}
	if err := <-result; err == nil {
		t.Error("a closed server answered")
	}
}

func TestTLS(t *testing.T) {
	s := StartTest(t, Options{TLS: true})
	s.PutSecret("s", "v")
	caller := defaultCaller(t)
	_, err := get(t, caller.secrets(s.URL()), "s")
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CAPEM()) {
		t.Fatal("the authority is not PEM")
	}
	caller.http.Transport.(unhurried).TLSClientConfig = &tls.Config{RootCAs: pool}
	client := caller.secrets(s.URL())
	_, err = get(t, client, "s")
	check(t, err)
	defer s.Inject(Fault{Reset: true}).Remove()
	if _, err = get(t, client, "s"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
}
