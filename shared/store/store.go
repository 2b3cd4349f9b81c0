package store

import (
	"context"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Store keeps what one provider has answered, and guards devices against refused credentials. It may be used
// concurrently. [New] makes one.
type Store struct {
	provider Provider
	options  Options
	digester digester
	clock    func() instant

	// mu guards everything below except for what cells.load finds, which is all that a cached read touches besides hits.
	// Nobody holds it while the provider, a device or a logger is at work.
	mu       sync.Mutex
	closed   bool
	cells    *cells
	failures *simplelru.LRU[key, *failure]
	flights  map[key]*flight
	// unattended is how many flights nobody waits for.
	unattended int
	// outage is the backend's last failure, nil if it answered.
	outage   *failure
	guards   *guards
	sweeper  sweeper
	counters counters
	events   []event

	hits    striped
	running sync.WaitGroup
}

// New makes a store in front of a provider. [Store.Close] ends it; the provider remains its caller's.
func New(provider Provider, options Options) *Store {
	options = options.resolved()
	return &Store{
		provider: provider,
		options:  options,
		digester: newDigester(),
		clock:    newClock(),
		cells:    newCells(options.Size),
		// Bounded apart, so that ids that don't exist can't push out credentials that are in use.
		failures: newLRU[key, *failure](max(options.Size/4, 100), nil),
		flights:  make(map[key]*flight),
		guards:   newGuards(options.Size),
	}
}

// Close ends reads that are under way, and returns when nothing of the store is left running. Credentials that were kept
// are released; calls under way and later ones fail with CANCELLED. It may be called more than once.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	s.forgetEverything()
	s.sweeper.stop()
	s.unlock()
	s.running.Wait()
}

// event is a line for the log, kept until the lock is released: a log that is slow shall hold up nobody else.
type event struct {
	log     hclog.Logger
	level   hclog.Level
	message string
	args    []any
}

func (s *Store) event(level hclog.Level, message string, args ...any) {
	s.events = append(s.events, event{s.options.Logger, level, message, args})
}

func (v *visit) event(level hclog.Level, message string, args ...any) {
	v.store.events = append(v.store.events, event{v.log, level, message, args})
}

// logger is the one that ctx has, or else the store's.
func (s *Store) logger(ctx context.Context) hclog.Logger {
	if own := hclog.FromContext(ctx); own != hclog.L() { // which stands for none
		return own
	}
	return s.options.Logger
}

// unlock releases the lock and writes what happened under it.
func (s *Store) unlock() {
	events := s.events
	s.events = nil
	s.mu.Unlock()
	for _, e := range events {
		e.log.Log(e.level, e.message, e.args...)
	}
}
