package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// A scrape asks Redis for the fleet's quarantines once in ten seconds, however often and by however many it is made.
func TestQuarantinesAreCountedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recently[int]
		counts := 0
		for range 60 { // seconds
			n, err := r.get(countEvery, func() (int, error) { counts++; return counts, nil })
			if n != counts || err != nil {
				t.Fatal(n, err)
			}
			time.Sleep(time.Second)
		}
		if counts != 6 {
			t.Errorf("%d counts in a minute", counts)
		}
	})
}
