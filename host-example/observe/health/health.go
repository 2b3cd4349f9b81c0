package health

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Condition is one of the things that a worker needs to be ready.
type Condition struct {
	// Name is worker, provider or backend.
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Reason is set if it doesn't hold and there is a reason of the contract.
	Reason credential.Reason `json:"reason,omitempty"`
	// Message says how things are.
	Message string `json:"message"`
	// Remedy says what to do, one step an entry.
	Remedy []string `json:"remedy,omitempty"`
	// Since is when it became so; nil if that isn't known.
	Since *time.Time `json:"since,omitempty"`

	// private says that message and remedy are the provider's words.
	private bool
}

// phase is what a worker is at.
type phase uint8

const (
	starting phase = iota
	running
	ending
)

// Health knows how a worker is. [New] makes one; its methods may be called concurrently.
type Health struct {
	log hclog.Logger
	// news has something when the backend's condition may have changed.
	news chan struct{}

	mu      sync.Mutex
	phase   phase
	process Process
	backend Condition
	// expire is when the provider's credentials for the backend expire; zero if they don't, as far as is known.
	expire time.Time
}

// Process is a provider's process. *host.Provider is one.
type Process interface {
	// Ready reports whether it can answer calls.
	Ready() bool
}

// New returns the health of a worker that starts.
func New(log hclog.Logger) *Health {
	return &Health{log: log, news: make(chan struct{}, 1), backend: Condition{Message: "not asked yet"}}
}

// Watch has the process looked at from now on.
func (h *Health) Watch(process Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.process = process
}

// Running says that the worker takes jobs.
func (h *Health) Running() { h.enter(running) }

// Ending says that the worker takes no more jobs.
func (h *Health) Ending() { h.enter(ending) }

func (h *Health) enter(next phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = max(h.phase, next) // phases only go forward
}

// Recheck forgets the evidence about the backend, for example since the provider's settings have changed, and has it
// checked.
func (h *Health) Recheck() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.backend = Condition{Message: "not asked since the settings were reloaded"}
	h.tell()
}

// Ready reports whether all conditions hold.
func (h *Health) Ready() bool {
	for _, condition := range h.Conditions() {
		if !condition.OK {
			return false
		}
	}
	return true
}

// Failing says in a few words why the worker isn't ready: the condition that fails, and its reason; empty if it is ready.
// Nothing in it is a provider's own words, which may name hosts and accounts.
func (h *Health) Failing() string {
	for _, c := range h.Conditions() {
		switch {
		case c.OK:
		case c.Reason != "":
			return c.Name + ": " + string(c.Reason)
		case c.private:
			return c.Name + ": a check failed"
		default:
			return c.Name + ": " + c.Message
		}
	}
	return ""
}

// Conditions are all conditions, always in the same order. Nothing in them is secret.
func (h *Health) Conditions() []Condition {
	h.mu.Lock()
	phase, process, backend := h.phase, h.process, h.backend
	h.mu.Unlock()
	backend.Name = "backend"
	return []Condition{workerCondition(phase), processCondition(process), backend}
}

func workerCondition(phase phase) Condition {
	c := Condition{Name: "worker", OK: phase == running}
	switch phase {
	case starting:
		c.Message = "it is starting"
	case running:
		c.Message = "it takes jobs"
	case ending:
		c.Message = "it is stopping: running jobs may end, no others start"
	}
	return c
}

func processCondition(process Process) Condition {
	c := Condition{Name: "provider"}
	switch {
	case process == nil:
		c.Message = "it is being launched"
	case process.Ready():
		c.OK, c.Message = true, "its process is ready"
	default:
		c.Message = "its process has ended, and another one is being started"
		c.Remedy = []string{"the worker's log says why it ended"}
	}
	return c
}

// learn takes in evidence about the backend.
func (h *Health) learn(evidence Condition) {
	now := time.Now()
	evidence.Since = &now
	h.mu.Lock()
	before := h.backend
	if before.OK == evidence.OK && before.Since != nil {
		evidence.Since = before.Since
	}
	h.backend = evidence
	if before.OK != evidence.OK {
		h.tell()
	}
	h.mu.Unlock()
	switch {
	case before.OK == evidence.OK:
	case evidence.OK:
		h.log.Info("the backend is reached", "by", evidence.Message)
	default:
		h.log.Info("the backend is unreachable: the worker is not ready", "reason", string(evidence.Reason), "message", evidence.Message)
	}
}

// tell wakes those who wait for news.
func (h *Health) tell() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// lines are a text's lines that aren't blank.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
