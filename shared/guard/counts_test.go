package guard

import (
	"testing"
	"time"
)

// counted is what the snapshot has of a material.
func (s *steps) counted(material byte) Record {
	s.Helper()
	records, err := s.ledger.Snapshot(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range records {
		if r.Material == (Digest{'m', material}) {
			return r
		}
	}
	s.Fatalf("no record of material %d in %+v", material, records)
	return Record{}
}

func (s *steps) wantDay(material byte, refused, wrong int) {
	s.Helper()
	if r := s.counted(material); r.RefusedDay != refused || r.WrongDay != wrong {
		s.Errorf("material %d: refused %d, wrong %d; want %d, %d", material, r.RefusedDay, r.WrongDay, refused, wrong)
	}
}

// A refusal is a wrong password until a login with that password succeeds which started after it: then it was the device's own.
func TestRefusalsOfADay(t *testing.T) {
	s := newSteps(t)
	s.login(9, 1, Accepted)
	s.login(1, 1, Accepted)
	early := s.ask(9, 1, 0)
	s.begin(early)
	s.now = s.now.Add(time.Second)
	s.login(1, 1, Refused)
	s.answer(early, Accepted) // it started before: that shows nothing
	s.wantDay(1, 1, 1)
	s.login(9, 1, Accepted)
	s.wantDay(1, 1, 0)
	s.login(2, 1, Unknown) // no refusal
	s.login(9, 1, Accepted)
	s.wantDay(1, 1, 0)
	s.login(3, 1, Refused)
	s.wantDay(1, 2, 1)
	if r := s.counted(1); r.Failed != 1 || r.Budget != 3 || r.ID != (Digest{'i'}) {
		t.Errorf("%+v", r) // one more than 2: refusals were the devices' own
	}
	// The next version works, which clears nothing of this one.
	s.login(4, 2, Accepted)
	s.wantDay(1, 2, 1)
	s.wantDay(2, 0, 0)
	if r := s.counted(2); r.Budget != 0 || r.Idle != time.Second {
		t.Errorf("%+v", r)
	}
	// The hour that runs and the 23 before it count.
	s.now = s.now.Truncate(time.Hour).Add(24*time.Hour - time.Microsecond)
	s.wantDay(1, 2, 1)
	s.now = s.now.Add(time.Microsecond)
	s.wantDay(1, 0, 0)
	if n := len(s.ledger.records[Digest{'m', 1}].hours); n != 1 {
		t.Fatalf("%d hours are kept", n)
	}
	s.now = s.now.Add(time.Hour)
	s.login(5, 1, Refused)
	if n := len(s.ledger.records[Digest{'m', 1}].hours); n != 1 {
		t.Errorf("%d hours are kept", n)
	}
	s.wantDay(1, 1, 1)
}

// What the version before is accepted after clears nothing of the current one; reported twice, an answer counts once.
func TestRefusalBeforeTheVersionBefore(t *testing.T) {
	s := newSteps(t)
	s.login(1, 1, Accepted)
	q := s.ask(1, 2, 1)
	if d := s.begin(q); d.Order != CurrentPrevious {
		t.Fatalf("%+v", d)
	}
	for range 2 {
		_ = s.ledger.End(t.Context(), Report{
			Permit: q.Permit, Device: q.Device, Current: q.Current, Previous: q.Previous, ID: q.ID, Version: q.Version,
			Shown: []Shown{{q.Current, Refused}, {q.Previous, Accepted}}, Limits: q.Limits,
		})
	}
	s.wantDay(2, 1, 1)
	s.wantDay(1, 0, 0)
	if r := s.counted(2); r.ID != q.ID {
		t.Errorf("the credential id isn't known: %+v", r)
	}
}
