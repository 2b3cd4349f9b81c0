//go:build unix && !linux

package host

func beTracer()            {}
func serveTraced()         {}
func serveAsAnotherUser()  {}
func beHostOfAnotherUser() {}
