//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// crew is workers, as processes, that share a ledger.
type crew struct {
	*site
	t       *testing.T
	workers []*process
}

func newCrew(t *testing.T, s *site, workers int, settings ...string) *crew {
	t.Helper()
	redis := miniredis.RunT(t)
	key := filepath.Join(t.TempDir(), "guard.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("key "), 8), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := append(slices.Clone(s.environ), "TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE="+key,
		"TOM_WORKER_REDIS_HOST="+redis.Host(), "TOM_WORKER_REDIS_PORT="+redis.Port(), "TOM_WORKER_CREDENTIAL_CACHE_TTL=1s")
	c := &crew{site: s, t: t}
	for range workers {
		c.workers = append(c.workers, startProcess(t, t.TempDir(), append(environ, settings...), "run"))
	}
	return c
}

// put stores a password.
func (c *crew) put(credential int, password string) {
	c.backend.PutSecret(fmt.Sprint("tom/credentials/c", credential), fmt.Sprintf(`{"username":"admin","password":%q}`, password))
}

// do has jobs done at the devices of numbers, at once, by the workers in turn, and returns how many succeed.
func (c *crew) do(timeout string, devices []int, credentialOf func(i int) int) (done int) {
	c.t.Helper()
	for i, d := range devices {
		_, _ = fmt.Fprintf(c.workers[i%len(c.workers)].input, `{"id":"%d","host":"127.0.0.1","port":%d,"credential_id":"c%d","commands":["show version"],"timeout":%q}`+"\n",
			i, c.devices[0][d].Port(), credentialOf(i), timeout)
	}
	for i := range devices {
		result := c.workers[i%len(c.workers)].next()
		switch {
		case result.Error == nil:
			done++
		case result.Error.Reason != credential.CredentialRejected && result.Error.Reason != "JOB_TIMED_OUT":
			c.t.Errorf("job %s: %+v", result.ID, result.Error)
		}
	}
	return done
}

// refused returns how many wrong passwords the devices were shown, and the most that one was.
func (c *crew) refused() (all, most int) {
	for _, d := range c.devices[0] {
		n := 0
		for _, times := range d.Refused() {
			n += times
		}
		all, most = all+n, max(most, n)
	}
	return all, most
}

func first(int) int { return 0 }

func numbers(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// TestRotatedPasswordUnderLoad has 30 logins at a time with a password that has worked and is wrong now.
func TestRotatedPasswordUnderLoad(t *testing.T) {
	c := newCrew(t, newSite(t, 1, 30, admins), 1, "TOM_WORKER_CONCURRENCY=30")
	c.put(0, "one")
	for _, d := range c.devices[0] {
		d.SetPassword("one")
	}
	if done := c.do("60s", []int{0}, first); done != 1 {
		t.Fatal("the right password isn't accepted")
	}
	for _, d := range c.devices[0] {
		d.SetPassword("another one")
	}
	if done := c.do("3s", numbers(30), first); done != 0 {
		t.Errorf("%d done", done)
	}
	if all, _ := c.refused(); all < 1 || all > 2 {
		t.Errorf("%d wrong passwords were shown", all)
	}
}

// TestTenCredentialsWithOneLogin has ten ids with the same user and password: they share what devices have refused.
func TestTenCredentialsWithOneLogin(t *testing.T) {
	s := newSite(t, 1, 3, admins)
	c := newCrew(t, s, 2)
	for i := range 10 {
		c.put(i, "wrong")
	}
	for _, d := range c.devices[0] {
		d.SetPassword("right")
	}
	c.do("60s", []int{0, 0, 0, 0, 0, 0, 0, 1, 2, 1}, func(i int) int { return i })
	if all, most := c.refused(); all != 2 || most != 1 {
		t.Errorf("%d wrong passwords were shown, %d of them to one device", all, most)
	}
}

// TestDeviceWorksAgainAfterThePause has an AAA server refuse a password for a while that is right: when login_refusal_pause is over it is
// tried again, and accepted.
func TestDeviceWorksAgainAfterThePause(t *testing.T) {
	c := newCrew(t, newSite(t, 1, 2, admins), 1, "TOM_WORKER_LOGIN_REFUSAL_PAUSE=2s")
	c.put(0, "one")
	down := func(down bool) {
		password := map[bool]string{true: "none, while it is down", false: "one"}[down]
		for _, d := range c.devices[0] {
			d.SetPassword(password)
		}
	}
	down(true)
	if done := c.do("20s", []int{0, 1, 0, 1}, first); done != 0 {
		t.Errorf("%d done", done)
	}
	down(false)
	for _, device := range []int{0, 1} {
		c.workers[0].until("a job is done again", func() bool { return c.do("20s", []int{device}, first) == 1 })
	}
	if all, most := c.refused(); all != 2 || most != 1 {
		t.Errorf("%d wrong passwords were shown, %d of them to one device", all, most)
	}
}

// TestStagedRotation stores the new password while one of six devices has it: two workers do all twelve jobs, at the cost of one refusal a
// device at most.
func TestStagedRotation(t *testing.T) {
	c := newCrew(t, newSite(t, 1, 6, admins), 2)
	c.put(0, "one")
	for _, d := range c.devices[0] {
		d.SetPassword("one")
	}
	if done := c.do("60s", numbers(6), first); done != 6 {
		t.Fatalf("%d of 6 before the rotation", done)
	}
	c.put(0, "two")
	c.devices[0][0].SetPassword("two")
	if done := c.do("60s", append(numbers(6), numbers(6)...), first); done != 12 {
		t.Errorf("%d of 12 done", done)
	}
	if all, most := c.refused(); most > 1 {
		t.Errorf("%d wrong passwords were shown, %d of them to one device", all, most)
	}
}
