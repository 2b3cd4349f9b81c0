package benchmark

import (
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/store"
	"github.com/tom-worker/credential-provider/shared/store/benchmark/internal/turns"
)

// BenchmarkUncachedGet is the way from the host to the backend: store, host, provider process and its SDK call; against
// the SDK call made here and a call to the empty plugin (ratio), or the SDK call made in the empty plugin
// (in-plugin-ratio), which says how much of it is ours.
//
// Ten in a row find in the processor's caches what the same side has left there, as on a machine that reads many. One at a
// time finds what its neighbours have left: that is a read after a while. The provider's code is all new to the caches then,
// but half of the peer's is what its neighbours use too.
func BenchmarkUncachedGet(b *testing.B) {
	url, id := distantBackend(b)
	p := launch(b, url)
	defer func() { must(b, p.Close()) }()
	s := store.New(p, store.Options{TTL: -1})
	defer s.Close()
	client := sdk(b)
	process, conn := launchEmpty(b)
	defer process.Kill()
	another, toAnother := launchEmpty(b) // a second one: it would keep the first one in the caches for the peer
	defer another.Kill()

	get := func() {
		_, err := s.Get(b.Context(), id)
		must(b, err)
	}
	peer := func() {
		read(b, client, id)
		call(b, conn, "Call")
	}
	inside := func() { call(b, toAnother, "Read") }
	for range 200 { // connections, and what runtimes learn
		get()
		peer()
		inside()
	}
	for _, turn := range []struct {
		name  string
		calls int
	}{{"ten-in-a-row", 10}, {"one-at-a-time", 1}} {
		b.Run(turn.name, func(b *testing.B) {
			times := turns.Take(b, turns.Timed(repeated(turn.calls, get)), turns.Timed(repeated(turn.calls, peer)), turns.Timed(repeated(turn.calls, inside)))
			turns.Ratio(b, times[0], times[1], 1.1)
			b.ReportMetric(float64(times[0])/float64(times[2]), "in-plugin-ratio")
		})
	}
}

// BenchmarkStart is the time from exec to the first credential, against the empty plugin's and one SDK call: made here
// (ratio), or in the plugin (in-plugin-ratio), which has to load the SDK's pages first, as our provider has.
func BenchmarkStart(b *testing.B) {
	url, id := distantBackend(b)
	ours := func() time.Duration {
		start := time.Now()
		p := launch(b, url)
		s := store.New(p, store.Options{})
		_, err := s.Get(b.Context(), id)
		took := time.Since(start)
		must(b, err)
		s.Close()
		must(b, p.Close())
		return took
	}
	peer := func(first func(method func(string))) turns.Side {
		return func() time.Duration {
			start := time.Now()
			process, conn := launchEmpty(b)
			first(func(method string) { call(b, conn, method) })
			took := time.Since(start)
			process.Kill()
			return took
		}
	}
	here := peer(func(func(string)) { read(b, sdk(b), id) })
	inside := peer(func(method func(string)) { method("Read") })
	ours() // builds, and has the files read from disk once
	here()
	times := turns.Take(b, ours, here, inside)
	turns.Ratio(b, times[0], times[1], 0.8)
	b.ReportMetric(float64(times[0])/float64(times[2]), "in-plugin-ratio")
	b.ReportMetric(times[0].Seconds()*1000, "ms")
}
