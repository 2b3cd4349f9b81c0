package conformance

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const unixScheme = "unix:"

// launching are the checks that launch a process or look at one, hand over settings, or need a backend that changes. They aren't made
// with something that runs already.
var launching = regexp.MustCompile(`^CP-((HANDSHAKE|TLS|BACKEND|SHUTDOWN|LIFELINE|PROCESS|LOG|TRACE|CHANGE|SESSION|GROWTH)-\d+|` +
	`CONFIGURE-(00[1-689]|01\d)|METADATA-002|METADATA-007|ROBUST-003|SECRECY-00[1258])$`)

// attached is a connection to what runs already, in the place of one to a process of the kit's own.
func (e *exam) attached(ctx context.Context) (*instance, error) {
	path := strings.TrimPrefix(e.options.Attach, unixScheme)
	i := &instance{process: &process{exited: make(chan struct{})}, shake: &handshake{network: "unix", address: path}}
	var err error
	if i.conn, err = i.dial(e, insecure.NewCredentials()); err != nil {
		return nil, err
	}
	if err := i.greet(ctx); !answered(err) {
		i.end()
		return nil, fmt.Errorf("nothing answers at %s: %s", e.options.Attach, e.evidence.harmless(status.Convert(err).Message()))
	}
	return i, nil
}
