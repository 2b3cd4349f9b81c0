package guard

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fleet is workers that share a ledger and a backend.
func fleet(t *testing.T, n int, b *backend, o Options) []*Guard {
	t.Helper()
	o.Ledger, o.Key = NewMemory(), []byte("a key of thirty-two bytes for it")
	var guards []*Guard
	for range n {
		guards = append(guards, newGuard(t, b, o))
	}
	return guards
}

// account is devices behind one AAA server, which counts wrong passwords in a row.
func account(password string, n int) (*device, []string) {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("sw", i)
	}
	return &device{password: password, takes: time.Second}, names
}

// loginAll logs in to all devices at once, with workers and ids in turn, and returns how many logins succeed.
func loginAll(t *testing.T, guards []*Guard, ids, devices []string, d *device) (done int) {
	t.Helper()
	var wait sync.WaitGroup
	var mu sync.Mutex
	for i, name := range devices {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			err := guards[i%len(guards)].Login(ctx, ids[i%len(ids)], name, d.login)
			if err != nil && !isRejected(err) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			}
		})
	}
	wait.Wait()
	return done
}

// The first situations of the issue: a password that has worked becomes wrong, and at most the budget is shown it.
func TestWrongPasswordIsShownWithinTheBudget(t *testing.T) {
	for _, test := range []struct {
		name                string
		workers, ids, tries int
		budget              int
	}{
		{"one worker, 30 logins at a time", 1, 1, 30, 0},
		{"six workers, one account", 6, 1, 60, 0},
		{"ten ids with one login", 1, 10, 30, 0},
		{"ten ids, six workers", 6, 10, 60, 0},
		{"budget 1", 6, 1, 30, 1},
		{"budget 4", 6, 1, 30, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				var ids []string
				for i := range test.ids {
					ids = append(ids, fmt.Sprint("lab", i))
					b.put(ids[i], "A")
				}
				guards := fleet(t, test.workers, b, Options{Budgets: []Budget{{"*", test.budget}}})
				d, names := account("A", test.tries)
				if done := loginAll(t, guards, ids, names, d); done != test.tries || d.wrong != 0 {
					t.Fatalf("%d of %d done while the password is right, %d wrong", done, test.tries, d.wrong)
				}
				d.password = "B"
				if done := loginAll(t, guards, ids, names, d); done != 0 {
					t.Errorf("%d done", done)
				}
				budget := test.budget
				if budget == 0 {
					budget = 2
				}
				if d.wrong > budget || d.wrong == 0 {
					t.Errorf("%d wrong passwords, budget %d", d.wrong, budget)
				}
				// No repeats before the closure is over, and one then.
				time.Sleep(2 * time.Minute)
				wrong := d.wrong
				loginAll(t, guards, ids, names, d)
				if d.wrong != wrong {
					t.Errorf("%d more while the material is closed", d.wrong-wrong)
				}
			})
		})
	}
}

// After an outage of the AAA server the right password is accepted again, at the device that refused it too.
func TestDeviceWorksAfterThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		guards := fleet(t, 1, b, Options{})
		d, names := account("A", 3)
		loginAll(t, guards, []string{"lab"}, names, d)
		d.password = "the AAA server is down"
		loginAll(t, guards, []string{"lab"}, names, d)
		d.password = "A"
		time.Sleep(defaultPause + time.Second)
		d.shown = nil
		for _, name := range names {
			if err := guards[0].Login(t.Context(), "lab", name, d.login); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Staged rotation: the secret first, one of six devices updated. All 12 jobs are done, with one refusal a device at most.
func TestStagedRotation(t *testing.T) {
	for order, jobs := range map[string]int{"secret first": 12, "devices first": 6} { // devices first: the second job at a device is turned away
		t.Run(order, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend()
				b.put("lab", "A")
				guards := fleet(t, 2, b, Options{PreviousVersionLabel: "AWSPREVIOUS"})
				var devices [6]*device
				for i := range devices {
					devices[i] = &device{password: "A", takes: time.Second}
					if err := guards[0].Login(t.Context(), "lab", fmt.Sprint("sw", i), devices[i].login); err != nil {
						t.Fatal(err)
					}
				}
				devices[0].password = "B"
				if order == "secret first" {
					b.put("lab", "B")
				} else {
					time.AfterFunc(20*time.Second, func() { b.put("lab", "B") })
				}
				time.Sleep(time.Second)
				var wait sync.WaitGroup
				for i := range jobs {
					wait.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
						defer cancel()
						if err := guards[i%2].Login(ctx, "lab", fmt.Sprint("sw", i%6), devices[i%6].login); err != nil {
							t.Errorf("job %d: %v", i, err)
						}
					})
				}
				wait.Wait()
				for i, d := range devices {
					if d.wrong > 1 {
						t.Errorf("device %d refused %d times: %v", i, d.wrong, d.shown)
					}
				}
			})
		})
	}
}

// A policy that lets only the current version be read: there is no previous one, and no error.
func TestPreviousVersionMayNotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.denied = true
		b.put("lab", "A")
		b.put("lab", "B")
		g := newGuard(t, b, Options{PreviousVersionLabel: "AWSPREVIOUS"})
		d := &device{password: "B"}
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Error(err)
		}
	})
}

// A provider that was replaced may have another label for the version before, which counts from then on.
func TestPreviousVersionLabelIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{})
		d := &device{password: "A"}
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Fatal(err)
		}
		g.SetPreviousVersionLabel("AWSPREVIOUS")
		b.put("lab", "B") // and the device isn't told
		time.Sleep(10 * time.Minute)
		if err := g.Login(t.Context(), "lab", "sw1", d.login); err != nil {
			t.Errorf("with a label: %v", err)
		}
	})
}

// A permit of a login that hangs runs out, and the next login gets on.
func TestLoginThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{Budgets: []Budget{{"*", 1}}})
		silent, good := &device{silent: true}, &device{password: "A"}
		if err := g.Login(t.Context(), "lab", "sw1", good.login); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := g.Login(t.Context(), "lab", "sw2", silent.login); err == nil {
			t.Error("a device that doesn't answer accepts")
		}
		if took := time.Since(start); took < defaultLoginTimeout || took > defaultLoginTimeout+time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Logins wait in order of arrival, none is held by another material, and a wait ends with its context.
func TestWaitsAreFairAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		b.put("other", "C")
		g := newGuard(t, b, Options{Budgets: []Budget{{"*", 1}}})
		var mu sync.Mutex
		var order []int
		d := &device{password: "A", takes: 2 * time.Second}
		for i := range 8 { // known to the ledger
			if err := g.Login(t.Context(), "lab", fmt.Sprint("sw", i), d.login); err != nil {
				t.Fatal(err)
			}
		}
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				err := g.Login(t.Context(), "lab", fmt.Sprint("sw", i), func(ctx context.Context, a *Attempt) error {
					if _, err := a.Present(ctx); err != nil {
						return err
					}
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					time.Sleep(2 * time.Second)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		start := time.Now()
		other := &device{password: "C"}
		if err := g.Login(t.Context(), "other", "sw0", other.login); err != nil || time.Since(start) > time.Second {
			t.Errorf("a login with other material took %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Login(ctx, "lab", "sw9", d.login); err == nil || time.Since(start) > 2*time.Second {
			t.Errorf("a login whose time is over took %v: %v", time.Since(start), err)
		}
		wait.Wait()
		for i, n := range order {
			if n != i {
				t.Errorf("order of permits: %v", order)
				break
			}
		}
	})
}

// A closed material is not shown, and no login with it connects.
func TestClosedMaterialDoesNotConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		g := newGuard(t, b, Options{})
		d, names := account("B", 5)
		loginAll(t, []*Guard{g}, []string{"lab"}, names, d)
		connected := 0
		err := g.Login(t.Context(), "lab", "sw9", func(context.Context, *Attempt) error { connected++; return nil })
		if !isRejected(err) || connected != 0 {
			t.Errorf("%d connections, %v", connected, err)
		}
		if err := g.Forget(t.Context(), "lab"); err != nil {
			t.Fatal(err)
		}
		d.password = "A"
		if err := g.Login(t.Context(), "lab", "sw0", d.login); err != nil {
			t.Errorf("after Forget: %v", err)
		}
	})
}

// G5: other material that one worker has read reaches the others at once.
func TestNewsReachOtherWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		guards := fleet(t, 2, b, Options{})
		d, names := account("A", 2)
		loginAll(t, guards, []string{"lab"}, names, d)
		d.password = "B"
		start := time.Now()
		time.AfterFunc(9*time.Second, func() { b.put("lab", "B") })
		if done := loginAll(t, guards, []string{"lab"}, names, d); done != 2 {
			t.Errorf("%d done", done)
		}
		if took := time.Since(start); took > 16*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// G5: when one worker has read other material, others read it before they show what they have kept.
func TestOtherMaterialReachesOtherWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, other := newBackend(), newBackend()
		other.versions = b.versions // one backend, and a cache for each worker
		b.put("lab", "A")
		first := fleet(t, 1, b, Options{})[0]
		second := newGuard(t, other, Options{Ledger: first.ledger, Key: first.digester.key})
		d, _ := account("A", 0)
		login := func(g *Guard, device string) {
			t.Helper()
			if err := g.Login(t.Context(), "lab", device, d.login); err != nil {
				t.Error(err)
			}
		}
		login(first, "sw1")
		time.Sleep(4 * time.Minute)
		login(second, "sw2")
		b.put("lab", "B")
		d.password = "B"
		time.Sleep(2 * time.Minute) // what the first one has kept is too old, and what the second one has isn't
		login(first, "sw1")
		login(second, "sw2")
		if d.wrong > 0 {
			t.Errorf("%d wrong passwords", d.wrong)
		}
	})
}

// Which of many credentials have failed is known without reading them.
func TestFailedIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		ids := []string{"lab1", "lab2", "lab3"}
		for _, id := range ids {
			b.put(id, "the password of "+id)
		}
		guards := fleet(t, 2, b, Options{})
		d, names := account("the password of lab1", 1)
		loginAll(t, guards[:1], ids[:1], names, d)
		loginAll(t, guards[:1], ids[1:2], names, d)
		reads := b.reads
		failed, err := guards[1].Failed(t.Context(), ids)
		if err != nil || !slices.Equal(failed, []string{"lab2"}) || b.reads != reads {
			t.Errorf("%q, %v, %d reads", failed, err, b.reads-reads)
		}
	})
}

// G5: a login that waits for another worker's gets its permit as soon as that ends.
func TestEndOfALoginReachesOtherWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		guards := fleet(t, 2, b, Options{Budgets: []Budget{{"*", 1}}})
		d, _ := account("A", 0)
		start := time.Now()
		var wait sync.WaitGroup
		for i, g := range guards {
			wait.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := g.Login(t.Context(), "lab", fmt.Sprint("sw", i), d.login); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if took := time.Since(start); took > 2*d.takes+time.Second {
			t.Errorf("two logins of a second each took %v", took)
		}
	})
}
