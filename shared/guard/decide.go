package guard

import (
	"slices"
	"time"
)

// trust is what is known of a device when it gets a permit.
type trust uint8

const (
	stranger    trust = iota
	knownBefore       // it is known to accept the version before
	known             // it is known to accept the current material
)

// closed reports whether the material may not be presented, but for one try of another version of it.
func (r *record) closed(prev *record, q *Request, now int64) bool {
	if q.Budget <= 0 || r.failed < r.bound(q.Budget, prev, now, q.Pause) || now >= r.until {
		return false
	}
	renewed := q.ID == r.id && len(r.versions) > 0 && len(r.versions) <= earlyTries && !slices.Contains(r.versions, q.Version)
	return !renewed
}

// held returns when a permit runs out, if none of bound is free.
func (r *record) held(bound int) (earliest int64, held bool) {
	if len(r.open) < max(1, bound-r.failed) {
		return 0, false
	}
	return r.earliest(), true
}

func (r *record) earliest() int64 {
	earliest := r.open[0].expires
	for _, p := range r.open {
		earliest = min(earliest, p.expires)
	}
	return earliest
}

// trusted says what is known of a device. prev may be nil.
func trusted(cur, prev *record, device Digest) trust {
	switch {
	case cur.device(device).good():
		return known
	case prev.device(device).good():
		return knownBefore
	}
	return stranger
}

// busy returns when the login under way at a device runs out, if there is one: what it shows may be refused, and a device may count for itself.
func (r *record) busy(device Digest) (expires int64, busy bool) {
	for _, p := range r.open {
		if p.device == device {
			return p.expires, true
		}
	}
	return 0, false
}

// exposed is how many failed logins the account has seen lately, or will have if all that is under way fails, this one too: of
// both versions, since both count there. other may be nil.
func (r *record) exposed(other *record, order Order, now int64, pause time.Duration) int {
	_, n := order.materials(Digest{}, Digest{})
	for _, x := range []*record{r, other} {
		if x.failing(now, pause) {
			n += x.failed
		}
		if x != nil {
			n += len(x.open)
		}
	}
	return n
}

// exceptions is how many logins are under way at devices that aren't known to accept the material.
func (r *record) exceptions() (n int) {
	for _, p := range r.open {
		if p.trust != known {
			n++
		}
	}
	return n
}

// usable reports whether the previous material may follow or replace the current one: the device's last word on it was yes,
// and later than its yes to the current one.
func usable(cur, prev *record, q *Request) bool {
	if prev == nil || q.PreviousShown || q.Previous == q.Current || q.Budget > 0 && prev.failed >= q.Budget {
		return false
	}
	p, c := prev.device(q.Device), cur.device(q.Device)
	return p.good() && (c == nil || p.accepted > c.accepted)
}

// decide answers a request and changes nothing. Expired permits have been removed. prev may be nil.
func decide(cur, prev *record, q *Request, now int64) Decision {
	d := Decision{Failing: cur.failed > 0, Proven: cur.proven}
	answer := func(v Verdict, at int64) Decision {
		d.Verdict, d.Order, d.After = v, CurrentOnly, time.Duration(max(at-now, 0))*time.Microsecond
		return d
	}
	if min(max(cur.last, cur.suspect), now) > now-micro(q.Age) {
		return answer(ReadAgain, now)
	}
	device := cur.device(q.Device)
	if !q.PreviousKnown && (!device.good() || q.Budget > 0 && cur.failed > 0) { // failures of both versions count together
		return answer(NeedPrevious, now)
	}
	paused := device != nil && now < device.until && device.until <= now+micro(maxPause) // else the clock was set back
	closed := cur.closed(prev, q, now)
	switch u := usable(cur, prev, q); {
	case u && (closed || q.CurrentShown):
		d.Order = PreviousOnly
	case u && (paused || q.Budget > 0 && cur.refused >= q.Budget):
		d.Order = PreviousCurrent
	case u:
		d.Order = CurrentPrevious
	case paused || q.CurrentShown:
		return answer(Paused, device.pausedUntil())
	case closed && cur.proven && now < cur.last+micro(settle):
		return answer(Settling, cur.last+micro(settle))
	case closed:
		return answer(Closed, cur.until)
	}
	t := trusted(cur, prev, q.Device)
	if expires, busy := cur.busy(q.Device); busy {
		return answer(Held, expires)
	}
	if q.Budget <= 0 {
		return d
	}
	// Both versions together: twice the budget. Where a login may show only one of them, it shows the first.
	if cur.exposed(prev, d.Order, now, q.Pause) > 2*q.Budget {
		switch {
		case len(cur.open) > 0:
			return answer(Held, cur.earliest())
		case prev != nil && len(prev.open) > 0:
			return answer(Held, prev.earliest())
		case d.Order == CurrentPrevious:
			d.Order = CurrentOnly
		case d.Order == PreviousCurrent:
			d.Order = PreviousOnly
		}
		if cur.exposed(prev, d.Order, now, q.Pause) > 2*q.Budget {
			return answer(Closed, max(cur.until, cur.failingUntil(now, q.Pause), prev.failingUntil(now, q.Pause)))
		}
	}
	list, n := d.Order.materials(q.Current, q.Previous)
	for _, x := range list[:n] {
		r, bound := cur, cur.bound(q.Budget, prev, now, q.Pause)
		if x != q.Current {
			r, bound = prev, prev.bound(q.Budget, nil, now, q.Pause)
		}
		if earliest, held := r.held(bound); held {
			return answer(Held, earliest)
		}
	}
	// Where many devices accept the material, one that hasn't yet is an exception. It lets the others go first after a failure,
	// and exceptions alone don't use up the budget: the last failure before a closure is that of a device known to accept it.
	exception := t != known && cur.accepting >= enoughKnown
	if exception && cur.failed > 0 && now < cur.last+micro(hold) {
		return answer(Behind, cur.last+micro(hold))
	}
	if exception && list[0] == q.Current && len(cur.open) > 0 && cur.failed+cur.exceptions() >= cur.bound(q.Budget, prev, now, q.Pause)-1 {
		return answer(Behind, cur.earliest())
	}
	if t == stranger {
		for _, p := range cur.open {
			if p.trust == stranger {
				return answer(Behind, cur.earliest())
			}
		}
	}
	return d
}

func (d *deviceState) pausedUntil() int64 {
	if d == nil {
		return 0
	}
	return d.until
}
