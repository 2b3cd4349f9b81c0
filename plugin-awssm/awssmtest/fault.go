package awssmtest

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Fault describes which requests fail, and how. The matchers are all optional and must all hold; the effects can be combined where that makes
// sense: first Delay and Stall, then Reset, or an answer in place of the real one, or the real one cut short.
type Fault struct {
	Service   string // "secretsmanager" or "sts"
	Operation string // such as "GetSecretValue"
	Region    string // of the credential scope
	// SecretID is a secret's name or ARN, or a pattern of them in which * stands for anything. A fault with SecretID and Code that
	// matches GetSecretValue also fails that secret inside a BatchGetSecretValue, as an item of Errors.
	SecretID string

	// Times is how many requests the fault hits before it is spent. 0 means all, until it is removed.
	Times int

	// Delay passes before anything else happens. Alone, it makes a request slow and leaves the answer as it is.
	Delay time.Duration
	// Stall holds the request until the client goes away, the server closes, or the fault is removed; then the request goes on.
	Stall bool
	// Reset cuts the connection with a TCP reset.
	Reset bool
	// Truncate promises the whole answer and cuts the connection in the middle of it.
	Truncate bool

	// Code answers with an error of the service, such as "ThrottlingException", in the service's own shape.
	Code string
	// Message goes with Code. Default: the code.
	Message string
	// Status is the HTTP status. Default: the usual one of Code, or 200 for a Body. Alone, it answers with an empty body, as a load
	// balancer might.
	Status int
	// Body answers with these bytes, as a proxy would with HTML, or a broken service with malformed JSON.
	Body string
	// ContentType goes with Body. Default "text/html".
	ContentType string
	// RetryAfter is the Retry-After header of an answer made by Code, Status or Body.
	RetryAfter string

	// ClockSkew moves the server's clock for the request: signatures are judged, sessions end and the Date header is set by it.
	ClockSkew time.Duration
}

// Injection is a fault at work.
type Injection struct {
	Fault
	faults  *faults
	hits    atomic.Int64
	waiting atomic.Int64
	removed chan struct{}
	once    sync.Once
}

// Remove ends the fault and lets stalled requests go on. It may be called more than once.
func (i *Injection) Remove() {
	i.once.Do(func() {
		i.faults.drop(i)
		close(i.removed)
	})
}

// Hits returns how many requests (or items of a batch) the fault has struck.
func (i *Injection) Hits() int64 { return i.hits.Load() }

// Waiting returns how many requests the fault is stalling now.
func (i *Injection) Waiting() int64 { return i.waiting.Load() }

// faults are tried in the order of their injection; a request gets the first that matches.
type faults struct {
	mu   sync.Mutex
	list []*Injection
}

// Inject puts a fault to work, after those already there.
func (s *Server) Inject(fault Fault) *Injection {
	i := &Injection{Fault: fault, faults: s.faults, removed: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, i)
	return i
}

// RemoveFaults removes every fault.
func (s *Server) RemoveFaults() {
	s.faults.mu.Lock()
	list := slices.Clone(s.faults.list)
	s.faults.mu.Unlock()
	for _, i := range list {
		i.Remove()
	}
}

func (f *faults) drop(i *Injection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(other *Injection) bool { return other == i })
}

// match returns the fault that strikes the call, or nil, and counts the hit.
func (f *faults) match(c *call) *Injection {
	return f.first(func(i *Injection) bool {
		return i.matches(c.service, c.operation, c.region) &&
			(i.SecretID == "" || slices.ContainsFunc(c.noted.SecretIDs, func(id string) bool { return matchesSecret(i.SecretID, id) })) &&
			(c.operation != "BatchGetSecretValue" || !i.strikesItems())
	})
}

// matchItem returns the error that strikes one secret of a batch, or nil.
func (f *faults) matchItem(c *call, name, arn string) *apiError {
	i := f.first(func(i *Injection) bool {
		return i.strikesItems() && i.matches(c.service, "GetSecretValue", c.region) &&
			(matchesSecret(i.SecretID, name) || matchesSecret(i.SecretID, arn))
	})
	if i == nil {
		return nil
	}
	return i.problem()
}

func (f *faults) first(matches func(*Injection) bool) *Injection {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at, i := range f.list {
		if !matches(i) {
			continue
		}
		if n := i.hits.Add(1); i.Times > 0 && n >= int64(i.Times) {
			// Spent, but not removed: a request that it stalls stays stalled.
			f.list = slices.Delete(f.list, at, at+1)
		}
		return i
	}
	return nil
}

func (i *Injection) matches(service, operation, region string) bool {
	return (i.Service == "" || i.Service == service) &&
		(i.Operation == "" || i.Operation == operation) &&
		(i.Region == "" || i.Region == region)
}

// strikesItems tells a fault of single secrets, which a batch reports per item, from a fault of whole requests.
func (i *Injection) strikesItems() bool {
	return i.SecretID != "" && i.Code != "" && (i.Operation == "" || i.Operation == "GetSecretValue")
}

// answers reports whether the fault takes the place of the real answer.
func (i *Injection) answers() bool { return i.Code != "" || i.Status != 0 || i.Body != "" }

func (i *Injection) problem() *apiError {
	return &apiError{code: i.Code, message: cmp.Or(i.Message, i.Code), status: i.Status}
}

func (i *Injection) answer(c *call) answer {
	var a answer
	switch {
	case i.Body != "":
		a = answer{
			status:      cmp.Or(i.Status, http.StatusOK),
			contentType: cmp.Or(i.ContentType, "text/html"),
			errorType:   i.Code,
			body:        []byte(i.Body),
		}
	case i.Code != "":
		a = errorAnswer(c.service, c.requestID, i.problem())
	default:
		a = answer{status: i.Status, contentType: "text/plain"}
	}
	a.retryAfter = i.RetryAfter
	return a
}

// reset ends the connection so that the client reads ECONNRESET: closing a socket without lingering sends RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if secure, ok := conn.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	raw.Close()
}

// matchesSecret compares a pattern with a secret's name or ARN; a pattern of names also matches the ARN of such a secret.
func matchesSecret(pattern, id string) bool {
	if matchesPattern(pattern, id) {
		return true
	}
	if _, resource, ok := strings.Cut(id, ":secret:"); ok && strings.HasPrefix(id, "arn:") {
		if matchesPattern(pattern, resource) {
			return true
		}
		return len(resource) > 7 && matchesPattern(pattern, resource[:len(resource)-7])
	}
	return false
}

// matchesPattern matches as IAM does: * is any run of characters, slashes included, and ? any one of them.
func matchesPattern(pattern, value string) bool {
	// path.Match stops * at slashes and gives brackets and backslashes a meaning; none of that is wanted.
	swap := strings.NewReplacer("/", "\x00", "[", "\x01", "]", "\x02", `\`, "\x03")
	ok, err := path.Match(swap.Replace(pattern), swap.Replace(value))
	return ok && err == nil
}
