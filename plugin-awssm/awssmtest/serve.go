package awssmtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	serviceSecrets = "secretsmanager"
	serviceSTS     = "sts"
)

// Larger than any legal request: a binary of 65,536 bytes in base64 and its description.
const maxRequestBytes = 1 << 20

// call is one request on its way through the server.
type call struct {
	server    *Server
	request   *http.Request
	body      []byte
	form      url.Values // STS
	requestID string
	service   string
	operation string
	authorization
	now      time.Time // the server's clock as this call sees it
	identity string    // ARN, once the signature has been verified
	trusted  bool      // made by Region, not by a client: nothing is denied
	state    *state    // of the region
	noted    Call
}

// ServeHTTP answers one request: it notes it, lets faults act on it, verifies its signature and runs its operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.active.Done()

	c, problem := s.receive(r)
	s.record.add(c.noted)

	fault := s.faults.match(c)
	if !c.pause(s.latency.Load(), fault) {
		panic(http.ErrAbortHandler) // the client is gone or the server closes
	}
	if fault != nil && fault.Reset {
		reset(w)
		return
	}
	if fault != nil {
		c.now = c.now.Add(fault.ClockSkew)
	}
	var a answer
	switch {
	case fault != nil && fault.answers():
		a = fault.answer(c)
	case problem != nil:
		a = errorAnswer(c.service, c.requestID, problem)
	default:
		a = c.run()
	}
	c.write(w, a, fault != nil && fault.Truncate)
}

// receive reads the request and works out what it asks for. The call is never nil, so that even nonsense is recorded.
func (s *Server) receive(r *http.Request) (*call, *apiError) {
	c := &call{server: s, request: r, requestID: newUUID(), now: s.options.Now()}
	c.authorization = parseAuthorization(r)
	c.noted = Call{
		Time:         c.now,
		Region:       strings.Clone(c.region),
		AccessKeyID:  strings.Clone(c.accessKeyID),
		SessionToken: r.Header.Get("X-Amz-Security-Token") != "",
		UserAgent:    r.UserAgent(),
		Identity:     s.identity.arn(c.accessKeyID),
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil {
		return c, refuse("SerializationException", "the request body could not be read")
	}
	c.body = body

	if target := r.Header.Get("X-Amz-Target"); target != "" {
		name, operation, _ := strings.Cut(target, ".")
		c.service, c.operation = name, operation
	} else if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		c.service, c.operation, c.form = serviceSTS, form.Get("Action"), form
	}
	c.noted.Service, c.noted.Operation = strings.Clone(c.service), strings.Clone(c.operation)
	c.note()

	switch {
	case len(body) > maxRequestBytes:
		return c, &apiError{code: "RequestEntityTooLargeException", message: "Request body is too large.", status: http.StatusRequestEntityTooLarge}
	case c.service == serviceSecrets && secretOperations[c.operation] != nil, c.service == serviceSTS && stsOperations[c.operation] != nil:
		return c, nil
	case c.service == serviceSTS:
		return c, refuse("InvalidAction", "Could not find operation %s for version %s", c.operation, c.form.Get("Version"))
	default:
		return c, refuse("UnknownOperationException", "Operation %q is not one that this server knows.", c.operation)
	}
}

// note adds what the body says to the record, values excepted.
func (c *call) note() {
	if c.service == serviceSTS {
		// Cloned, or the record would keep the whole body alive, and with it the web identity token.
		c.noted.RoleARN = strings.Clone(c.form.Get("RoleArn"))
		c.noted.RoleSessionName = strings.Clone(c.form.Get("RoleSessionName"))
		c.noted.ExternalID = strings.Clone(c.form.Get("ExternalId"))
		return
	}
	var in struct {
		SecretId, Name, VersionId, VersionStage string
		SecretIdList                            []string
	}
	if json.Unmarshal(c.body, &in) != nil {
		return // the operation will say so
	}
	c.noted.SecretIDs = in.SecretIdList
	for _, id := range []string{in.SecretId, in.Name} {
		if id != "" {
			c.noted.SecretIDs = append(c.noted.SecretIDs, id)
		}
	}
	c.noted.VersionID, c.noted.VersionStage = in.VersionId, in.VersionStage
}

// run verifies the signature and carries the operation out.
func (c *call) run() answer {
	if problem := c.authenticate(); problem != nil {
		return errorAnswer(c.service, c.requestID, problem)
	}
	c.state = c.server.stateOf(c.account(), c.region)
	operation := secretOperations[c.operation]
	if c.service == serviceSTS {
		operation = stsOperations[c.operation]
	}
	out, err := operation(c)
	if err != nil {
		var problem *apiError
		if !errors.As(err, &problem) {
			problem = &apiError{code: "InternalServiceError", message: err.Error(), status: http.StatusInternalServerError}
		}
		return errorAnswer(c.service, c.requestID, problem)
	}
	if c.service == serviceSTS {
		return xmlAnswer(out)
	}
	return jsonAnswer(out)
}

func (c *call) write(w http.ResponseWriter, a answer, truncate bool) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Date", c.now.UTC().Format(http.TimeFormat)) // SDKs correct their clock by it
	h.Set("X-Amzn-Requestid", c.requestID)
	if a.errorType != "" {
		h.Set("X-Amzn-Errortype", a.errorType)
	}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	if truncate {
		_, _ = w.Write(a.body[:len(a.body)/2])
		return // net/http cuts the connection of a handler that wrote less than it promised
	}
	_, _ = w.Write(a.body) // a client that has gone is no concern of ours
}

// wait sleeps for d; false means that the client went away or the server closes.
func (c *call) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.request.Context().Done():
		return false
	case <-c.server.closing:
		return false
	}
}

// pause applies the latency, and a fault's delay and stall.
func (c *call) pause(latency int64, fault *Injection) bool {
	if !c.wait(time.Duration(latency)) {
		return false
	}
	if fault == nil {
		return true
	}
	return c.wait(fault.Delay) && (!fault.Stall || fault.stall(c.request.Context(), c.server.closing))
}

// stall holds a request until the fault is removed (true), the client goes or the server closes.
func (i *Injection) stall(ctx context.Context, closing <-chan struct{}) bool {
	i.waiting.Add(1)
	defer i.waiting.Add(-1)
	select {
	case <-i.removed:
		return true
	case <-ctx.Done():
		return false
	case <-closing:
		return false
	}
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
