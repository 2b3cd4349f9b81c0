package admin

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// userHeader names the user who lifts a quarantine, as the client says.
const userHeader = "Tom-User"

// Guard knows which credentials devices refuse. [Logins] is one.
type Guard interface {
	Refused(ctx context.Context, ids ...string) ([]Quarantine, error)
	Lift(ctx context.Context, id string, note func(Quarantine) error) error
}

// Lifted notes that a user lifts a quarantine; peer is the address that asks for it. Its error prevents that.
type Lifted func(ctx context.Context, q Quarantine, user, peer string) error

// Quarantines shows and lifts them over HTTP.
type Quarantines struct {
	log   hclog.Logger
	guard atomic.Pointer[guarded]
}

type guarded struct {
	Guard
	lifted Lifted
}

// NewQuarantines makes one that has no guard yet, and says so.
func NewQuarantines(log hclog.Logger) *Quarantines { return &Quarantines{log: log} }

// Guard has the quarantines of a guard shown and lifted.
func (q *Quarantines) Guard(guard Guard, lifted Lifted) { q.guard.Store(&guarded{guard, lifted}) }

// Routes adds
//
//	GET /quarantines          {"quarantines":[{"credential_id","material","devices","failed","quarantined","retry_seconds"}]}
//	DELETE /quarantines/{id}  204; 404 if no device refuses the id. It is percent-encoded; slashes may also stand as they are
//
// to mux, both for this machine only. Errors are {"error":{"reason","message","help"}}.
func (q *Quarantines) Routes(mux *http.ServeMux) {
	mux.Handle("GET /quarantines", local(q.list))
	mux.Handle("DELETE /quarantines/{id...}", local(q.lift))
}

func (q *Quarantines) list(w http.ResponseWriter, r *http.Request) {
	guard := q.guard.Load()
	if guard == nil {
		fail(w, http.StatusServiceUnavailable, starting())
		return
	}
	all, err := guard.Refused(r.Context())
	if err != nil {
		failWith(w, err)
		return
	}
	answer(w, http.StatusOK, list{all})
}

// list is the answer to GET.
type list struct {
	Quarantines []Quarantine `json:"quarantines"`
}

func (q *Quarantines) lift(w http.ResponseWriter, r *http.Request) {
	if err := q.do(r, r.PathValue("id"), text.Truncate(text.Line(r.Header.Get(userHeader)), 64)); err != nil {
		failWith(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// do lifts a quarantine for a user, whose name may be empty.
func (q *Quarantines) do(r *http.Request, id, user string) error {
	guard := q.guard.Load()
	if guard == nil {
		return starting()
	}
	return guard.Lift(r.Context(), id, func(lifting Quarantine) error {
		if err := guard.lifted(r.Context(), lifting, user, r.RemoteAddr); err != nil {
			return err
		}
		q.log.Warn("a quarantine was lifted by hand: the credential is read again, and logins with it are tried", "credential_id", id,
			"devices", lifting.Devices, "quarantined", lifting.Quarantined, "user", user, "peer", r.RemoteAddr)
		return nil
	})
}

func starting() *credential.Error {
	return credential.Errorf(WorkerUnavailable, "the worker is still starting").WithHelp("ask again in a moment; /readyz says what it waits for")
}
