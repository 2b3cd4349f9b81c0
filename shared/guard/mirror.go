package guard

// State is what another ledger knew of a material, and of one device's word on it, by its own clock. Times are
// microseconds of that clock.
type State struct {
	Material                                            Digest
	Failed, Refused, Cleared, Accepting                 int
	LastFailed, LastAccepted, ClosedUntil, Suspect, Now int64
	Proven                                              bool
	ID                                                  Digest
	Versions                                            []Digest
	// Device is zero if the state is of no device.
	Device         Digest
	Accepted       int64
	DeviceFailures int
	PausedUntil    int64
}

// Learn takes over what another ledger knew, so that this one can answer in its place: Look while it can be reached, and the
// rest while it can't. Permits of the other ledger aren't known here. No login is woken: see Announce.
func (m *Memory) Learn(s State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	here := func(at int64) int64 { // the same moment by this clock
		if at == 0 {
			return 0
		}
		return at - s.Now + now
	}
	r := m.record(s.Material, now)
	if s.Now < r.learned && r.learned-s.Now < micro(maxPause) { // it was overtaken, unless the other clock was set back
		return
	}
	r.learned = s.Now
	r.failed, r.refused, r.cleared, r.accepting, r.proven = s.Failed, s.Refused, s.Cleared, s.Accepting, s.Proven
	r.last, r.lastOK, r.until, r.suspect = here(s.LastFailed), here(s.LastAccepted), here(s.ClosedUntil), here(s.Suspect)
	r.id, r.versions = s.ID, s.Versions
	if s.Device != (Digest{}) && (s.Accepted > 0 || s.DeviceFailures > 0) {
		if r.devices == nil {
			r.devices = make(map[Digest]*deviceState)
		}
		d := r.devices[s.Device]
		if d == nil {
			d = &deviceState{}
			r.devices[s.Device] = d
		}
		d.accepted, d.failures, d.until = here(s.Accepted), s.DeviceFailures, here(s.PausedUntil)
	}
}

// Suspect notes that the backend has other material than this one, which copies may not show yet.
func (m *Memory) Suspect(x Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record(x, m.now()).suspect = m.now()
	m.announce(x)
}

// Announce wakes those who watch some materials, or any if none are named: changes may have been missed.
func (m *Memory) Announce(materials ...Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range materials {
		m.announce(x)
	}
	if len(materials) == 0 {
		for x := range m.watchers {
			m.announce(x)
		}
	}
}
