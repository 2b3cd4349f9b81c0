package operate

import (
	"net/http"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Guard knows which credentials devices refuse. *store.Store is one.
type Guard interface {
	// Refusals are those ids, sorted.
	Refusals() []store.Refusal
	// Forget drops everything about an id.
	Forget(id string)
}

// Quarantine is a credential id that devices refuse.
type Quarantine struct {
	CredentialID string `json:"credential_id"`
	// Devices is how many have refused it.
	Devices int `json:"devices"`
	// Quarantined says that no logins are tried with it, at any device; else only those devices don't get it.
	Quarantined bool `json:"quarantined"`
	// RetrySeconds is the time until one login is tried nevertheless; 0 if it isn't quarantined.
	RetrySeconds int `json:"retry_seconds"`
}

// Quarantines shows and lifts them over HTTP.
type Quarantines struct {
	log   hclog.Logger
	guard atomic.Pointer[Guard]
}

// NewQuarantines makes one that has no guard yet, and says so.
func NewQuarantines(log hclog.Logger) *Quarantines { return &Quarantines{log: log} }

// Guard says whose quarantines they are.
func (q *Quarantines) Guard(guard Guard) { q.guard.Store(&guard) }

// Routes adds
//
//	GET /quarantines          {"quarantines":[{"credential_id","devices","quarantined","retry_seconds"}]}
//	DELETE /quarantines/{id}  204; 404 if no device refuses the id. It is percent-encoded; slashes may also stand as they are
//
// to mux, both for this machine only. Errors are {"error":{"reason","message","help"}}.
func (q *Quarantines) Routes(mux *http.ServeMux) {
	mux.Handle("GET /quarantines", local(q.list))
	mux.Handle("DELETE /quarantines/{id...}", local(q.lift))
}

func (q *Quarantines) list(w http.ResponseWriter, _ *http.Request) {
	guard := q.guard.Load()
	if guard == nil {
		fail(w, http.StatusServiceUnavailable, starting())
		return
	}
	all := []Quarantine{}
	for _, refusal := range (*guard).Refusals() {
		all = append(all, Quarantine{refusal.ID, refusal.Devices, refusal.Quarantined, int(refusal.Retry.Seconds())})
	}
	answer(w, http.StatusOK, list{all})
}

// list is the answer to GET.
type list struct {
	Quarantines []Quarantine `json:"quarantines"`
}

func (q *Quarantines) lift(w http.ResponseWriter, r *http.Request) {
	guard := q.guard.Load()
	if guard == nil {
		fail(w, http.StatusServiceUnavailable, starting())
		return
	}
	id := r.PathValue("id")
	for _, refusal := range (*guard).Refusals() {
		if refusal.ID == id {
			(*guard).Forget(id)
			q.log.Warn("a quarantine was lifted by hand: the credential is read again, and logins with it are tried", "credential_id", id, "devices", refusal.Devices, "quarantined", refusal.Quarantined, "peer", r.RemoteAddr)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	fail(w, http.StatusNotFound, credential.Errorf(NotQuarantined, "credential %q is not in quarantine: no device refuses it, as far as this worker knows", id).
		WithHelp("host-example quarantine list shows those that are; each worker has its own"))
}

func starting() *credential.Error {
	return credential.Errorf(WorkerUnavailable, "the worker is still starting").WithHelp("ask again in a moment; /readyz says what it waits for")
}
