package provider

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is its own provider: started with this variable it behaves as the variable says.
const envBehave = "TEST_BEHAVE"

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
	goleak.VerifyTestMain(m)
}
