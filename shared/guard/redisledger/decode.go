package redisledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

var verdicts = map[string]guard.Verdict{
	"granted": guard.Granted, "held": guard.Held, "behind": guard.Behind, "settling": guard.Settling, "paused": guard.Paused,
	"closed": guard.Closed, "read_again": guard.ReadAgain, "need_previous": guard.NeedPrevious,
}

// orders are those of begin.lua.
var orders = [...]guard.Order{guard.CurrentOnly, guard.PreviousOnly, guard.CurrentPrevious, guard.PreviousCurrent}

// errForeign is an answer that none of the scripts gives.
var errForeign = errors.New("redis answers the ledger's script with something else: is the prefix used by another program?")

// decision reads the answer of begin.lua, and the states with it.
func decision(value any) (d guard.Decision, states []string, err error) {
	list, _ := value.([]any)
	if len(list) != 6 {
		return d, nil, errForeign
	}
	verdict, known := verdicts[fmt.Sprint(list[0])]
	after, err := strconv.ParseInt(fmt.Sprint(list[1]), 10, 64)
	order, isNumber := list[2].(int64)
	if err != nil || !known || !isNumber || order < 0 || int(order) >= len(orders) {
		return d, nil, errForeign
	}
	d = guard.Decision{Verdict: verdict, After: time.Duration(after) * time.Microsecond, Order: orders[order], Failing: list[3] == int64(1), Proven: list[4] == int64(1)}
	lines, _ := list[5].([]any)
	for _, line := range lines {
		states = append(states, fmt.Sprint(line))
	}
	return d, states, nil
}

// recordOf reads an entry of snapshot.lua, and the state with it.
func recordOf(entry any) (r guard.Record, state string, err error) {
	list, _ := entry.([]any)
	if len(list) != 13 {
		return r, "", errForeign
	}
	var n [12]int64
	for i, value := range list[1:12] {
		if n[i+1], err = strconv.ParseInt(fmt.Sprint(value), 10, 64); err != nil {
			return r, "", errForeign
		}
	}
	if r.Material, err = guard.ParseDigest(fmt.Sprint(list[0])); err != nil {
		return r, "", errForeign
	}
	r.Failed, r.Refused, r.Closed, r.Proven = int(n[1]), int(n[2]), time.Duration(n[3])*time.Microsecond, n[4] == 1
	r.Permits, r.Accepting, r.Doubtful = int(n[5]), int(n[6]), int(n[7])
	r.Budget, r.RefusedDay, r.WrongDay, r.Idle = int(n[8]), int(n[9]), int(n[10]), time.Duration(n[11])*time.Microsecond
	if n[11] < 0 {
		r.Idle = -1
	}
	state = fmt.Sprint(list[12])
	s, err := stateOf(state)
	r.ID = s.ID
	return r, state, err
}

// stateOf reads a line of the function state in rules.lua.
func stateOf(line string) (s guard.State, err error) {
	f := strings.Fields(line)
	if len(f) != 18 {
		return s, errForeign
	}
	number := func(i int) (n int64) {
		n, failed := strconv.ParseInt(f[i], 10, 64)
		err = errors.Join(err, failed)
		return n
	}
	digest := func(i int) (d guard.Digest) {
		if f[i] == "-" {
			return d
		}
		d, failed := guard.ParseDigest(f[i])
		err = errors.Join(err, failed)
		return d
	}
	s = guard.State{
		Material: digest(0), Failed: int(number(1)), Refused: int(number(2)), Accepting: int(number(3)), Cleared: int(number(17)),
		LastFailed: number(4), LastAccepted: number(5), ClosedUntil: number(6), Suspect: number(7), Proven: number(8) == 1,
		ID: digest(9), Device: digest(12), Accepted: number(13), DeviceFailures: int(number(14)), PausedUntil: number(15), Now: number(16),
	}
	for _, i := range []int{10, 11} {
		if v := digest(i); v != (guard.Digest{}) {
			s.Versions = append(s.Versions, v)
		}
	}
	return s, err
}
