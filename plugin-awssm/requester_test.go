package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// lateWriter is an HTTP client that writes a request's body once more when the call is over, as net/http may do when the
// answer is quicker than its own last look at the body.
type lateWriter struct {
	aws.HTTPClient
	bodies []io.Reader
}

func (l *lateWriter) Do(request *http.Request) (*http.Response, error) {
	l.bodies = append(l.bodies, request.Body)
	return l.HTTPClient.Do(request)
}

// TestWholeBody: what net/http gets as a body never fails, however late it is written.
func TestWholeBody(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	useKeys(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	s := atServer(server)
	base, err := loadBase(s)
	if err != nil {
		t.Fatal(err)
	}
	late := &lateWriter{HTTPClient: base.HTTPClient}
	base.HTTPClient = late
	c := connect(s, base, "", hclog.NewNullLogger())
	t.Cleanup(c.keys.close)
	p, _ := open(t, s)
	p.connection = c
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.sts.GetCallerIdentity(within(t, operationTime), &sts.GetCallerIdentityInput{}); err != nil {
		t.Fatal(err)
	}
	if len(late.bodies) != 2 {
		t.Fatalf("%d bodies, want 2", len(late.bodies))
	}
	for i, body := range late.bodies {
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Errorf("body %d, after the call: %v", i, err)
		}
	}
}

// TestManyPages: the same with net/http itself, where a connection that it closes for such a body leaves an answer cut in the
// middle. Without a second attempt, that shows.
func TestManyPages(t *testing.T) {
	// The two goroutines of net/http must really run at once; on few processors the kernel's threads do that.
	before := runtime.GOMAXPROCS(8)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	server := awssmtest.StartTest(t, awssmtest.Options{})
	fill(server.In("us-east-1"), 100)
	useKeys(t)
	p, _ := open(t, atServer(server))
	ctx := within(t, 30*time.Second)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 100 {
				if _, err := p.List(ctx, 100, ""); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	readers.Wait()
}

// TestRequesterTimesAnswers: the time covers an answer to its end, not to its headers only.
func TestRequesterTimesAnswers(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := newRequester(awshttp.NewBuildableClient(), 300*time.Millisecond).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if !isTimeout(err) || string(body) != "half of it" {
		t.Errorf("read %q, %v; want half of it and a timeout", body, err)
	}
}
