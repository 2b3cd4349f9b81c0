package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// operations is how many the store is compared with its model over.
const operations = 100_000

// seed is new for each run, or that of the environment variable TEST_SEED.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	number := rand.Uint64()
	if text := os.Getenv("TEST_SEED"); text != "" {
		var err error
		if number, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TEST_SEED=%d", number)
	return rand.New(rand.NewPCG(number, 0))
}

// world is a backend whose passwords change at random, and that fails at random.
type world struct {
	*backend
	*rand.Rand
	ids       []string
	passwords int
	did       string // the last thing
}

func newWorld(r *rand.Rand) *world {
	w := &world{backend: newBackend(), Rand: r}
	for i := range 8 {
		w.ids = append(w.ids, fmt.Sprint("id", i))
	}
	for _, id := range w.ids {
		w.set(id, "p0")
	}
	return w
}

func pick[T any](w *world, items ...T) T { return items[w.IntN(len(items))] }

// password is a new one, or one that was in use not long ago.
func (w *world) password() string {
	if w.IntN(3) > 0 {
		w.passwords++
		return fmt.Sprint("p", w.passwords)
	}
	return fmt.Sprint("p", max(w.passwords-w.IntN(3), 0))
}

// change lets something happen to the backend.
func (w *world) change() {
	id := pick(w, w.ids...)
	switch w.IntN(12) {
	default: // a rotation
		password := w.password()
		w.set(id, password)
		w.did = "rotate " + id + " " + password
	case 0, 1, 2, 3: // with hints
		password := w.password()
		kind := w.IntN(5)
		w.set(id, password, func(c *credential.Credential) {
			switch kind {
			case 0:
				maxAge(0)(c)
			case 1:
				maxAge(20 * time.Second)(c)
			case 2:
				expires(time.Now().Add(2 * time.Minute))(c)
			case 3:
				replica(c)
			}
		})
		w.did = fmt.Sprint("store ", id, " ", password, " kind ", kind)
	case 4:
		w.update(func() { delete(w.creds, id) })
		w.did = "delete " + id
	case 5, 6:
		err := w.trouble()
		w.update(func() { w.fault = err })
		w.did = fmt.Sprint("fault ", credential.ReasonOf(err))
	case 7:
		err := w.trouble()
		w.update(func() {
			delete(w.faults, id)
			if err != nil {
				w.faults[id] = err
			}
		})
		w.did = fmt.Sprint("fault of ", id, " ", credential.ReasonOf(err))
	}
}

func (w *world) trouble() error {
	if w.IntN(5) > 0 {
		return nil
	}
	return &credential.Error{
		Reason: pick(w, credential.Throttled, credential.BackendUnavailable, credential.DeadlineExceeded, credential.ProviderCrashed,
			credential.AccessDenied, credential.CredentialDeleted, credential.BackendUnauthenticated, credential.Internal),
		RetryDelay: pick(w, 0, 0, 0, 3*time.Second, 10*time.Minute),
	}
}

// would is what a read gives at present.
func (w *world) would(id string) (*credential.Credential, *credential.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.faults[id]
	if w.fault != nil {
		err = w.fault
	}
	if err != nil {
		return nil, asError(context.Background(), credential.Request{ID: id}, err)
	}
	if w.creds[id] == nil {
		return nil, credential.Errorf(credential.CredentialNotFound, "no credential %q", id)
	}
	return w.creds[id], nil
}

func (w *world) span() time.Duration {
	return pick(w, 0, time.Millisecond, 300*time.Millisecond, time.Second, 2*time.Second, 7*time.Second, 31*time.Second, time.Minute, 3*time.Minute, 4*time.Minute+30*time.Second, 16*time.Minute, 70*time.Minute)
}

// TestRandomOperationsAgainstTheModel does one thing after the other to a store and to its model, and wants the same of
// both.
func TestRandomOperationsAgainstTheModel(t *testing.T) {
	random := seed(t)
	for part := range 4 { // four worlds, so that none grows old
		o := options()
		switch part {
		case 2:
			o.NegativeTTL, o.MaxStale = -1, 10*time.Minute
		case 3:
			o.TTL = -1
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(random)
			s := New(w, o)
			defer s.Close()
			m := newModel(o)
			m.backend = w.would
			for i := range operations / 4 {
				did, got, want := w.operate(t, s, m)
				synctest.Wait()
				if got != want {
					t.Fatalf("part %d, operation %d, %s (after %s): the store says %s, the model %s", part, i, did, w.did, got, want)
				}
				w.update(func() { w.calls = w.calls[:0] })
			}
		})
		if t.Failed() {
			return
		}
	}
}

func (w *world) operate(t *testing.T, s *Store, m *model) (did, got, want string) {
	id := pick(w, w.ids...)
	switch n := w.IntN(100); {
	case n < 55:
		got = told(s.Get(t.Context(), id))
		want, _ = m.get(credential.Request{ID: id})
		return "get " + id, got, want
	case n < 65:
		k := credential.Request{ID: id, VersionID: "v"}
		got = told(s.GetVersion(t.Context(), k))
		want, _ = m.get(k)
		return "get version of " + id, got, want
	case n < 80:
		span := w.span()
		time.Sleep(span)
		return fmt.Sprint("pass ", span), "", ""
	case n < 96:
		w.change()
		return w.did, "", ""
	case n < 97:
		changed := w.IntN(2) == 0
		if changed {
			s.Invalidate()
		} else {
			s.MarkStale()
		}
		m.reload(changed)
		return "reload", "", ""
	case n < 98:
		s.Forget(id)
		m.forget(id)
		return "forget " + id, "", ""
	case n < 99 && w.IntN(20) == 0:
		s.Invalidate()
		m.clear()
		return "clear", "", ""
	default:
		ids := []string{id}
		if w.calm() && m.outage == nil {
			ids = []string{id, pick(w, w.ids...), id}
		}
		for i, r := range s.Warm(t.Context(), ids) {
			got += fmt.Sprint(ids[i], " ", credential.ReasonOf(r.Err), " ")
		}
		reasons := make(map[string]string)
		for _, id := range ids {
			if _, known := reasons[id]; !known { // each id is read once
				reasons[id] = ""
				if said, a := m.get(credential.Request{ID: id}); a == nil {
					reasons[id] = said[len("error "):]
				}
			}
			want += fmt.Sprint(id, " ", reasons[id], " ")
		}
		return "warm", got, want
	}
}

// calm reports that no read fails for a reason that would matter to others.
func (w *world) calm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault == nil && len(w.faults) == 0
}

// TestRandomConcurrentReads has many callers read a few credentials for days, while everything changes and fails at random.
func TestRandomConcurrentReads(t *testing.T) {
	random := seed(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(random)
		s := New(w, options())
		defer s.Close()
		end := time.Now().Add(48 * time.Hour)
		var callers sync.WaitGroup
		for range 20 {
			own := rand.New(rand.NewPCG(random.Uint64(), 0))
			callers.Go(func() {
				for time.Now().Before(end) {
					id := w.ids[own.IntN(len(w.ids))]
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					result, err := s.Get(ctx, id)
					if own.IntN(3) == 0 {
						result, err = s.Recheck(ctx, id, time.Now())
					}
					cancel()
					switch {
					case err != nil:
					case result.ID != id:
						t.Errorf("asked for %s, got %s", id, result.ID)
					case result.Age >= time.Hour || !result.ExpireTime.IsZero() && result.ExpireTime.Before(time.Now()):
						t.Errorf("%s is %v old, and expires at %v", id, result.Age, result.ExpireTime)
					}
					time.Sleep(time.Duration(own.IntN(60)) * time.Second)
				}
			})
		}
		for time.Now().Before(end) {
			w.change()
			switch w.IntN(50) {
			case 0:
				s.Invalidate()
			case 1:
				s.MarkStale()
			}
			w.update(func() { w.calls, w.latency = nil, pick(w, 0, 0, time.Second, 20*time.Second) })
			time.Sleep(w.span() / 8)
		}
		callers.Wait()
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.flights) != 0 || s.unattended != 0 {
			t.Errorf("%d flights, %d unattended", len(s.flights), s.unattended)
		}
	})
}
