//go:build linux

package python

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// A whole run has 20,000 jobs: go test -run TestTomFleet -timeout 3h -v ./host-example/python -fleet-jobs 10000
var (
	fleetJobs    = flag.Int("fleet-jobs", 1000, "jobs of each run of TestTomFleet")
	fleetWorkers = flag.Int("fleet-workers", 6, "Tom's workers in TestTomFleet")
)

// TestTomFleet runs fleet_test.py: chaos on a fleet of Tom's workers, with an agent for each and with one for all.
func TestTomFleet(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	needs(t, interpreter, toms+", boto3")
	for _, test := range []string{"agent_each", "shared_agent"} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			backend := awssmtest.StartTest(t, awssmtest.Options{})
			environment := append(backend.Env(), "TEST_TOM="+tom(t), fmt.Sprint("TEST_FLEET_JOBS=", *fleetJobs),
				fmt.Sprint("TEST_FLEET_WORKERS=", *fleetWorkers), fmt.Sprint("TEST_FLEET_SEED=", *fleetSeed))
			patience := 5*time.Minute + time.Duration(*fleetJobs)*time.Second
			withAgent(t, interpreter, "fleet_test.py", patience, environment, "FleetTest.test_"+test)
		})
	}
}
