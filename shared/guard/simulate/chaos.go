package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Faults are what a test can do to the ledger that a chaotic fleet shares. Any of them may be nil.
type Faults struct {
	// Lose makes it lose all it knows; Stop makes it unreachable, and Start reachable again; Jump sets its clock.
	Lose, Stop, Start func()
	Jump              func(time.Duration)
}

// Chaos is a fleet with random devices and random events: rotations in both orders and back, outages, operators, crashes of
// workers, lost answers, partitions, and faults of the ledger.
func Chaos(seed uint64, jobs int, checker *Checker, faults Faults) Config {
	r := rand.New(rand.NewPCG(seed, 99))
	c := Config{
		Seed: seed, Workers: 2 + r.IntN(5), Concurrency: 1 + r.IntN(12), Devices: 5 + r.IntN(60), Rate: 0.5 + 4*r.Float64(),
		Lag: time.Duration(1 + r.IntN(4000)*int(time.Millisecond)), IDs: 1 + r.IntN(3), Budget: 1 + r.IntN(3),
		Label: r.IntN(3) > 0, Local: r.IntN(3) == 0, Cold: r.IntN(2) == 0, Drift: []float64{0, .1, .3}[r.IntN(3)],
		LostAnswers: []float64{0, .02}[r.IntN(2)], NeverAnswers: []float64{0, .01}[r.IntN(2)], HangUp: []float64{0, 0, .5}[r.IntN(3)],
		Crashes: []float64{0, .02}[r.IntN(2)],
	}
	if r.IntN(8) == 0 {
		c.Budget = -1
	}
	c.Duration = time.Duration(float64(jobs) / c.Rate * float64(time.Second))
	c.Script = func(f *Fleet) {
		password, next := "A", 0
		for end := time.Now().Add(c.Duration); time.Now().Before(end); {
			time.Sleep(time.Duration(r.IntN(240)) * time.Second)
			fresh := func() string {
				if next++; r.IntN(4) == 0 {
					return "A" // a password that comes back
				}
				return fmt.Sprint("P", next)
			}
			switch r.IntN(14) {
			case 0, 1:
				password = fresh()
				f.Move(password)
				time.Sleep(time.Duration(r.IntN(40)) * time.Second)
				f.Store(password)
			case 2, 3:
				password = fresh()
				f.Store(password)
				time.Sleep(time.Duration(r.IntN(120)) * time.Second)
				f.Move(password)
			case 4:
				password = fresh()
				f.Store(password)
				for i := range c.Devices {
					f.MoveDevice(i, password)
					time.Sleep(time.Duration(r.IntN(5)) * time.Second)
				}
				f.Move(password)
			case 5:
				f.Store("wrong")
				time.Sleep(time.Duration(r.IntN(300)) * time.Second)
				f.Store(password)
			case 6:
				f.Outage(time.Duration(r.IntN(120)) * time.Second)
			case 7:
				f.Forget()
			case 8:
				f.MoveDevice(r.IntN(c.Devices), "X")
			case 9:
				f.Cut(r.IntN(c.Workers))
				time.Sleep(time.Duration(r.IntN(60)) * time.Second)
				f.Cut(0)
			case 10:
				if faults.Lose != nil {
					faults.Lose()
					checker.Reset()
				}
			case 11:
				if faults.Stop != nil {
					faults.Stop()
					time.Sleep(5 * time.Second)
					faults.Start()
				}
			case 12:
				if faults.Jump != nil {
					faults.Jump(time.Duration(r.IntN(7200)-3600) * time.Second)
					checker.Reset()
				}
			}
		}
	}
	return c
}
