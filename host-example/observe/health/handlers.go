package health

import (
	"encoding/json"
	"io"
	"net/http"
)

// Live answers 200: who gets the answer knows that the process lives and serves.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header(w, "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
}

// Readiness answers 200 if the worker is ready, else 503; either way with {"ready":false,"conditions":[...]}. What a failed
// check says, and what to do, may name hosts and accounts: it is for requests that trusted lets through, and others get the
// reason alone.
func (h *Health) Readiness(trusted func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := struct {
			Ready      bool        `json:"ready"`
			Conditions []Condition `json:"conditions"`
		}{true, h.Conditions()}
		for i, condition := range answer.Conditions {
			answer.Ready = answer.Ready && condition.OK
			if condition.private && !trusted(r) {
				answer.Conditions[i].Message, answer.Conditions[i].Remedy = withheld, nil
			}
		}
		header(w, "application/json")
		if !answer.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(answer) // who asked is gone otherwise
	})
}

// withheld stands in the place of a private message.
const withheld = "a check of the provider failed; from the worker's own machine this says what, and what to do"

func header(w http.ResponseWriter, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}
