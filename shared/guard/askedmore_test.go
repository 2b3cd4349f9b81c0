package guard

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// A device that asks for a code after the password gets that once, then a minute later, and so on, and no other device is kept
// from it: neither a first one nor one that has accepted it.
func TestAskedMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newBackend()
		source.put("lab", "right")
		g := newGuard(t, source, Options{Key: make([]byte, 32)})
		login := func(device string, answer error) (shown bool, err error) {
			err = g.Login(t.Context(), "lab", device, func(ctx context.Context, a *Attempt) error {
				if _, err := a.Present(ctx); err != nil {
					return err
				}
				shown = true
				time.Sleep(time.Second)
				return answer
			})
			return shown, err
		}
		asks := fmt.Errorf("a code: %w", ErrAskedMore)
		for i := range 10 {
			if shown, err := login(fmt.Sprint("asks", i), asks); !shown || !errors.Is(err, ErrAskedMore) {
				t.Fatalf("device %d: shown %v, %v", i, shown, err)
			}
			if shown, err := login("good", nil); !shown || err != nil {
				t.Fatalf("after %d devices that ask: shown %v, %v", i+1, shown, err)
			}
		}
		for i := range 10 {
			if shown, err := login(fmt.Sprint("asks more", i), asks); !shown || !errors.Is(err, ErrAskedMore) {
				t.Fatalf("device %d with no success in between: shown %v, %v", i, shown, err)
			}
		}
		if shown, err := login("new", nil); !shown || err != nil {
			t.Errorf("a new device: shown %v, %v", shown, err)
		}
		times := 0
		for range 600 {
			shown, err := login("often", asks)
			if shown {
				times++
			} else if credential.ReasonOf(err) != credential.CredentialRejected {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if times != 4 { // after 0, 1, 3 and 7 minutes
			t.Errorf("shown %d times in ten minutes", times)
		}
		if c := g.Counters(); c.Permits != 0 || c.Unanswered != int64(20+times) {
			t.Errorf("got %+v", c)
		}
	})
}
