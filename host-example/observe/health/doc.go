// Package health reports whether a worker lives and whether it is ready, over HTTP.
//
//	h := health.New(logger)
//	http.Handle("GET /healthz", h.Live())
//	http.Handle("GET /readyz", h.Readiness(operate.Local))
//	source := h.Provider(provider)  // what it answers is evidence
//	h.Watch(provider)               // its process is looked at
//	go h.Keep(ctx, source)          // the backend is checked again
//	h.Running()
//	context.AfterFunc(stop, h.Ending)
//
// # What is ready
//
// A worker is ready when three conditions hold, and each one is answered separately:
//
//	worker     it takes jobs: it neither starts nor ends
//	provider   the provider's process is there to answer calls
//	backend    by the last evidence the provider's backend can be reached and takes it for who it is
//
// Evidence are the provider's checks, at the start and later, and what reads come to: one that gives a credential is good
// news, one that fails because of the backend as a whole is bad news, and one that fails because of its credential is no news.
// The last evidence counts. So a worker whose backend is unavailable isn't ready, even though it goes on with credentials that it
// has read before: it can't do every job. What only has to know whether to restart it asks /healthz.
//
// [Health.Keep] has the provider check again: at once after bad news, then with growing pauses until there is good news; and
// every ten minutes anyway, for a worker without jobs, and because the provider's own credentials may run out.
package health
