package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// fleetPassword is the one that the devices' password is rotated to while two workers run.
const fleetPassword = "made-up-4716"

// rotatedAgain is the secret of the devices after that.
var rotatedAgain = secret{"tom/credentials/lab_creds", `{"username": "admin", "password": "` + fleetPassword + `"}`, "5d2ab6a0-0000-4000-8000-000000000005"}

// fleet has two workers log in through one ledger, in a Redis in memory. After a rotation the first one is refused once, and
// the other, which has the old password in its cache, doesn't show it at all.
func fleet(ctx context.Context, shell *shell, backend *awssmtest.Server, devices devices) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		return err
	}
	defer redis.Close()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	if err := os.WriteFile(filepath.Join(shell.directory, "guard.key"), key, 0o600); err != nil {
		return err
	}
	shell.say("Two workers of a fleet share what devices say of passwords, in a Redis (here: one in memory), which sees digests only.")
	shell.export("TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE=guard.key", "TOM_WORKER_REDIS_HOST=127.0.0.1", "TOM_WORKER_REDIS_PORT="+redis.Port())
	var workers [2]*live
	for i := range workers {
		worker, err := shell.start(ctx, fmt.Sprintf("worker%d.log", i+1), "run", "--log-level", "error")
		if err != nil {
			return err
		}
		defer worker.close()
		workers[i] = worker
	}
	for i, worker := range workers {
		if err := worker.do(ctx, jobAt(fmt.Sprint(4+i), devices[i]), 1); err != nil {
			return err
		}
	}
	shell.say("The password is rotated. The first worker is refused once and reads the new one; the other doesn't show the old one at all.")
	devices[:2].setPassword(fleetPassword)
	if err := put(ctx, backend, rotatedAgain); err != nil {
		return err
	}
	for i, worker := range workers {
		if err := worker.do(ctx, jobAt(fmt.Sprint(6+i), devices[i]), 2-i); err != nil {
			return err
		}
	}
	for _, worker := range workers {
		if err := worker.end(ctx); err != nil {
			return err
		}
	}
	return nil
}
