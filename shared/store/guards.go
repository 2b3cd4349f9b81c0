package store

import "github.com/hashicorp/golang-lru/v2/simplelru"

// smallestGuards is how many ids are guarded at least, however small the cache is.
const smallestGuards = 1000

// guards are the guards of all ids. There is one only for ids that the backend has given a credential for, so names that
// somebody makes up take no room. Those that no login uses and that remember no refusal go first when there are too many,
// the least recently used one first. The others are never dropped for want of room, since that would lift a quarantine or
// send a refused password once more: when they alone are too many, logins with further ids fail.
type guards struct {
	limit int
	all   map[string]*guard
	// calm are those that may be dropped; marked is how many of the others remember a refusal.
	calm   *simplelru.LRU[string, *guard]
	marked map[*guard]bool
}

func newGuards(size int) *guards {
	limit := max(size, smallestGuards)
	gs := &guards{limit: limit, all: make(map[string]*guard), marked: make(map[*guard]bool)}
	gs.calm = newLRU[string, *guard](limit+1, nil) // trim comes first
	return gs
}

// enter returns the guard of an id for a login, nil if there is no room for one. The login calls leave when it is over.
func (gs *guards) enter(id string) *guard {
	g, ok := gs.all[id]
	if !ok {
		if len(gs.marked) >= gs.limit {
			return nil
		}
		g = newGuard(id)
		gs.all[id] = g
	}
	g.users++
	gs.calm.Remove(id)
	gs.trim()
	return g
}

func (gs *guards) leave(g *guard) {
	g.users--
	gs.changed(g)
}

// changed sorts a guard in anew after anything has happened to it.
func (gs *guards) changed(g *guard) {
	if g.spotless() {
		delete(gs.marked, g)
	} else {
		gs.marked[g] = true
	}
	if g.users == 0 && g.spotless() {
		if !gs.calm.Contains(g.id) {
			gs.calm.Add(g.id, g)
		}
	} else {
		gs.calm.Remove(g.id)
	}
	gs.trim()
}

// trim keeps within the limit as far as calm guards allow.
func (gs *guards) trim() {
	for len(gs.all) > gs.limit && gs.calm.Len() > 0 {
		id, _, _ := gs.calm.RemoveOldest()
		delete(gs.all, id)
	}
}

// forget drops what is known of an id. While logins use its guard only the knowledge goes: they still mustn't meet.
func (gs *guards) forget(id string) {
	g, ok := gs.all[id]
	if !ok {
		return
	}
	g.records, g.current, g.known, g.ask, g.nudged = nil, material{}, false, ask{}, instant{}
	g.broadcast()
	gs.changed(g)
	if g.users == 0 {
		gs.calm.Remove(id)
		delete(gs.all, id)
	}
}

// unask drops what the backend has answered to refusals, so that it is asked again.
func (gs *guards) unask() {
	for _, g := range gs.all {
		g.ask = ask{}
	}
}

func (gs *guards) clear() {
	for id := range gs.all {
		gs.forget(id)
	}
}
