// Package metrics has a worker's metrics, for Prometheus to scrape.
//
//	m := metrics.New(metrics.Build{Version: version, Commit: commit})
//	source := m.Provider(provider)                 // calls of the provider are timed
//	credentials := store.New(source, options)
//	m.Watch(credentials.Snapshot, provider)        // what these know is read at each scrape
//	queue.Observer = m.Jobs                        // results are counted
//	queue.Worker = m.Jobs.Worker(crew)             // running jobs are counted
//	crew.credentials = m.Credentials(credentials)  // requests are counted
//	http.Handle("GET /metrics", m.Handler(logger))
//
// # One way in
//
// Metrics are pulled, with the Prometheus client, and there is no other way. Who runs such workers scrapes them: a scrape
// that fails is seen where it is looked for, and says that the worker is gone. A worker that pushes needs to know where to,
// needs a queue for when that place is unavailable, and must not wait for it. OpenTelemetry's metrics would be a second set of names
// for the same numbers; it is used for traces, which can't be pulled.
//
// # Labels
//
// Every label has few values, known beforehand: reasons are those of the contract and of package job, and any other one counts
// as INTERNAL. There are no hosts, no jobs and no credential ids among them: a fleet has too many, and ids don't concern those
// who may see the dashboard. Counters by reason start at 0 for each reason, since Prometheus doesn't see a counter's first
// step if that is its first value.
package metrics
