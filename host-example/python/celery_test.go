//go:build linux

package python

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var fleetSeed = flag.Uint64("fleet-seed", 0, "of the chances in TestCelery and TestTomFleet; 0: another one each time")

// TestCelery runs celery_test.py: the example of a task for Celery, on a real Redis, with processes killed. Celery and saq want
// different versions of the Redis client, so its Python is that of CELERY_PYTHON, else the one of the other tests.
func TestCelery(t *testing.T) {
	t.Parallel()
	interpreter := os.Getenv("CELERY_PYTHON")
	if interpreter == "" {
		interpreter = python(t)
	}
	needs(t, interpreter, "celery, kombu.transport.redis, saq, netmiko, asyncssh, grpc, cryptography, google.protobuf")
	withAgent(t, interpreter, "celery_test.py", 2*patience, []string{fmt.Sprint("TEST_FLEET_SEED=", *fleetSeed), "TEST_TOM="})
}
