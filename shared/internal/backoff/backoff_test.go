package backoff

import (
	"math"
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	const first, longest = 100 * time.Millisecond, time.Second
	for failures, want := range map[int]time.Duration{
		-1: 0, 0: 0, 1: first, 2: 2 * first, 3: 4 * first, 4: 8 * first, 5: longest, 6: longest, 1000: longest, math.MaxInt: longest,
	} {
		if got := Delay(failures, first, longest); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
	if got := Delay(math.MaxInt, time.Hour, math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("an overflow makes %v", got)
	}
	if got := Delay(1, time.Minute, time.Second); got != time.Second {
		t.Errorf("the first pause is %v, longer than the longest", got)
	}
}

func TestJittered(t *testing.T) {
	if got := Jittered(time.Second, 0); got != time.Second {
		t.Errorf("without jitter %v", got)
	}
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		got := Jittered(time.Second, 0.25)
		least, most = min(least, got), max(most, got)
	}
	if least < 750*time.Millisecond || least > 800*time.Millisecond || most > time.Second || most < 950*time.Millisecond {
		t.Errorf("between %v and %v, want 0.75 s to 1 s", least, most)
	}
}
