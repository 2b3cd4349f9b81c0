package guard

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// passwords is a store's source, in which each credential has its id as the password.
type passwords struct{}

func (passwords) Get(_ context.Context, r credential.Request) (*credential.Credential, error) {
	return &credential.Credential{ID: r.ID, Username: "admin", Password: credential.Password(r.ID), VersionID: "1"}, nil
}

// What the store has no room for is read again, and its refusals are still known.
func TestStoreEvictsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		credentials := store.New(passwords{}, store.Options{Size: 1})
		defer credentials.Close()
		g := newGuard(t, credentials, Options{})
		d := &device{password: "another"}
		if err := g.Login(t.Context(), "lab", "sw", d.login); !isRejected(err) {
			t.Fatalf("the wrong password: %v", err)
		}
		for i := range 50 {
			other := &device{password: fmt.Sprint("id ", i)}
			if err := g.Login(t.Context(), other.password, "sw", other.login); err != nil {
				t.Fatal(err)
			}
		}
		if n := credentials.Snapshot(); n.Size != 1 || n.Evictions < 50 {
			t.Fatalf("nothing was evicted: %+v", n)
		}
		if err := g.Login(t.Context(), "lab", "sw", d.login); !isRejected(err) || d.wrong != 1 {
			t.Errorf("the device got the refused password %d times: %v", d.wrong, err)
		}
	})
}

// However many materials there are, one that was refused last is known for as long as its pause, though it was the first.
func TestOldestMaterialIsKept(t *testing.T) {
	s := newSteps(t)
	s.budget = 0
	pause := time.Duration(0)
	for range 5 {
		s.now = s.now.Add(pause)
		s.login(1, 'A', Refused)
		pause = s.begin(s.ask(1, 'A', 0)).After
	}
	if pause < 3*time.Hour {
		t.Fatalf("a pause of %v", pause)
	}
	const materials = 5000
	end := s.now.Add(pause)
	for i := range uint64(materials) {
		q := s.ask(1, 'B', 0)
		binary.BigEndian.PutUint64(q.Current[8:], i)
		binary.BigEndian.PutUint64(q.Permit[8:], i)
		if d := s.begin(q); d.Verdict != Granted {
			t.Fatalf("material %d: %+v", i, d)
		}
		s.answer(q, Refused)
		s.now = s.now.Add((pause-time.Minute)/materials - time.Second)
	}
	if d := s.begin(s.ask(1, 'A', 0)); d.Verdict != Paused || d.After != end.Sub(s.now) {
		t.Errorf("%v before the pause ends: %+v", end.Sub(s.now), d)
	}
}
