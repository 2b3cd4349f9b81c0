package store

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Store keeps what one source has answered. It may be used concurrently. [New] makes one.
type Store struct {
	source   Source
	options  Options
	digester digester
	clock    func() instant

	// mu guards everything below except for what cache.load finds, which is all that a cached read touches besides hits.
	// It is not held while the source or a logger is at work.
	mu       sync.Mutex
	closed   bool
	cache    *cache
	failures *simplelru.LRU[credential.Request, *failure]
	flights  map[credential.Request]*flight
	// unattended is how many flights no caller waits for.
	unattended int
	// outage is the backend's last failure, nil if it answered.
	outage   *failure
	sweeper  *time.Timer // nil if there is nothing to sweep
	counters counters
	events   []event
	// rechecks are the latest reads that Recheck has started, and materials are what was read last, for Changes.
	rechecks  *simplelru.LRU[credential.Request, *flight]
	materials *simplelru.LRU[string, material]
	changes   chan struct{}

	hits    striped
	running sync.WaitGroup
}

// New makes a store in front of a source. [Store.Close] ends it; the source remains its caller's.
func New(source Source, options Options) *Store {
	options = options.resolved()
	return &Store{
		source:   source,
		options:  options,
		digester: newDigester(),
		clock:    newClock(),
		cache:    newCache(options.Size),
		// Bounded apart, so that ids that don't exist can't push out credentials that are in use.
		failures:  newLRU[credential.Request, *failure](max(options.Size/4, 100), nil),
		flights:   make(map[credential.Request]*flight),
		rechecks:  newLRU[credential.Request, *flight](options.Size, nil),
		materials: newLRU[string, material](options.Size, nil),
		changes:   make(chan struct{}),
	}
}

// Close ends reads that are under way, and returns when nothing of the store is left running. Credentials that were kept
// are released; calls under way and later ones fail with CANCELLED. It may be called more than once.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	s.clear()
	if s.sweeper != nil {
		s.sweeper.Stop()
		s.sweeper = nil
	}
	s.unlock()
	s.running.Wait()
}

// event is a line for the log, kept until the lock is released: a slow log must not hold up other calls.
type event struct {
	level   slog.Level
	message string
	args    []any
}

func (s *Store) event(level slog.Level, message string, args ...any) {
	s.events = append(s.events, event{level, message, args})
}

// unlock releases the lock and writes what happened under it.
func (s *Store) unlock() {
	events := s.events
	s.events = nil
	s.mu.Unlock()
	for _, e := range events {
		s.options.Logger.Log(context.Background(), e.level, e.message, e.args...)
	}
}
