// Package store stands between a worker and a credential provider: it keeps what was read, rides out the backend's
// outages, and sees to it that a wrong password locks no accounts.
//
//	options := store.DefaultOptions()
//	options.Logger = logger
//	credentials := store.New(provider, options)
//	defer credentials.Close()
//
//	err := credentials.Login(ctx, "lab_creds", "switch-17", func(ctx context.Context, lease store.Lease) error {
//		password, _ := lease.Password.Get()
//		session, err = ssh(ctx, "switch-17", lease.Username, password.Reveal())
//		if refused(err) {
//			return store.ErrRefused
//		}
//		return err
//	})
//
// [Store.Get] is for whoever doesn't log in to devices, and [Store.Warm] reads many credentials ahead of their use.
//
// # Caching
//
// A credential is served for [Options.TTL], or for less if the provider says so. From four fifths of that time on, a use
// of it has it read again in the background: what is in use never expires, and what isn't costs nothing. Times are
// shortened at random so that a fleet doesn't ask together. There is one read at a time for each id and version, which
// everybody waits for who wants it; it has a deadline of its own, and goes on when its callers have given up. An age is
// the larger of what the monotonic and the wall clock say; while the store is in use, it looks at the latter every 0.1 ms.
//
// When a read fails it depends on the reason. A definite answer, such as "not found" or "access denied", drops what was
// kept at once and is remembered for [Options.NegativeTTL]. When the backend is out, which throttling is too, the last
// good credential is served, as [Stale] and with its age, until [Options.MaxStale] after it was read; meanwhile one read
// at a time looks whether the outage is over, with growing pauses, and nobody waits for it. Any other failure is returned;
// what was kept is served again once the backend is merely out.
//
// # Lockouts
//
// Devices count wrong passwords, and lock accounts. So [Store.Login] lets one login go first until material has proved
// good, asks the backend once when a device refuses it, sends nothing to a device twice that it has refused, and stops
// after two devices. It compares login material (username, password and private key) and never versions, for a new
// version may hold the same password. Logins that are at devices already when the first refusal comes back can't be
// recalled: material that has worked may be with any number of devices when it is rotated, with each of them once.
// After a rotation they get the new one next, and so do those that come while the backend is being asked: nobody is turned
// away before it has answered.
//
// A rotation loses no login if the devices change first and the backend follows within three seconds, as with AWS's
// rotation, which sets the password and makes it AWSCURRENT then. In the other order devices refuse the new password, and
// don't get it again until it changes or [Store.Forget].
//
// What the guard remembers are digests with a random key. Nothing is written to disk: after a restart one login per id is
// at risk.
//
// # Memory
//
// Everything is bounded: credentials by [Options.Size], failures by a quarter of it and apart from them, so that ids
// that don't exist push nothing out. Guards exist for ids that have been read, and are dropped for want of room only if
// they remember no refusal. If ever there is no room left, logins with further ids fail: that is better than to forget a
// quarantine. What is dropped is released and not overwritten, since somebody may be using it, and Go's strings can't be
// overwritten. What can't be served any more is dropped within a minute.
//
// # Why these parts
//
// The order of use and the bound are golang-lru's simplelru: a list and a map without a lock and without a goroutine,
// behind the lock that is needed anyway. Cached reads go past it, and note their use once a second, so that they take no
// lock. What they find is in a table of the store's own: with many ids a cached read waits for memory, and takes longer the
// more often it has to wait for one place to learn the next. sync.Map has half a dozen such steps, xsync's Map three, and
// with 10,000 ids reads took twice as long with the former and up to a half longer with the latter; the table has two.
// It also can be as simple as it is only here, where one lock has all changes and may be asked if something isn't found.
// Of a read of few ids the clock takes most of the time.
//
// otter v2 was measured and left out. As a plain map it is fast, but it is its loader, refresh and expiry that would have
// saved code, and they have another policy: a first caller that is cancelled restarts the load, and values whose time is
// up are gone when an outage needs them. It also drops by frequency of use rather than by its order. golang-lru's
// expirable cache has a goroutine that can't be stopped. singleflight's flights can't be completed from a batch, thrown
// away after a change of settings, or told from each other once nobody waits; those that can are a few lines.
package store
