package guard

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// unversioned is a store in front of a backend without versions: the version ids are of its worker alone.
type unversioned struct {
	*backend
	worker string
}

func (u unversioned) Get(ctx context.Context, id string) (store.Result, error) {
	return u.own(u.backend.Get(ctx, id))
}

func (u unversioned) RecheckVersion(ctx context.Context, r credential.Request, notBefore time.Time) (store.Result, error) {
	return u.own(u.backend.RecheckVersion(ctx, r, notBefore))
}

func (u unversioned) own(result store.Result, err error) (store.Result, error) {
	if err == nil {
		own := *result.Credential
		own.VersionID = store.LocalVersion + u.worker + own.VersionID
		result.Credential = &own
	}
	return result, err
}

// Workers that share a ledger don't take each other's made-up version ids for a secret that was written anew, which would open
// what is closed.
func TestMadeUpVersionsOpenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := NewMemory()
		b := newBackend()
		b.put("lab", "A")
		d := &device{password: "A", takes: 100 * time.Millisecond}
		var guards []*Guard
		for i := range 6 {
			guards = append(guards, newGuard(t, unversioned{b, fmt.Sprint(i)}, Options{Ledger: ledger, Key: make([]byte, 32)}))
		}
		login := func(worker, device int) error {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			return guards[worker].Login(ctx, "lab", fmt.Sprint("sw", device), d.login)
		}
		for i := range 6 {
			if err := login(i, i); err != nil {
				t.Fatal(err)
			}
		}
		d.password = "B"
		for i, worker := range []int{0, 0, 1, 2, 3, 4, 5} { // the first one's two refusals close it for all
			if err := login(worker, i%6); !isRejected(err) {
				t.Errorf("worker %d: %v", worker, err)
			}
		}
		if d.wrong != 2 {
			t.Errorf("%d wrong passwords of 2", d.wrong)
		}
	})
}
