package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// The reasons that are added here to those of package credential.
const (
	// NotQuarantined is an id that no device refuses.
	NotQuarantined credential.Reason = "NOT_QUARANTINED"
	// NotAllowed is a request from elsewhere.
	NotAllowed credential.Reason = "NOT_ALLOWED"
	// WorkerUnavailable is a worker that doesn't answer, or can't yet.
	WorkerUnavailable credential.Reason = "WORKER_UNAVAILABLE"
	// LedgerUnavailable is a ledger of logins that doesn't answer.
	LedgerUnavailable credential.Reason = "LEDGER_UNAVAILABLE"
)

// Code is the gRPC code that belongs to a reason of this package; ok reports whether it is one.
func Code(reason credential.Reason) (code string, ok bool) {
	switch reason {
	case NotQuarantined:
		return "NOT_FOUND", true
	case NotAllowed:
		return "PERMISSION_DENIED", true
	case WorkerUnavailable, LedgerUnavailable:
		return "UNAVAILABLE", true
	}
	return "", false
}

// failure is the answer to a request that failed.
type failure struct {
	Error struct {
		Reason  credential.Reason `json:"reason"`
		Message string            `json:"message"`
		Help    []string          `json:"help"`
	} `json:"error"`
}

func fail(w http.ResponseWriter, status int, err *credential.Error) {
	var f failure
	f.Error.Reason, f.Error.Message, f.Error.Help = err.Reason, err.Message, err.Help
	answer(w, status, f)
}

// failWith answers with an error of what was asked for.
func failWith(w http.ResponseWriter, err error) {
	e := asError(err)
	fail(w, statusOf(e), e)
}

func asError(err error) *credential.Error {
	if e, ok := errors.AsType[*credential.Error](err); ok {
		return e
	}
	return credential.Errorf(credential.ReasonOf(err), "%w", err)
}

func statusOf(e *credential.Error) int {
	if e.Reason == NotQuarantined {
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(document) // who asked is gone otherwise
}
