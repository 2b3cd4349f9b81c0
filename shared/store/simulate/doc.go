// Package simulate plays a day's trouble to a fleet of workers, in virtual time: each worker has a real store, in front of a
// backend that goes out and whose credentials are rotated. Beside it, two fleets without it meet the same: one reads
// a credential for every job, and one keeps what it has read for as long, and knows nothing of devices.
//
// It is a test, since virtual time is there in tests only: a small fleet with every run of the tests, and the whole one
// with make simulate.
package simulate
