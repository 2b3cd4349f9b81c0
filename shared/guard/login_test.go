package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func isRejected(err error) bool {
	e, ok := errors.AsType[*credential.Error](err)
	return ok && e.Reason == credential.CredentialRejected
}

func TestLoginPresentsAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{})
		d := &device{password: "A", takes: time.Second}
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Fatal(err)
		}
		if c := g.Counters(); c.Logins != 1 || c.Permits != 0 || c.Waiting != 0 {
			t.Errorf("counters %+v", c)
		}
	})
}

// Many logins with a wrong password: no more than the budget are shown it.
func TestWrongPasswordUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{})
		d := &device{password: "A", takes: time.Second}
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Fatal(err)
		}
		d.password = "B"
		var wait sync.WaitGroup
		for i := range 30 {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				if err := g.Login(ctx, "lab", fmt.Sprint("sw", i), d.login); !isRejected(err) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if d.wrong != 2 {
			t.Errorf("%d wrong passwords", d.wrong)
		}
		// With other material they work again.
		b.put("lab", "B")
		time.Sleep(11 * time.Second)
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Error(err)
		}
	})
}

func TestRotationIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{})
		d := &device{password: "A", takes: time.Second}
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Fatal(err)
		}
		d.password = "B"
		time.AfterFunc(20*time.Second, func() { b.put("lab", "B") })
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Error(err)
		}
		if d.wrong != 1 {
			t.Errorf("%d wrong passwords", d.wrong)
		}
	})
}

func TestPreviousVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{PreviousVersionLabel: "AWSPREVIOUS"})
		var devices [6]device
		for i := range devices {
			devices[i] = device{password: "A", takes: time.Second}
			if err := g.Login(t.Context(), "lab", fmt.Sprint("sw", i), devices[i].login); err != nil {
				t.Fatal(err)
			}
		}
		b.put("lab", "B")
		devices[0].password = "B"
		time.Sleep(6 * time.Minute)
		for range 2 {
			for i := range devices {
				if err := g.Login(t.Context(), "lab", fmt.Sprint("sw", i), devices[i].login); err != nil {
					t.Error(i, err)
				}
			}
		}
		for i := range devices {
			if devices[i].wrong > 1 {
				t.Errorf("device %d was shown %v", i, devices[i].shown)
			}
		}
	})
}

func TestNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		b.put("same", "A")
		b.put("other", "C")
		g := newGuard(t, b, Options{})
		outer := &device{password: "A"}
		other := &device{password: "C"}
		err := g.Login(t.Context(), "lab", "jump", func(ctx context.Context, a *Attempt) error {
			if err := g.Login(ctx, "other", "sw2", other.login); err != nil {
				t.Error(err)
			}
			if err := outer.login(ctx, a); err != nil {
				t.Error(err)
			}
			return g.Login(ctx, "same", "sw1", outer.login)
		})
		if !errors.Is(err, ErrNested) {
			t.Error(err)
		}
	})
}
