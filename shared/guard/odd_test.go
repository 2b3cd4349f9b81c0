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
	"github.com/tom-worker/credential-provider/shared/store"
)

// odd is a source whose every read takes its time.
type odd struct {
	current, previous credential.Credential
	takes             time.Duration
}

func (o odd) Get(ctx context.Context, id string) (store.Result, error) {
	return o.RecheckVersion(ctx, credential.Request{ID: id}, time.Time{})
}

func (o odd) RecheckVersion(_ context.Context, r credential.Request, _ time.Time) (store.Result, error) {
	time.Sleep(o.takes)
	c := o.current
	if r.VersionLabel != "" {
		c = o.previous
	}
	c.ID = r.ID
	return store.Result{Credential: &c}, nil
}

// Three workers, thirty logins at once, and credentials and devices of all kinds: one account is shown two wrong passwords, and no device two.
func TestOddCredentialsAndDevices(t *testing.T) {
	login := func(password, key string) credential.Credential {
		c := credential.Credential{Username: "netops", VersionID: password + key}
		if password != "" {
			c.Password = credential.Password(password)
		}
		if key != "" {
			c.Extra = map[string]credential.Redacted{credential.PrivateKeyField: credential.NewRedacted(key)}
		}
		return c
	}
	errHungUp := errors.New("the device hung up")
	for name, test := range map[string]struct {
		odd
		answer time.Duration
		says   error
	}{
		"the version before is the same":   {odd{login("A", ""), login("A", ""), 0}, time.Second, ErrRefused},
		"the version before is empty":      {odd{login("A", ""), login("", ""), 0}, time.Second, ErrRefused},
		"a key alone":                      {odd{login("", "key"), login("", "old key"), 0}, time.Second, ErrRefused},
		"a password and a key":             {odd{login("A", "key"), login("A", ""), 0}, time.Second, ErrRefused},
		"devices hang up":                  {odd{login("A", ""), login("Z", ""), 0}, time.Second, errHungUp},
		"devices hang up without a word":   {odd{login("A", ""), login("Z", ""), 0}, 0, errHungUp},
		"devices answer after two seconds": {odd{login("A", ""), login("Z", ""), 0}, 2 * time.Second, ErrRefused},
		"devices answer too late":          {odd{login("A", ""), login("Z", ""), 0}, time.Hour, ErrRefused},
		"the backend takes five seconds":   {odd{login("A", ""), login("Z", ""), 5 * time.Second}, time.Second, ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ledger := NewMemory()
				var guards []*Guard
				for range 3 {
					guards = append(guards, newGuard(t, test.odd, Options{Ledger: ledger, Key: make([]byte, 32), PreviousVersionLabel: "PREVIOUS"}))
				}
				var mu sync.Mutex
				shown, at := 0, make(map[string]int)
				var wait sync.WaitGroup
				for i := range 30 {
					wait.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
						defer cancel()
						device := fmt.Sprint("sw", i%15)
						_ = guards[i%3].Login(ctx, fmt.Sprint("lab", i%4), device, func(ctx context.Context, a *Attempt) error {
							if _, err := a.Present(ctx); err != nil {
								return err
							}
							mu.Lock()
							shown++
							at[device]++
							mu.Unlock()
							select {
							case <-time.After(test.answer):
								return test.says
							case <-ctx.Done():
								return ctx.Err()
							}
						})
					})
				}
				wait.Wait()
				if shown < 1 || shown > 2 {
					t.Errorf("shown %d times", shown)
				}
				for device, n := range at {
					if n > 1 && test.answer < time.Hour { // what a device never answered is shown again after a minute
						t.Errorf("%s was shown it %d times", device, n)
					}
				}
			})
		})
	}
}
