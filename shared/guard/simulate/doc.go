// Package simulate plays a fleet of workers against devices, an AAA server and a backend in virtual time, with the real guard
// and a real ledger. It is for tests and for `make simulate`: call [Run] in a testing/synctest bubble.
//
// Devices answer after 0.1 to 2 s; the AAA server, which all devices but drifted ones ask, locks the account after 5 wrong
// passwords in 10 minutes, and so does each device where accounts are local.
package simulate
