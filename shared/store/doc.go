// Package store stands between a worker and a credential provider: it keeps what was read, and rides out the backend's
// outages.
//
//	credentials := store.New(provider, store.Options{Logger: slog.Default()})
//	defer credentials.Close()
//
//	result, err := credentials.Get(ctx, "lab_creds")
//
// [Store.Warm] reads many credentials ahead of their use. Logins to devices belong behind package guard, which reads through
// a store and keeps wrong passwords from locking accounts; the two share no lock.
//
// # Caching
//
// A credential is served for [Options.TTL], or for less if the provider says so. From four fifths of that time on, a use
// of it has it read again in the background: what is in use never expires, and what isn't costs nothing. Times are
// shortened at random so that the workers of a fleet don't read together. There is one read at a time for each id and
// version, shared by all callers that want it; it has its own deadline, and goes on when its callers have given up. An
// age is the larger of what the monotonic and the wall clock say; while the store is in use, it reads the latter every 0.1 ms.
//
// When a read fails, the reason decides. A definite error, such as "not found" or "access denied", drops what was kept at
// once and is remembered for [Options.NegativeTTL]. While the backend is unavailable, or throttles, the last good credential
// is served, as [Stale] and with its age, until [Options.MaxStale] after it was read; one read at a time finds out whether
// the outage is over, with growing pauses, and no caller waits for it. Any other error is returned; what was kept is served
// again once the backend is merely unavailable.
//
// # Memory
//
// Everything is bounded: credentials by [Options.Size], failures by a quarter of it and apart from them, so that ids
// that don't exist push nothing out. What is dropped is released and not overwritten, since it may be in use, and Go's
// strings can't be overwritten. What can't be served any more is dropped within a minute. Nothing is written to disk.
//
// # What version 1 promises
//
// The exported names and their documented behaviour stay. Struct types get fields only whose zero value changes nothing;
// [Source] and [BatchSource] get no methods. The rules of the reasons are those of the contract, proto/README.md. Log
// messages, the defaults' exact values and what [Snapshot] counts beyond its documentation may change.
//
// # Why these parts
//
// The order of use and the bound are golang-lru's simplelru: a list and a map without a lock and without a goroutine,
// behind the lock that is needed anyway. Cached reads go past it by a sync.Map, and note their use once a second, so that
// they take no lock and allocate nothing.
//
// otter v2 was measured and left out: it is its loader, refresh and expiry that would have saved code, and they have another
// policy: a first caller that is cancelled restarts the load, and values whose time is up are gone when an outage needs
// them. golang-lru's expirable cache has a goroutine that can't be stopped. singleflight's flights can't be completed from a
// batch, or thrown away after a change of settings.
package store
