package simulate

import (
	"math/rand/v2"
	"sync"
	"time"
)

// The rules of an AAA server, and of a device with local accounts.
const (
	lockAfter  = 5
	lockWindow = 10 * time.Minute
	lockFor    = 30 * time.Minute
)

// World is what is true: passwords of devices, the account, the backend's versions. Its methods may be called concurrently.
type World struct {
	mu     sync.Mutex
	random *rand.Rand
	config *Config
	start  time.Time

	versions    []version
	aaa         string
	devices     []string
	drifted     map[int]bool
	outage      [2]time.Time
	lockedUntil time.Time
	deviceLocks map[int]time.Time
	// accountWrong and deviceWrong are when wrong passwords came, since the last success.
	accountWrong []time.Time
	deviceWrong  map[int][]time.Time

	shown, wrong, locks, streak, longestStreak, mostAtDevice int
	refusals                                                 map[refusal]int
	repeats                                                  int // a device got the same wrong password within the pause
	lastRefused                                              map[refusal]time.Time
}

type refusal struct {
	device   int
	password string
}

type version struct {
	at       time.Time
	password string
}

func newWorld(c *Config) *World {
	w := &World{
		random: rand.New(rand.NewPCG(c.Seed, 7)), config: c, start: time.Now(), aaa: "A", devices: make([]string, c.Devices),
		drifted: make(map[int]bool), deviceLocks: make(map[int]time.Time), deviceWrong: make(map[int][]time.Time),
		refusals: make(map[refusal]int), lastRefused: make(map[refusal]time.Time),
	}
	for i := range w.devices {
		w.devices[i] = "A"
	}
	return w
}

// Store puts a new version into the backend.
func (w *World) Store(password string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions = append(w.versions, version{time.Now(), password})
}

// Move changes the password at the AAA server and at all devices that haven't drifted.
func (w *World) Move(password string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aaa = password
	for i := range w.devices {
		if !w.drifted[i] {
			w.devices[i] = password
		}
	}
}

// MoveDevice changes the password at one device.
func (w *World) MoveDevice(i int, password string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.drifted[i] {
		w.devices[i] = password
	}
}

// Outage has the AAA server refuse everybody for a time.
func (w *World) Outage(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outage = [2]time.Time{time.Now(), time.Now().Add(d)}
}

// LockByOperator locks the account for half an hour.
func (w *World) LockByOperator() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lockedUntil = time.Now().Add(lockFor)
}

func (w *World) drift() {
	n := int(w.config.Drift * float64(w.config.Devices))
	for _, i := range w.random.Perm(w.config.Devices)[:n] {
		w.drifted[i] = true
		w.devices[i] = "X"
		if w.config.DriftedHaveOld {
			w.devices[i] = "Z"
		}
	}
}

// current returns the version that a read gives whose copy is as old as lag, and the one before it.
func (w *World) current(lag time.Duration) (index int, password, before string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := time.Now()
	if lag > 0 {
		at = at.Add(-time.Duration(w.random.Int64N(int64(lag))))
	}
	for i, v := range w.versions {
		if !v.at.After(at) || i == 0 {
			index = i
		}
	}
	if index > 0 {
		before = w.versions[index-1].password
	}
	return index, w.versions[index].password, before
}

func (w *World) central(i int) bool { return !w.config.Local && !w.drifted[i] }

func (w *World) down(now time.Time) bool { return !now.Before(w.outage[0]) && now.Before(w.outage[1]) }

// authenticate is a login at a device.
func (w *World) authenticate(i int, password string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.shown++
	central := w.central(i)
	truth, locked := w.devices[i], now.Before(w.deviceLocks[i])
	if central {
		truth, locked = w.aaa, now.Before(w.lockedUntil)
	}
	down := w.down(now) && central
	if password == truth && !locked && !down {
		w.deviceWrong[i] = nil
		if central {
			w.streak, w.accountWrong = 0, nil
		}
		return true
	}
	w.wrong++
	r := refusal{i, password}
	if last, ok := w.lastRefused[r]; ok && now.Sub(last) < w.config.pause() {
		w.repeats++
	}
	w.lastRefused[r] = now
	w.deviceWrong[i] = recent(append(w.deviceWrong[i], now), now)
	w.mostAtDevice = max(w.mostAtDevice, len(w.deviceWrong[i]))
	counts := !locked && !down
	switch {
	case central:
		w.streak++
		w.longestStreak = max(w.longestStreak, w.streak)
		if counts {
			if w.accountWrong = recent(append(w.accountWrong, now), now); len(w.accountWrong) >= lockAfter {
				w.locks++
				w.lockedUntil, w.accountWrong = now.Add(lockFor), nil
			}
		}
	case w.config.Local && counts && len(w.deviceWrong[i]) >= lockAfter:
		w.locks++
		w.deviceLocks[i], w.deviceWrong[i] = now.Add(lockFor), nil
	}
	return false
}

func recent(times []time.Time, now time.Time) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) > lockWindow {
		times = times[1:]
	}
	return times
}

// wouldAccept reports whether a device would take the current version or the one before it now.
func (w *World) wouldAccept(i int) bool {
	_, current, before := w.current(0)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.central(i) {
		if now.Before(w.lockedUntil) || w.down(now) {
			return false
		}
		return w.aaa == current || w.config.Label && w.aaa == before
	}
	return !now.Before(w.deviceLocks[i]) && (w.devices[i] == current || w.config.Label && w.devices[i] == before)
}

// chance is true with probability p.
func (w *World) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64() < p
}

func (w *World) between(a, b time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return a + time.Duration(w.random.Int64N(int64(b-a)+1))
}
