package store

import (
	"slices"
	"time"
)

// The rules of the guard.
const (
	// quarantineAfter is how many devices have to refuse material, with no success in between, for logins to stop.
	quarantineAfter = 2
	// probeEvery is how often one login is tried in a quarantine.
	probeEvery = 15 * time.Minute
	// maxRefusals is how many refusing devices are remembered for one material. With more of them logins stop for good,
	// since a device that isn't remembered might get the same password again.
	maxRefusals = 256
	// maxRecords is how many materials are remembered for one id: a backend may give an older one again.
	maxRecords = 8
)

// guard is what the store knows of logins with one id. The store's lock guards it.
type guard struct {
	id string
	// users are the logins under way; canary says that one of them is the one that may try unproven material, and
	// active are the devices they are at.
	users  int
	canary bool
	active map[device]bool
	// news is closed when something that a waiting login waits for may have happened.
	news chan struct{}

	// current is the id's material as of the last answer that came from the first place; known says whether there was
	// one.
	current material
	known   bool
	records []*record
	ask     ask
	nudged  instant
}

// record is what devices have said of one material.
type record struct {
	material material
	// worked says that it has worked, and that no device has refused it since.
	worked bool
	// streak is how many devices have refused it since it worked last.
	streak int
	// refusedBy are all devices that have refused it, sorted. They never get it again.
	refusedBy []device
	// probed is when it was last tried in quarantine, or when the quarantine began.
	probed instant
	// open is how many logins that were refused with it have the backend asked whether it has changed.
	open int
	// doubted is when the first of them was refused.
	doubted instant
	// firm says that the backend was asked during the quarantine, and had no other material.
	firm bool
}

func newGuard(id string) *guard {
	return &guard{id: id, active: make(map[device]bool), news: make(chan struct{})}
}

// of returns the record of a material, nil if there is none.
func (g *guard) of(m material) *record {
	for _, r := range g.records {
		if r.material.same(m) {
			return r
		}
	}
	return nil
}

// record returns the record of a material, a new one if need be.
func (g *guard) record(m material) *record {
	if r := g.of(m); r != nil {
		return r
	}
	if len(g.records) == maxRecords {
		oldest := slices.IndexFunc(g.records, func(r *record) bool { return !r.material.same(g.current) })
		g.records = slices.Delete(g.records, oldest, oldest+1)
	}
	r := &record{material: m}
	g.records = append(g.records, r)
	return r
}

// learn notes which material the backend gives at present. A copy that lags behind doesn't tell.
func (g *guard) learn(m material, replica bool) {
	if g.known && (replica || g.current.same(m)) {
		return
	}
	for _, r := range g.records {
		r.worked = r.worked && r.material.same(m) // an older one that comes back has to prove itself again
	}
	g.current, g.known = m, true
	g.broadcast()
}

// broadcast wakes the logins that wait.
func (g *guard) broadcast() {
	close(g.news)
	g.news = make(chan struct{})
}

// suspects says whether a material has been refused and hasn't worked since.
func (g *guard) suspects(m material) bool {
	r := g.of(m)
	return r != nil && r.streak > 0
}

// proven says whether the current material works, so that any number of logins may use it.
func (g *guard) proven() bool {
	r := g.of(g.current)
	return r != nil && r.worked
}

// quarantine returns the current material's record if logins with it have stopped, else nil.
func (g *guard) quarantine() *record {
	if r := g.of(g.current); g.known && r != nil && r.quarantined() && !r.undecided() {
		return r
	}
	return nil
}

// undecided says whether the backend is being asked if it has other material than the current one, which devices refuse.
func (g *guard) undecided() bool {
	r := g.of(g.current)
	return g.known && r != nil && r.undecided()
}

// spotless says that nothing would be lost with the guard but that a material has worked.
func (g *guard) spotless() bool {
	r := g.of(g.current)
	return r == nil || len(r.refusedBy) == 0
}

func (r *record) quarantined() bool {
	return r.streak >= quarantineAfter || len(r.refusedBy) >= maxRefusals
}

// undecided says whether it isn't known yet if devices refuse the material because there is a new one. A rotation under load
// looks like that: several devices refuse the old password before the backend has answered the question that the first
// refusal raised. Nobody is sent out with it meanwhile, and nobody is turned away either.
func (r *record) undecided() bool { return r.quarantined() && r.open > 0 && !r.firm }

func (r *record) wasRefusedBy(d device) bool {
	_, found := slices.BinarySearch(r.refusedBy, d)
	return found
}

// mayProbe says whether a quarantine allows one login at a device.
func (r *record) mayProbe(d device, now instant) bool {
	return now.since(r.probed) >= probeEvery && len(r.refusedBy) < maxRefusals && !r.wasRefusedBy(d)
}

// refused notes that a device has refused the material.
func (r *record) refused(d device, now instant) {
	if at, found := slices.BinarySearch(r.refusedBy, d); !found {
		r.refusedBy = slices.Insert(r.refusedBy, at, d)
	}
	r.worked = false
	r.streak++
	r.probed = now
}
