package awssmtest

import (
	"sync"
	"time"
)

// recordedCalls bounds the record, so that a soak of any length keeps memory flat.
const recordedCalls = 10_000

// Call is one request as it arrived, noted before it was judged: a refused, faulted or stalled request is recorded too. It never holds
// a secret value, a key or a token.
type Call struct {
	Time      time.Time
	Service   string // "secretsmanager" or "sts"; empty if the request named neither
	Operation string // such as "GetSecretValue"
	Region    string // of the credential scope; empty for an unsigned request
	Identity  string // ARN that belongs to the access key, whether or not the signature held; empty for an unknown key

	AccessKeyID  string
	SessionToken bool // a session token came with the request
	UserAgent    string

	SecretIDs    []string // names or ARNs as the caller wrote them
	VersionID    string
	VersionStage string

	RoleARN         string
	RoleSessionName string
	ExternalID      string
}

type record struct {
	mu     sync.Mutex
	ring   []Call
	next   int // where the next call goes once the ring is full
	counts map[string]int64
	total  int64
}

func newRecord() *record { return &record{counts: make(map[string]int64)} }

func (r *record) add(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	// Operation names come off the wire: a client that invents them must not grow the map for ever.
	if _, known := r.counts[c.Operation]; known || len(r.counts) < 1000 {
		r.counts[c.Operation]++
	}
	if len(r.ring) < recordedCalls {
		r.ring = append(r.ring, c)
		return
	}
	r.ring[r.next] = c
	r.next = (r.next + 1) % recordedCalls
}

// Calls returns the last 10,000 requests, oldest first. Use Count for numbers: it is exact.
func (s *Server) Calls() []Call {
	r := s.record
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := make([]Call, 0, len(r.ring))
	calls = append(calls, r.ring[r.next:]...)
	return append(calls, r.ring[:r.next]...)
}

// Count returns how many requests named one of the operations since the start or the last ResetCalls; without arguments, all requests.
func (s *Server) Count(operations ...string) int64 {
	r := s.record
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(operations) == 0 {
		return r.total
	}
	var n int64
	for _, operation := range operations {
		n += r.counts[operation]
	}
	return n
}

// ResetCalls forgets all recorded requests and counters.
func (s *Server) ResetCalls() {
	r := s.record
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring, r.next, r.total = nil, 0, 0
	clear(r.counts)
}
