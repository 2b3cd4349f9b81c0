package provider

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is its own provider: started with this variable it behaves as the variable says.
const envBehave = "TEST_BEHAVE"

// parallelTests is how many tests run side by side at least: most of the time they wait for processes.
const parallelTests = 5

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(envBehave); behaviour != "" {
		behave, ok := behaviours[behaviour]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such behaviour:", behaviour)
			os.Exit(2)
		}
		behave()
		return
	}
	flag.Parse()
	if n := runtime.GOMAXPROCS(0); n < parallelTests && flag.Lookup("test.parallel").Value.String() == fmt.Sprint(n) { // the default
		_ = flag.Set("test.parallel", fmt.Sprint(parallelTests))
	}
	goleak.VerifyTestMain(m)
}
