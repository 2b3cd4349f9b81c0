package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// decoy is what a provider may find in the place of its backend: a server on loopback that accepts connections and answers in
// one of the ways of machines in between, or not at all.
type decoy struct {
	listener net.Listener
	answer   func(net.Conn, []byte) // nil: nothing is said

	stopped chan struct{}
	serving sync.WaitGroup

	mu       sync.Mutex
	count    int
	conns    []net.Conn
	requests [][]byte
}

// maxRequest is how much of a request is read, in bytes.
const maxRequest = 64 << 10

func newDecoy(answer func(net.Conn, []byte)) (*decoy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &decoy{listener: listener, answer: answer, stopped: make(chan struct{})}
	d.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.count++
			d.conns = append(d.conns, conn)
			d.mu.Unlock()
			d.serving.Go(func() { d.serve(conn) })
		}
	})
	return d, nil
}

// serve answers one request, and ends the connection after it.
func (d *decoy) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	request := readRequest(conn)
	d.mu.Lock()
	d.requests = append(d.requests, request)
	d.mu.Unlock()
	if d.answer == nil {
		<-d.stopped
		return
	}
	d.answer(conn, request)
}

// readRequest reads what a client says before it waits for an answer.
func readRequest(conn net.Conn) []byte {
	var request strings.Builder
	reader := bufio.NewReader(io.TeeReader(io.LimitReader(conn, maxRequest), &request))
	_ = conn.SetReadDeadline(time.Now().Add(callTime))
	parsed, err := http.ReadRequest(reader)
	if err == nil {
		_, _ = io.Copy(io.Discard, parsed.Body)
	}
	return []byte(request.String())
}

// seen are how many connections there were, and what was sent over them.
func (d *decoy) seen() (connections int, requests [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count, d.requests
}

func (d *decoy) end() {
	_ = d.listener.Close()
	close(d.stopped) // once: the exam ends it
	d.mu.Lock()
	for _, conn := range d.conns {
		_ = conn.Close()
	}
	d.mu.Unlock()
	d.serving.Wait()
}

func (d *decoy) url() string { return "http://" + d.listener.Addr().String() }

// response writes an HTTP answer as it stands.
func response(status, contentType, body string, headers ...string) func(net.Conn, []byte) {
	return func(conn net.Conn, _ []byte) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s",
			status, contentType, len(body), strings.Join(append(headers, ""), "\r\n"), body)
	}
}

const page = "<!DOCTYPE html><html><head><title>Please sign in</title></head><body><h1>Not the API</h1></body></html>"

// stranger is something in the place of a backend, with what it answers.
type stranger struct {
	what   string
	answer func(net.Conn, []byte)
	also   []credential.Reason // what may be said besides
}

// strangers give answers that no backend's API gives.
var strangers = []stranger{
	{"a web page with status 200", response("200 OK", "text/html", page), nil},
	{"a web page with status 404", response("404 Not Found", "text/html", page), nil},
	{"a web page with status 410", response("410 Gone", "text/html", page), nil},
	{"a web page with status 400", response("400 Bad Request", "text/html", page), nil},
	{"a web page with status 500", response("500 Internal Server Error", "text/html", page), nil},
	{"a web page with status 502", response("502 Bad Gateway", "text/html", page), nil},
	{"a web page with status 503", response("503 Service Unavailable", "text/html", page), nil},
	{"a web page with status 401", response("401 Not Signed In", "text/html", page), []credential.Reason{credential.AccessDenied}},
	{"a web page with status 403", response("403 Forbidden", "text/html", page), []credential.Reason{credential.AccessDenied}},
	{"a web page with status 407", response("407 Proxy Authentication Required", "text/html", page), []credential.Reason{credential.AccessDenied}},
	{"a web page with status 429", response("429 Too Many Requests", "text/html", page, "Retry-After: 999999999999"), nil},
	{"status 503 for the next thirty years", response("503 Service Unavailable", "text/html", page, "Retry-After: 999999999"), nil},
	{"status 404 without a body", response("404 Not Found", "text/plain", ""), nil},
	{"status 200 without a body", response("200 OK", "application/json", ""), nil},
	{"status 204", response("204 No Content", "application/json", ""), nil},
	{"half an answer", func(conn net.Conn, _ []byte) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"data\": {\"")
	}, nil},
	{"half an answer with status 404", func(conn net.Conn, _ []byte) {
		_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"err")
	}, nil},
	{"a connection that is closed at once", func(net.Conn, []byte) {}, nil},
	{"something that isn't HTTP", func(conn net.Conn, _ []byte) { _, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n") }, nil},
}

var anURL = regexp.MustCompile(`^http://[^/]+`)

// redirected are the launch and the settings with which a provider finds a decoy in the place of its backend: every setting and
// variable that is an http URL leads to it. ok is false if there is none.
func (e *exam) redirected(to *decoy) (options launchOptions, settings map[string]any, ok bool) {
	options, settings = hosted(), map[string]any{}
	options.environment = map[string]string{}
	replaced := maps.Clone(e.options.Settings)
	for name, value := range replaced {
		if text, isText := value.(string); isText && anURL.MatchString(text) {
			settings[name] = anURL.ReplaceAllString(text, to.url())
		}
	}
	if len(settings) == 0 {
		environment := maps.Clone(e.options.Fixtures.Environment)
		for name, value := range environment {
			if anURL.MatchString(value) && !strings.Contains(strings.ToLower(name), "proxy") {
				options.environment[name] = anURL.ReplaceAllString(value, to.url())
			}
		}
	}
	return options, settings, len(settings)+len(options.environment) > 0
}

// withDecoy starts a provider that finds a decoy in the place of its backend. The decoy ends with the check; it is returned with
// an error, too, if there was one for the provider to find.
func (e *exam) withDecoy(ctx context.Context, answer func(net.Conn, []byte)) (*instance, *decoy, error) {
	if e.options.Attach != "" {
		return nil, nil, skipf("%s has its backend: nothing can be put in its place", e.options.Attach)
	}
	d, err := newDecoy(answer)
	if err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	e.decoys = append(e.decoys, d)
	e.mu.Unlock()
	options, settings, ok := e.redirected(d)
	if !ok {
		return nil, nil, skipf("no setting is an http URL, in whose place something else could be")
	}
	i, err := e.fresh(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	if err := e.configureWell(ctx, i, settings); err != nil {
		return nil, d, skipf("the provider doesn't take an address on loopback instead of its backend's")
	}
	return i, d, nil
}

// stalled is a process with an id whose reads wait for the backend: one of the fixtures' slow ones, or any where the backend
// is a decoy that says nothing.
func (e *exam) stalled(ctx context.Context) (*instance, string, error) {
	if slow := e.options.Fixtures.Slow; len(slow) > 0 {
		i, err := e.freshReady(ctx, hosted())
		return i, slow[0], err
	}
	i, _, err := e.withDecoy(ctx, nil)
	if isSkip(err) {
		return nil, "", skipf("the fixtures name no slow id")
	}
	return i, e.anyID(), err
}
