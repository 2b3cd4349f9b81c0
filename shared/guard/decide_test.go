package guard

import (
	"testing"
	"time"
)

// steps drives a ledger by hand, at its own time.
type steps struct {
	*testing.T
	ledger  *Memory
	now     time.Time
	permits byte
	budget  int
}

func newSteps(t *testing.T) *steps {
	s := &steps{T: t, now: time.Unix(1e9, 0), budget: 2}
	s.ledger = NewMemoryAt(func() time.Time { return s.now })
	return s
}

// ask is a request for material cur, with the one before it if prev isn't 0.
func (s *steps) ask(device, cur, prev byte) Request {
	s.permits++
	return Request{
		Permit: Permit{s.permits}, Device: Digest{'d', device}, Current: Digest{'m', cur}, ID: Digest{'i'}, Version: Digest{'v', cur},
		Previous: map[bool]Digest{true: {'m', prev}}[prev != 0], PreviousKnown: true,
		Limits: Limits{Budget: s.budget, Pause: defaultPause, Life: defaultLoginTimeout},
	}
}

func (s *steps) begin(q Request) Decision {
	s.Helper()
	d, err := s.ledger.Begin(s.Context(), q)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// answer reports what the device said to the current material.
func (s *steps) answer(q Request, a Answer) {
	_ = s.ledger.End(s.Context(), Report{
		Permit: q.Permit, Device: q.Device, Current: q.Current, Previous: q.Previous, ID: q.ID, Version: q.Version,
		Shown: []Shown{{q.Current, a}}, Limits: q.Limits,
	})
	s.now = s.now.Add(time.Second)
}

// login is a login that gets its permit.
func (s *steps) login(device, cur byte, a Answer) {
	s.Helper()
	q := s.ask(device, cur, 0)
	if d := s.begin(q); d.Verdict != Granted {
		s.Fatalf("device %d: %+v", device, d)
	}
	s.answer(q, a)
}

// A login that has shown the version before, and comes back with the current one, counts with it: both are closed for long.
func TestBothVersionsCountTogether(t *testing.T) {
	s := newSteps(t)
	s.login(1, 'A', Refused)
	s.login(2, 'A', Refused)
	for device := byte(1); device <= 2; device++ {
		q := s.ask(device, 'B', 'A')
		q.PreviousShown = true
		if d := s.begin(q); d.Verdict != Granted || d.Order != CurrentOnly {
			t.Fatalf("%+v", d)
		}
		s.answer(q, Refused)
	}
	for _, prev := range []byte{'A', 0} {
		if d := s.begin(s.ask(3, 'B', prev)); d.Verdict != Closed || d.After < defaultPause-time.Minute {
			t.Errorf("after four wrong passwords: %+v", d)
		}
	}
}

// What is under way with either version counts as well: never more than twice the budget.
func TestLoginsUnderWayCountForBothVersions(t *testing.T) {
	s := newSteps(t)
	for device := range byte(8) {
		s.login(device, 'A', Accepted)
	}
	for _, answer := range []Answer{Refused, Accepted, Refused} { // a success clears a failure, and the bound is one more
		s.login(1, 'A', answer)
		s.now = s.now.Add(defaultPause)
	}
	s.now = s.now.Add(-defaultPause)
	shown := 1
	for device := byte(2); device < 8; device++ {
		d := s.begin(s.ask(device, 'B', 'A'))
		if _, n := d.Order.materials(Digest{}, Digest{}); d.Verdict == Granted {
			shown += n
		}
	}
	if shown > 4 {
		t.Errorf("%d passwords shown or under way, with a budget of 2", shown)
	}
}

// A device that is known to accept the current version is none that may be tried without a look at the version before: both together
// have twice the budget.
func TestTheVersionBeforeCountsAtGoodDevices(t *testing.T) {
	s := newSteps(t)
	for device := range byte(8) {
		s.login(device, 'A', Accepted)
	}
	for device := range byte(4) {
		s.login(device, 'B', Accepted)
	}
	for _, answer := range []Answer{Refused, Accepted} { // a success clears a failure, and the bound is one more
		s.login(0, 'B', answer)
		s.now = s.now.Add(defaultPause)
	}
	wrong := 0
	for _, device := range []byte{1, 5, 6, 2} { // the account has a third password
		q := s.ask(device, 'B', 'A')
		if device < 4 {
			q.Previous, q.PreviousKnown = Digest{}, false
		}
		d := s.begin(q)
		if d.Verdict == NeedPrevious {
			q = s.ask(device, 'B', 'A')
			d = s.begin(q)
		}
		if d.Verdict != Granted {
			continue
		}
		first, n := d.Order.materials(q.Current, q.Previous)
		wrong += n
		shown := []Shown{{first[0], Refused}, {first[1], Refused}}[:n]
		_ = s.ledger.End(t.Context(), Report{Permit: q.Permit, Device: q.Device, Current: q.Current, Previous: q.Previous, ID: q.ID, Version: q.Version, Shown: shown, Limits: q.Limits})
		s.now = s.now.Add(time.Second)
	}
	if wrong > 4 {
		t.Errorf("%d wrong passwords in a row, with a budget of 2", wrong)
	}
}

// Where many devices accept a material, those that don't yet can't use up the budget between them.
func TestExceptionsLeaveTheLastTryToOthers(t *testing.T) {
	s := newSteps(t)
	for device := range byte(enoughKnown) {
		s.login(device, 'A', Accepted)
	}
	drifted := s.ask(100, 'A', 0)
	if d := s.begin(drifted); d.Verdict != Granted {
		t.Fatalf("%+v", d)
	}
	if d := s.begin(s.ask(101, 'A', 0)); d.Verdict != Behind {
		t.Errorf("a second one at a time: %+v", d)
	}
	if d := s.begin(s.ask(1, 'A', 0)); d.Verdict != Granted {
		t.Errorf("a device known to accept it: %+v", d)
	}
}

// A device has one login under way at a time, without a budget as well: accounts on devices are locked too.
func TestLoginsUnderWayAtOneDevice(t *testing.T) {
	s := newSteps(t)
	s.budget = 0
	first := s.ask(1, 'A', 0)
	if d := s.begin(first); d.Verdict != Granted {
		t.Fatalf("%+v", d)
	}
	if d := s.begin(s.ask(1, 'A', 0)); d.Verdict != Held || d.After != defaultLoginTimeout {
		t.Errorf("a second login at a device that isn't known: %+v", d)
	}
	if d := s.begin(s.ask(2, 'A', 0)); d.Verdict != Granted {
		t.Errorf("another device: %+v", d)
	}
	s.answer(first, Accepted)
	for i, want := range []Verdict{Granted, Held} {
		if d := s.begin(s.ask(1, 'A', 0)); d.Verdict != want {
			t.Errorf("login %d at a device that is known: %+v", i, d)
		}
	}
}

// A worker that dies with a permit: when its time is over it counts as an answer that never came, and the permit is free.
func TestPermitOfADeadWorkerCounts(t *testing.T) {
	s := newSteps(t)
	for range 2 {
		if d := s.begin(s.ask(s.permits, 'A', 0)); d.Verdict != Granted {
			t.Fatalf("%+v", d)
		}
		s.now = s.now.Add(defaultLoginTimeout)
	}
	q := s.ask(0, 'A', 0)
	if d := s.begin(q); d.Verdict != Paused || d.After <= 0 || d.After > unsure {
		t.Errorf("the device that was shown it by a worker that died: %+v", d)
	}
	d := s.begin(s.ask(9, 'A', 0))
	if records, _ := s.ledger.Snapshot(t.Context()); records[0].Failed != 2 || records[0].Permits != 0 || d.Verdict != Closed {
		t.Errorf("%+v, %+v", d, records)
	}
}

// A device that refuses again is paused for twice as long, up to four hours, and then asked again: it is never given up.
func TestPausesDouble(t *testing.T) {
	s := newSteps(t)
	s.budget = 0
	for _, want := range []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 4 * time.Hour} {
		s.login(1, 'A', Refused)
		if d := s.begin(s.ask(1, 'A', 0)); d.Verdict != Paused || d.After != want-time.Second {
			t.Errorf("%+v, want a pause of %v", d, want)
		}
		s.now = s.now.Add(want - time.Second)
	}
	s.login(1, 'A', Accepted)
	if d := s.begin(s.ask(1, 'A', 0)); d.Verdict != Granted {
		t.Errorf("after it has accepted: %+v", d)
	}
}

// A success clears what drifted devices have done, and the next failure is the first again.
func TestSuccessClearsFailures(t *testing.T) {
	s := newSteps(t)
	for device := byte(2); device < 40; device += 2 {
		s.login(device, 'A', Refused)
		s.login(1, 'A', Accepted)
	}
	if records, _ := s.ledger.Snapshot(t.Context()); records[0].Failed != 0 || records[0].Closed != 0 {
		t.Errorf("%+v", records)
	}
}

// In a staged rotation a device that isn't moved yet gets the version before: after the current one, before it, or in place of it, as the
// current one is untried there, paused, or closed. One that has moved doesn't.
func TestVersionBefore(t *testing.T) {
	for name, test := range map[string]struct {
		before func(s *steps)
		want   Order
	}{
		"untried": {func(*steps) {}, CurrentPrevious},
		"refused twice": {func(s *steps) {
			s.login(8, 'B', Refused)
			s.login(9, 'B', Refused)
			s.now = s.now.Add(defaultPause)
		}, PreviousCurrent},
		"paused here": {func(s *steps) { s.login(1, 'B', Refused) }, PreviousCurrent},
		"closed":      {func(s *steps) { s.login(8, 'B', Refused); s.login(9, 'B', Refused) }, PreviousOnly},
		"moved":       {func(s *steps) { s.login(1, 'B', Accepted) }, CurrentOnly},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSteps(t)
			s.login(1, 'A', Accepted)
			test.before(s)
			if d := s.begin(s.ask(1, 'B', 'A')); d.Verdict != Granted || d.Order != test.want {
				t.Errorf("%+v, want order %d", d, test.want)
			}
		})
	}
}
