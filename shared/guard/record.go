package guard

import (
	"slices"
	"time"
)

// The constants of the rules. ledger.lua of redisledger has the same.
const (
	maxPause   = 4 * time.Hour    // the longest pause of a device
	unsure     = time.Minute      // the first pause of a device that gave no answer
	settle     = 30 * time.Second // how long after a failure the backend may still get other material
	hold       = 30 * time.Second // how long after a failure unknown devices let known ones go first
	excuse     = 10 * time.Second // a login that started that much later, and worked, excuses an answer that never came
	keepUnused = 30 * 24 * time.Hour
	// enoughKnown is how many devices have to accept a material before unknown ones wait for them after a failure: with fewer,
	// there is no login to wait for.
	enoughKnown = 30
	// earlyTries is how many other versions of a closed material may be tried at once.
	earlyTries = 1
)

// record is what is known of one material. All times are microseconds of the ledger's clock.
type record struct {
	failed    int // logins in a row that showed it and failed, since the last success
	refused   int // refusals in a row, since it was accepted itself
	cleared   int // failed logins that a success elsewhere has cleared: the trouble was the device's own
	accepting int // devices whose last answer was yes
	last      int64
	lastOK    int64 // when the latest accepted login with it started
	until     int64 // closed until
	suspect   int64 // since when copies of the backend may be outdated
	used      int64
	learned   int64 // when another ledger knew this, by its own clock
	proven    bool
	budget    int    // of the login that failed last
	hours     []hour // refusals of the last day
	id        Digest // the credential id and the versions under which it has failed
	versions  []Digest
	open      []openPermit
	devices   map[Digest]*deviceState
}

// openPermit is a login under way.
type openPermit struct {
	permit           Permit
	started, expires int64
	device           Digest
	trust            trust
	order            Order
}

// deviceState is a device's word on a material.
type deviceState struct {
	accepted int64 // when it last accepted it
	failures int   // answers in a row that were not acceptance
	until    int64 // it doesn't get it until then
	by       Permit
}

func (d *deviceState) good() bool { return d != nil && d.accepted > 0 && d.failures == 0 }

// device returns a device's word, nil if it has said nothing. r may be nil.
func (r *record) device(d Digest) *deviceState {
	if r == nil {
		return nil
	}
	return r.devices[d]
}

// bound is how many logins may fail in a row: one more once refusals have proved to be the devices' own. other is the other
// version's material, nil if there is none: while it fails too, both together have twice the budget, since both count at the
// account.
func (r *record) bound(budget int, other *record, now int64, pause time.Duration) int {
	bound := budget
	if r.cleared > 0 {
		bound++
	}
	if other.failing(now, pause) {
		return max(1, min(bound, 2*budget-other.failed))
	}
	return bound
}

// failing reports whether the material has failed lately, and not worked since. r may be nil.
func (r *record) failing(now int64, pause time.Duration) bool {
	return r != nil && r.failed > 0 && r.last > now-micro(pause)*2/3
}

// failingUntil is when a failing material will not have failed lately any more; 0 if it isn't failing. r may be nil.
func (r *record) failingUntil(now int64, pause time.Duration) int64 {
	if !r.failing(now, pause) {
		return 0
	}
	return r.last + micro(pause)*2/3
}

// settleClock bounds times that lie in the future, which they do when the ledger's clock was set back. r may be nil.
func (r *record) settleClock(now int64, pause time.Duration) {
	if r == nil {
		return
	}
	r.last, r.lastOK, r.suspect = min(r.last, now), min(r.lastOK, now), min(r.suspect, now)
	r.until = min(r.until, now+micro(pause))
	for i := range r.open {
		if p := &r.open[i]; p.started > now {
			p.started, p.expires = now, now+p.expires-p.started
		}
	}
}

// expire counts permits whose time is over as answers that never came. r may be nil.
func (r *record) expire(other *record, now int64, l Limits) (changed bool) {
	for i := 0; r != nil && i < len(r.open); {
		p := r.open[i]
		if p.expires > now {
			i++
			continue
		}
		r.open = slices.Delete(r.open, i, i+1)
		r.fail(p.started, Unknown, other, now, l)
		r.silent(p, now)
		changed = true
	}
	return changed
}

// silent notes that a device hasn't answered under a permit: it may have been shown the material. A report that comes late counts as well.
func (r *record) silent(p openPermit, now int64) {
	d := r.devices[p.device]
	switch {
	case d == nil:
		if r.devices == nil {
			r.devices = make(map[Digest]*deviceState)
		}
		d = &deviceState{}
		r.devices[p.device] = d
	case d.by == p.permit:
		return
	case d.good():
		r.accepting--
	}
	d.failures++
	d.until = max(d.until, now+micro(doubled(unsure, d.failures-1, maxPause)))
}

// fail counts a login that showed the material and failed. A first closure is short, and the next ones double: a right
// password that two drifted devices or an outage of the AAA server have closed is back soon, and a wrong one isn't shown more
// than three times in ten minutes at the default settings. For the same reason a closure is long where the bound was one more,
// and while the other version's material fails too.
func (r *record) fail(started int64, a Answer, other *record, now int64, l Limits) {
	r.budget = max(l.Budget, 0)
	closure := l.Pause * 4 / 15
	if other.failing(now, l.Pause) || r.cleared > 0 && r.accepting >= enoughKnown {
		closure = l.Pause
	}
	if a == Unknown {
		if started+micro(excuse) < r.lastOK {
			return
		}
		r.last = max(r.last, started)
		closure = min(2*unsure, closure)
	} else {
		r.last = now
	}
	r.failed++
	if over := r.failed - r.bound(l.Budget, other, now, l.Pause); l.Budget > 0 && over >= 0 {
		r.until = max(r.until, now+micro(doubled(closure, over, l.Pause)))
	}
	if l.Budget > 0 && other.failing(now, l.Pause) && other.failed >= l.Budget {
		other.until = max(other.until, other.last+micro(l.Pause))
	}
}

// admit puts a permit into the records of what may be presented, and of the current material in any case.
func admit(cur, prev *record, q *Request, order Order, now int64) {
	p := openPermit{permit: q.Permit, started: now, expires: now + micro(q.Life), device: q.Device, trust: trusted(cur, prev, q.Device), order: order}
	cur.open = append(cur.open, p)
	if order != CurrentOnly {
		prev.open = append(prev.open, p)
	}
}

// answered notes a device's answer to a material, under a credential id. Repeated under the same permit, it counts once.
func (r *record) answered(device, id Digest, s Answer, permit Permit, now int64, pause time.Duration, after int64) {
	d := r.devices[device]
	if d == nil {
		if r.devices == nil {
			r.devices = make(map[Digest]*deviceState)
		}
		d = &deviceState{}
		r.devices[device] = d
	}
	if d.by == permit {
		return
	}
	d.by = permit
	before := d.good()
	switch s {
	case Accepted:
		// Never before what the device has accepted since, whatever the clock says.
		d.accepted, d.failures, d.until = max(now, after+1), 0, 0
		r.proven, r.refused = true, 0
	case Refused:
		d.failures++
		d.until = max(d.until, now+micro(doubled(pause, d.failures-1, maxPause)))
		r.refused++
		r.countRefusal(now)
		if r.id == (Digest{}) {
			r.id = id
		}
	default:
		d.failures++
		d.until = max(d.until, now+micro(doubled(unsure, d.failures-1, maxPause)))
	}
	switch after := d.good(); {
	case after && !before:
		r.accepting++
	case before && !after:
		r.accepting--
	}
}

// finish removes a permit and counts what became of it. own is the device's last answer to this material; 0: the login hasn't
// shown it.
func (r *record) finish(permit Permit, result, own Answer, other *record, now int64, l Limits) (found bool) {
	i := slices.IndexFunc(r.open, func(p openPermit) bool { return p.permit == permit })
	if i < 0 {
		return false
	}
	p := r.open[i]
	r.open = slices.Delete(r.open, i, i+1)
	switch {
	case result == Accepted:
		r.lastOK = max(r.lastOK, p.started)
		if p.started >= r.last {
			r.cleared += r.failed
			r.failed, r.until, r.versions = 0, 0, r.versions[:0]
			if own == Accepted {
				r.clearRefusals()
			}
		}
	case result != 0 && own != 0:
		r.fail(p.started, result, other, now, l)
	}
	return true
}

// failedUnder notes the version under which the material failed.
func (r *record) failedUnder(id, version Digest) {
	if r.id != id {
		r.id, r.versions = id, r.versions[:0]
	}
	if len(r.versions) <= earlyTries && !slices.Contains(r.versions, version) {
		r.versions = append(r.versions, version)
	}
}

// forget drops what is known against the material. What it was accepted by, and permits, stay.
func (r *record) forget() {
	r.failed, r.refused, r.until, r.versions = 0, 0, 0, nil
	r.accepting = 0
	for _, d := range r.devices {
		d.failures, d.until = 0, 0
		if d.good() {
			r.accepting++
		}
	}
}

func (r *record) describe(m Digest, now int64) Record {
	s := Record{Material: m, Failed: r.failed, Refused: r.refused, Proven: r.proven, Accepting: r.accepting, ID: r.id, Idle: -1}
	s.RefusedDay, s.WrongDay = r.lastDay(now)
	if s.Budget = r.budget; s.Budget > 0 && r.cleared > 0 {
		s.Budget++
	}
	if at := max(r.last, r.lastOK); at > 0 {
		s.Idle = time.Duration(max(now-at, 0)) * time.Microsecond
	}
	for _, p := range r.open {
		if p.expires > now {
			s.Permits++
		}
	}
	if r.until > now && r.failed > 0 {
		s.Closed = time.Duration(r.until-now) * time.Microsecond
	}
	for _, d := range r.devices {
		if d.failures > 0 {
			s.Doubtful++
		}
	}
	return s
}

// doubled is a duration that doubles with each step, up to the longest.
func doubled(d time.Duration, steps int, longest time.Duration) time.Duration {
	for ; steps > 0 && d < longest; steps-- {
		d *= 2
	}
	return min(d, longest)
}

func micro(d time.Duration) int64 { return d.Microseconds() }
