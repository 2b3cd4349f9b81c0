package simulate

import (
	"math/rand/v2"
	"strings"
	"time"
)

// Situation is a named fleet.
type Situation struct {
	Name string
	Config
	// Excused is why the rules don't save the account here; empty: they do, and the tests hold it.
	Excused string
}

// first is when a situation's event happens.
const first = 5 * time.Minute

// Situations returns all situations, with a label for the version before except where the name says otherwise.
func Situations() []Situation {
	labelled := func(c Config) Config { c.Label = true; return c }
	list := []Situation{
		{Name: "steady", Config: Config{}},
		{Name: "drift 1 %", Config: Config{Drift: .01}},
		{Name: "drift 10 %", Config: Config{Drift: .1}},
		{Name: "drift 20 %", Config: Config{Drift: .2}},
		{Name: "first start, drift 10 %", Config: Config{Drift: .1, Cold: true}},
		{Name: "first start, drift 20 %", Config: Config{Drift: .2, Cold: true}},
		{Name: "one device changed by hand every 10 min, local", Config: Config{Local: true, Script: func(f *Fleet) {
			for i := range 6 {
				f.MoveDevice(i, "X")
				time.Sleep(10 * time.Minute)
			}
		}}},
		{Name: "devices first, secret 20 s later", Config: Config{Script: devicesFirst(20 * time.Second)}},
		{Name: "devices first, secret 20 s later, drift 10 %", Config: Config{Drift: .1, Script: devicesFirst(20 * time.Second)}},
		{Name: "devices first, secret 20 s later, 4 jobs a second", Config: Config{Rate: 4, Concurrency: 20, Script: devicesFirst(20 * time.Second)}},
		{Name: "devices first, secret 20 s later, 50 at a time", Config: Config{Concurrency: 50, Rate: 1.2, Script: devicesFirst(20 * time.Second)}},
		{Name: "devices first, secret 7 min later", Config: Config{Script: devicesFirst(7 * time.Minute)}},
		{Name: "devices first, secret 7 min later, drift 10 %", Config: Config{Drift: .1, Script: devicesFirst(7 * time.Minute)}},
		{Name: "secret first, AAA 20 s later", Config: Config{Script: secretFirst(20 * time.Second)}},
		{Name: "secret first, AAA 10 min later", Config: Config{Script: secretFirst(10 * time.Minute)}},
		{Name: "secret first, one by one in an hour, local", Config: Config{Local: true, Duration: 90 * time.Minute, Script: oneByOne(true)}},
		{Name: "the same, drift 10 % with the old password", Config: Config{Local: true, Duration: 90 * time.Minute, Drift: .1, DriftedHaveOld: true, Script: oneByOne(true)}},
		{Name: "devices first, one by one in an hour, local", Config: Config{Local: true, Duration: 90 * time.Minute, Script: oneByOne(false)}},
		{Name: "all at once", Config: Config{Script: devicesFirst(100 * time.Millisecond)}},
		{Name: "AAA moved, the secret never", Config: Config{Script: func(f *Fleet) { time.Sleep(first); f.Move("B") }}},
		{Name: "AAA outage of a minute", Config: Config{Script: func(f *Fleet) { time.Sleep(first); f.Outage(time.Minute) }}},
		{Name: "rotation, AAA outage 15 min later", Config: Config{Script: func(f *Fleet) {
			devicesFirst(100 * time.Millisecond)(f)
			time.Sleep(15 * time.Minute)
			f.Outage(time.Minute)
		}}},
		{Name: "secret first, AAA takes neither for 10 min", Config: Config{Script: takesNeither}},
		{Name: "wrong secret for 10 min", Config: Config{Script: wrongSecret}},
		{Name: "wrong secret for 10 min, no label", Config: Config{Script: wrongSecret}},
		{Name: "three wrong secrets in 5 min", Config: Config{Script: func(f *Fleet) {
			time.Sleep(first)
			for _, p := range []string{"W1", "W2", "W3", "A"} {
				f.Store(p)
				time.Sleep(90 * time.Second)
			}
		}}, Excused: "each material has a budget, and these are three"},
		{Name: "A, B, A in 4 min", Config: Config{Script: backAndForth}},
		{Name: "A, B, A in 4 min, 4 jobs a second", Config: Config{Rate: 4, Concurrency: 20, Script: backAndForth}},
		{Name: "account locked by an operator", Config: Config{Script: func(f *Fleet) { time.Sleep(first); f.LockByOperator() }}},
		{Name: "2 % of the answers lost, 1 % never come", Config: Config{LostAnswers: .02, NeverAnswers: .01}},
		{Name: "wrong secret, devices hang up, no label", Config: Config{HangUp: 1, Script: wrongSecret}},
		{Name: "AAA moved, the secret never, devices hang up, no label", Config: Config{HangUp: 1, Script: func(f *Fleet) { time.Sleep(first); f.Move("B") }}},
		{Name: "workers die in 1 % of the logins", Config: Config{Crashes: .01}},
		{Name: "the same, devices first, secret 20 s later", Config: Config{Crashes: .01, Script: devicesFirst(20 * time.Second)}},
		{Name: "ledger lost for a minute, rotation in it", Config: Config{Rate: 1.2, Script: func(f *Fleet) {
			time.Sleep(first)
			f.Cut(len(f.workers))
			time.Sleep(30 * time.Second)
			f.Move("B")
			time.Sleep(20 * time.Second)
			f.Store("B")
			time.Sleep(10 * time.Second)
			f.Cut(0)
		}}},
		{Name: "half of the workers cut off for 5 min, rotation in it", Config: Config{Script: func(f *Fleet) {
			time.Sleep(first)
			f.Cut(5)
			time.Sleep(time.Minute)
			f.Move("B")
			time.Sleep(20 * time.Second)
			f.Store("B")
			time.Sleep(4 * time.Minute)
			f.Cut(0)
		}}},
		{Name: "ten ids with the material, devices first, secret 20 s later", Config: Config{IDs: 10, Script: devicesFirst(20 * time.Second)}},
		{Name: "AAA outage of a minute, quarantine lifted after it", Config: Config{Script: func(f *Fleet) {
			time.Sleep(first)
			f.Outage(time.Minute)
			time.Sleep(time.Minute)
			f.Forget()
		}}},
		{Name: "AAA moved, the secret never, drift 10 %", Config: Config{Drift: .1, Script: func(f *Fleet) { time.Sleep(first); f.Move("B") }}},
		{Name: "AAA moved, a wrong secret 7 min later, drift 10 %", Config: Config{Drift: .1, Script: func(f *Fleet) {
			time.Sleep(first)
			f.Move("B")
			time.Sleep(7 * time.Minute)
			f.Store("W")
		}}},
		{Name: "secret first, AAA takes neither for 10 min, drift 10 %", Config: Config{Drift: .1, Script: takesNeither}},
		{Name: "devices first, secret 20 s later, a ledger each", Config: Config{Separate: true, Script: devicesFirst(20 * time.Second)},
			Excused: "workers without a shared ledger have a budget each"},
	}
	for i := range list {
		if s := &list[i]; !strings.Contains(s.Name, "no label") {
			s.Config = labelled(s.Config)
		}
	}
	return list
}

func devicesFirst(gap time.Duration) func(*Fleet) {
	return func(f *Fleet) {
		time.Sleep(first)
		f.Move("B")
		time.Sleep(gap)
		f.Store("B")
	}
}

func secretFirst(gap time.Duration) func(*Fleet) {
	return func(f *Fleet) {
		time.Sleep(first)
		f.Store("B")
		time.Sleep(gap)
		f.Move("B")
	}
}

func oneByOne(secretFirst bool) func(*Fleet) {
	return func(f *Fleet) {
		time.Sleep(first)
		if secretFirst {
			f.Store("B")
		}
		for _, i := range rand.New(rand.NewPCG(f.config.Seed, 5)).Perm(f.config.Devices) {
			time.Sleep(time.Hour / time.Duration(f.config.Devices))
			f.MoveDevice(i, "B")
		}
		if !secretFirst {
			f.Store("B")
		}
	}
}

func wrongSecret(f *Fleet) {
	time.Sleep(first)
	f.Store("W")
	time.Sleep(10 * time.Minute)
	f.Store("A")
}

func takesNeither(f *Fleet) {
	time.Sleep(first)
	f.Store("B")
	f.Move("Q")
	time.Sleep(10 * time.Minute)
	f.Move("B")
}

func backAndForth(f *Fleet) {
	time.Sleep(first)
	f.Move("B")
	time.Sleep(20 * time.Second)
	f.Store("B")
	time.Sleep(220 * time.Second)
	f.Move("A")
	time.Sleep(5 * time.Second)
	f.Store("A")
}
