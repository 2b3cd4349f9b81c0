package main

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// wholeBody sends a request's body from memory, in place of the SDK's own reader.
//
// The SDK (smithy-go 1.28) withdraws its reader as soon as the answer's headers are there, and the reader's WriteTo then
// returns io.EOF as an error. If net/http is still making sure that there is nothing left to write, it takes that for a
// failed write and closes the connection, with the rest of the answer unread: a large secret or a page of a list fails
// with "use of closed network connection". Bodies here are a few hundred bytes, and one in memory also spares net/http a
// flush between headers and body.
type wholeBody struct{ client aws.HTTPClient }

// Do implements aws.HTTPClient.
func (w wholeBody) Do(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return w.client.Do(request)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request = request.WithContext(request.Context()) // a copy: the SDK signs its own again when it retries
	request.Body = io.NopCloser(bytes.NewReader(body))
	return w.client.Do(request)
}
