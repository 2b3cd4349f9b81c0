package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// requester sends the SDK's requests: each with its body from memory, and within a time.
//
// The body is in place of the SDK's own reader. The SDK (smithy-go 1.28) withdraws its reader as soon as the answer's headers
// are there, and the reader's WriteTo then returns io.EOF as an error. If net/http is still making sure that there is nothing
// left to write, it takes that for a failed write and closes the connection, with the rest of the answer unread: a large
// secret or a page of a list fails with "use of closed network connection". Bodies here are a few hundred bytes, and one in
// memory also spares net/http a flush between headers and body.
//
// The time is in place of http.Client's Timeout. For a transport that is wrapped, as the SDK's is, that one starts two
// goroutines and a timer of its own for every request; a context needs none.
type requester struct {
	client  aws.HTTPClient
	timeout time.Duration // of a request and its answer, to the end of its body
}

// newRequester takes the time limit over from a client of the SDK's.
func newRequester(client aws.HTTPClient, timeout time.Duration) requester {
	if buildable, ok := client.(*awshttp.BuildableClient); ok {
		client = buildable.WithTimeout(0)
	}
	return requester{client: client, timeout: timeout}
}

// Do implements aws.HTTPClient.
func (r requester) Do(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), r.timeout)
	request = request.WithContext(ctx) // a copy: the SDK signs its own again when it retries
	if request.Body != nil && request.Body != http.NoBody {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			cancel()
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	answer, err := r.client.Do(request)
	if err != nil {
		cancel()
		return nil, err
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
