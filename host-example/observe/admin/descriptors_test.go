//go:build linux || darwin

package admin_test

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/limittest"
)

// record keeps what is logged, and hands on each line.
type record chan string

func (r record) Write(p []byte) (int, error) {
	select {
	case r <- string(p):
	default: // more lines than a test looks at
	}
	return len(p), nil
}

// Connections that come while the process has as many files open as it may neither end the server nor keep it busy: it waits,
// longer each time, and serves them once there is room.
func TestOutOfDescriptors(t *testing.T) {
	log := make(record, 1000)
	_, server, _ := serve(t, hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug}))
	conn, restore := limittest.DialAtLimit(t, "tcp", server.Address())
	defer restore()
	for _, pause := range []string{"5ms", "10ms", "20ms", "40ms", "80ms"} {
		select {
		case line := <-log:
			if !strings.Contains(line, syscall.EMFILE.Error()+"; retrying in "+pause) {
				t.Errorf("logged, with %s to wait: %s", pause, line)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("it doesn't wait %s", pause)
		}
	}
	restore()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if answer, readErr := io.ReadAll(conn); err != nil || readErr != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
		t.Errorf("the connection that waited: %q, %v, %v", answer, err, readErr)
	}
	response, err := http.Get("http://" + server.Address() + "/")
	if err != nil {
		t.Fatalf("a connection after it: %v", err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}
