package health

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Provider takes what p answers as evidence.
func (h *Health) Provider(p observe.Provider) observe.Provider { return &witness{p, h} }

type witness struct {
	observe.Provider
	health *Health
}

// Get implements observe.Provider.
func (w *witness) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	cred, err := w.Provider.Get(ctx, request)
	w.health.read(err)
	return cred, err
}

// GetBatch implements observe.Provider.
func (w *witness) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	results, err := w.Provider.GetBatch(ctx, requests)
	if err != nil {
		w.health.read(err)
		return results, err
	}
	for _, result := range results {
		w.health.read(result.Err)
	}
	return results, nil
}

// Validate implements observe.Provider.
func (w *witness) Validate(ctx context.Context, id string) (credential.Report, error) {
	report, err := w.Provider.Validate(ctx, id)
	if err == nil {
		w.health.checked(report)
	} else if aboutBackend(err) {
		w.health.learn(Condition{Reason: credential.ReasonOf(err), Message: "the provider could not check it"})
	}
	return report, err
}

// read is what a read came to. Its error's text names the credential, so that isn't shown.
func (h *Health) read(err error) {
	switch {
	case err == nil:
		h.learn(Condition{OK: true, Message: "it gave a credential"})
	case aboutBackend(err):
		h.learn(Condition{Reason: credential.ReasonOf(err), Message: "the last read of a credential failed"})
	}
}

// aboutBackend reports whether an error tells that the backend as a whole doesn't answer, or not to us.
func aboutBackend(err error) bool {
	switch credential.ReasonOf(err) {
	case credential.BackendUnavailable, credential.Throttled, credential.DeadlineExceeded,
		credential.BackendUnauthenticated, credential.BackendMisconfigured:
		return true
	}
	return false
}

// checked is what the provider's checks came to.
func (h *Health) checked(report credential.Report) {
	h.mu.Lock()
	h.expire = report.BackendCredentialsExpire
	h.mu.Unlock()
	for _, check := range report.Checks {
		if check.Status == credential.StatusFailed {
			h.learn(Condition{Reason: check.Reason, Message: "check " + check.Name + ": " + check.Message, Remedy: lines(check.Remedy), private: true})
			return
		}
	}
	h.learn(Condition{OK: true, Message: "the provider's checks passed"})
}

// When the backend is checked.
const (
	// routine is the time between checks of a backend that is reached.
	routine = 10 * time.Minute
	// renewal is how long after their end the provider's credentials should have been renewed.
	renewal = 5 * time.Second
	// The pauses between checks of one that isn't.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// calm is how long after a check the next one is no longer part of the same trouble.
	calm = 2 * longestPause
)

// Validator checks the backend. What [Health.Provider] returns is one.
type Validator interface {
	Validate(ctx context.Context, id string) (credential.Report, error)
}

// Keep has the backend checked until ctx is done: what it finds comes in through the provider. The first check is due as if
// there had been one just now.
func (h *Health) Keep(ctx context.Context, provider Validator) {
	last, pause := time.Now(), firstPause
	for {
		timer := time.NewTimer(time.Until(h.next(last, pause)))
		select {
		case <-timer.C:
		case <-h.news:
			timer.Stop()
			continue
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if time.Since(last) > calm {
			pause = firstPause
		} else {
			pause = min(2*pause, longestPause)
		}
		_, _ = provider.Validate(ctx, "") // what it comes to has been learnt
		last = time.Now()
	}
}

// next is when the backend should be checked, after the last time.
func (h *Health) next(last time.Time, pause time.Duration) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.backend.OK {
		return last.Add(pause*3/4 + rand.N(pause/2)) // so that a fleet doesn't ask together
	}
	due := last.Add(routine)
	if soon := h.expire.Add(renewal); !h.expire.IsZero() && soon.Before(due) {
		due = soon
		if least := last.Add(calm); due.Before(least) {
			due = least
		}
	}
	return due
}
