// Package python holds no Go code but tests: of a credential provider written in Python, and of a host written in Python.
// README.md says how they are used.
package python

//go:generate go run ./contract tom_credential/contract.binpb
