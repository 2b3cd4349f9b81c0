package provider

import (
	"os"
	"runtime/debug"
)

// heapGrowth is by how much the heap may grow until it is collected, in percent of what is in use. A provider keeps very
// little, and with Go's 100 its heap is collected whenever it reaches 4 MiB: with the AWS SDK, every hundred calls. Here that
// is 8 MiB.
const heapGrowth = 200

// spareCollector has the garbage collector run less often, unless the environment says how often it should.
func spareCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}
