// Package benchmark holds the benchmarks of reading credentials, from the store down to a backend. Each prints a ratio to
// a peer that is measured in the same run, in turns, so that a busy machine is as hard on the one as on the other; and the
// budget that the ratio should keep.
//
// Times are medians over all turns. There is nothing here to import: run make bench, or make bench BENCH=UncachedGet for some
// of them. The one of cached reads is in the directory cached.
package benchmark
