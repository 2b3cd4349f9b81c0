//go:build unix

package conformance

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// envSpecimen makes the test binary a specimen; envIdle makes it a process that does nothing for so long.
const (
	envSpecimen = "TEST_SPECIMEN"
	envIdle     = "TEST_IDLE"
	envGone     = "TEST_GONE" // set where the backend is gone
)

func TestMain(m *testing.M) {
	if idle, err := time.ParseDuration(os.Getenv(envIdle)); err == nil {
		time.Sleep(idle)
		return
	}
	if name := os.Getenv(envSpecimen); name == "right" {
		specimen{}.live()
	} else if name == "daemon" {
		daemonic.live()
	} else if name != "" {
		specimens[name].live()
	}
	if os.Getenv(envSpecimen) != "" {
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) { os.Exit(status) }), goleak.IgnoreTopFunction("net/http/httptest.(*Server).goServe.func1"),
		goleak.IgnoreAnyFunction("net/http.(*Server).Serve"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
}
