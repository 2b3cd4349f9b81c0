package operate

import (
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"

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
)

// Code is the gRPC code that belongs to a reason of this package; ok says whether it is one.
func Code(reason credential.Reason) (code codes.Code, ok bool) {
	switch reason {
	case NotQuarantined:
		return codes.NotFound, true
	case NotAllowed:
		return codes.PermissionDenied, true
	case WorkerUnavailable:
		return codes.Unavailable, true
	}
	return codes.Unknown, false
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
