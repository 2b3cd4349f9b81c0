// Package trace tells an OpenTelemetry collector what became of each job: how long it waited, where its credential came
// from, what the provider took, and how the device was.
//
//	traces := trace.FromEnvironment(os.Environ(), "worker", "1.0.0") // nil if none are wanted
//	traces.LogTo(logger)
//	defer traces.Close(ctx)
//
//	source := traces.Source(provider)                // spans around the provider's calls
//	credentials := traces.Credentials(store)         // and around what jobs ask of the store
//	queue := job.Queue{Worker: worker, Watch: traces.Watch()}
//
// The standard's variables (OTEL_*) report whether there are traces and where they go; without them nothing is set up. Below a
// job's span are those of what it did:
//
//	job                                  id, credential, device, status, attempts
//	  credential                         before the device's turn: outcome, version, age
//	    .../GetCredential                the provider's call, if there was one
//	  login
//	    ssh login                        each connection, with the version that it used
//	      login permit                   the wait for the guard's permit
//	    .../GetCredential                if the device has refused the first one
//	  ssh command                        each one, by its number
//
// A call that several jobs wait for is in the trace of the one that made it. So is a call in the background, which may end
// after its job.
//
// A span says why something failed by its code and its reason, never by a message, and of commands it has the number and
// not the text: nothing that could be secret leaves the worker this way. The trace's id goes along to the provider, as the
// header traceparent, and is in what the worker and the provider log about the job.
package trace
