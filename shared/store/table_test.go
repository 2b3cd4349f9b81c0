package store

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestTableIsAMap plays at random with a table and a map. Hashes with few bits have the cells get in each other's way, and
// different ids have the same.
func TestTableIsAMap(t *testing.T) {
	for _, bits := range []int{0, 3, 8, 64} {
		t.Run(fmt.Sprint(bits, " bits"), func(t *testing.T) {
			seed := maphash.MakeSeed()
			hash := func(id string) uint64 { return lowBits(maphash.String(seed, id), bits) }
			table, want := newTable(), make(map[string]*cell)
			ids := variousIDs(150)
			for step := range 10_000 {
				// It fills up and empties by turns.
				id := ids[rand.IntN(len(ids))]
				if rand.IntN(100) < 30+40*(step/1000%2) {
					want[id] = newCell(id, &answer{}, instant{})
					table.put(hash(id), want[id])
				} else {
					delete(want, id)
					table.remove(hash(id), id)
				}
				if table.used != len(want) {
					t.Fatalf("step %d: %d cells, want %d", step, table.used, len(want))
				}
				for _, id := range []string{id, ids[rand.IntN(len(ids))]} {
					if got := table.find(hash(id), id); got != want[id] {
						t.Fatalf("step %d: %q: %p, want %p", step, id, got, want[id])
					}
				}
				if step%100 == 0 {
					for _, id := range ids {
						if got := table.find(hash(id), id); got != want[id] {
							t.Fatalf("step %d: %q: %p, want %p", step, id, got, want[id])
						}
					}
				}
			}
		})
	}
}

// lowBits keeps so many bits of a hash and sets the others, so that searches begin near the end of the slots and go on at
// their beginning.
func lowBits(hash uint64, bits int) uint64 { return hash | ^uint64(0)<<bits }

// variousIDs are ids of all kinds of lengths, of which many are how others begin.
func variousIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strings.Repeat("x", 1+i/2)
		if i%2 == 1 {
			ids[i] += "y"
		}
	}
	ids[0] = strings.Repeat("x", credential.MaxIDLength-1) + "y"
	ids[1] = strings.Repeat("x", credential.MaxIDLength-1) + "z"
	return ids
}

// TestTableGrows: by doubling, and not for cells that come and go.
func TestTableGrows(t *testing.T) {
	c := newCells(1000)
	for i := range 10_000 {
		c.put(key{id: strconv.Itoa(i)}, &answer{}, instant{})
	}
	if slots := len(*c.current.slots.Load()); slots != 2048 || c.current.used != 1000 {
		t.Errorf("%d slots for %d cells", slots, c.current.used)
	}
	for i := range 10_000 {
		if found := c.load(strconv.Itoa(i)) != nil; found != (i >= 9000) {
			t.Errorf("%d: %v", i, found)
		}
	}
	c.order.Purge()
	for i, slots := 0, *c.current.slots.Load(); i < len(slots); i++ {
		if slots[i].cell.Load() != nil {
			t.Errorf("slot %d isn't empty", i)
		}
	}
}

// TestTableFindsAllWhileItGrows: if nothing is removed, readers never have to look where the lock is.
func TestTableFindsAllWhileItGrows(t *testing.T) {
	c := newCells(10_000)
	var there atomic.Int64
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for n := int64(0); n < 10_000; {
				if n = there.Load(); n == 0 {
					runtime.Gosched()
					continue
				}
				if i := strconv.FormatInt(rand.Int64N(n), 10); c.load(i) == nil {
					t.Errorf("%s of %d isn't found", i, n)
					return
				}
			}
		})
	}
	for i := range 10_000 {
		c.put(key{id: strconv.Itoa(i)}, &answer{}, instant{})
		c.put(key{id: strconv.Itoa(i / 2)}, &answer{}, instant{})
		there.Store(int64(i + 1))
	}
	readers.Wait()
}

// TestRemovedIsGone: readers find nothing under an id that was put there for another one, or that had been removed or
// replaced before they began.
func TestRemovedIsGone(t *testing.T) {
	const ids, steps = 40, 50_000
	c := newCells(30) // some are pushed out
	var oldest [ids]atomic.Int64
	var done atomic.Bool
	var found atomic.Int64
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				i := rand.IntN(ids)
				id, since := strconv.Itoa(i), oldest[i].Load()
				got := c.load(id)
				if got == nil {
					continue
				}
				found.Add(1)
				if got.id != id || int64(got.asked.mono) < since {
					t.Errorf("%s: found %s of step %d, after %d", id, got.id, got.asked.mono, since)
					return
				}
			}
		})
	}
	for step := int64(1); step <= steps || found.Load() < 1000; step++ {
		i := rand.IntN(ids)
		k := key{id: strconv.Itoa(i)}
		if rand.IntN(3) == 0 {
			c.order.Remove(k)
		} else {
			c.put(k, &answer{asked: instant{mono: time.Duration(step)}}, instant{})
		}
		oldest[i].Store(step)
		if step > 100*steps {
			t.Fatal("the readers find nothing")
		}
	}
	done.Store(true)
	readers.Wait()
}

// TestTableKeepsNothingAlive: what has been removed, replaced or pushed out is collected, wherever it has been in between.
func TestTableKeepsNothingAlive(t *testing.T) {
	c := newCells(800)
	var all [1000]weak.Pointer[credential.Credential]
	put := func(i int) {
		cred := &credential.Credential{ID: strconv.Itoa(i)}
		all[i] = weak.Make(cred)
		c.put(key{id: cred.ID}, &answer{credential: cred}, instant{})
	}
	var replaced [100]weak.Pointer[credential.Credential]
	for i := range all {
		put(i)
	}
	for i := 500; i < 600; i++ {
		replaced[i-500] = all[i]
		put(i)
	}
	for i := 300; i < 1000; i += 2 {
		c.order.Remove(key{id: strconv.Itoa(i)})
	}
	runtime.GC()
	runtime.GC()
	for i := range all {
		kept := i >= 200 && (i < 300 || i%2 == 1)
		if found := c.load(strconv.Itoa(i)) != nil; found != kept {
			t.Errorf("%d: found: %v, want %v", i, found, kept)
		}
		if alive := all[i].Value() != nil; alive != kept {
			t.Errorf("%d: in memory: %v, want %v", i, alive, kept)
		}
	}
	for i := range replaced {
		if replaced[i].Value() != nil {
			t.Errorf("%d: what was replaced is in memory", i+500)
		}
	}
	runtime.KeepAlive(c)
}

// TestCellFitsIntoTwoLines of a processor's cache, which are 64 bytes long: what decides about a read is in the first one.
func TestCellFitsIntoTwoLines(t *testing.T) {
	size, second := unsafe.Sizeof(cell{}), unsafe.Offsetof(cell{}.answer)
	if second > 64 {
		t.Errorf("the answer's fields end at byte %d", second)
	}
	c := newCells(100)
	for i := range 100 {
		id := strconv.Itoa(i)
		c.put(key{id: id}, &answer{}, instant{})
		at := uintptr(unsafe.Pointer(c.load(id)))
		if lines := (at+size-1)/64 - at/64 + 1; lines > 2 {
			t.Errorf("a cell of %d bytes at %x takes %d lines", size, at, lines)
		}
	}
}
