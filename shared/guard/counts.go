package guard

// hour is the refusals of a material in one hour of the ledger's clock.
type hour struct {
	at             int64 // hours since 1970
	refused, wrong int   // wrong are those that no success has cleared
}

const (
	microHour  = 3600_000_000
	hoursOfDay = 24
)

// within reports whether an hour is one of the last day. Hours that lie in the future, since the clock was set back, are as well.
func (h hour) within(now int64) bool {
	at := now / microHour
	return h.at > at-hoursOfDay && h.at < at+hoursOfDay
}

// countRefusal counts a refusal, and drops the hours that are over.
func (r *record) countRefusal(now int64) {
	kept := r.hours[:0]
	found := false
	for _, h := range r.hours {
		if h.at == now/microHour {
			h.refused, h.wrong, found = h.refused+1, h.wrong+1, true
		}
		if h.within(now) {
			kept = append(kept, h)
		}
	}
	if !found {
		kept = append(kept, hour{now / microHour, 1, 1})
	}
	r.hours = kept
}

// clearRefusals notes that the material was accepted: what refused it before had its own trouble.
func (r *record) clearRefusals() {
	for i := range r.hours {
		r.hours[i].wrong = 0
	}
}

// lastDay returns the refusals of the last day, and those of them that no success has cleared.
func (r *record) lastDay(now int64) (refused, wrong int) {
	for _, h := range r.hours {
		if h.within(now) {
			refused, wrong = refused+h.refused, wrong+h.wrong
		}
	}
	return refused, wrong
}
