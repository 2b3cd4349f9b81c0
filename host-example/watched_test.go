package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// watched is "host-example run" as a process, which serves metrics at a port that the system chose.
type watched struct {
	*process
	client http.Client
	url    string
}

// listensAt finds the address in a worker's log.
var listensAt = regexp.MustCompile(`metrics and health are served: address=(\S+)`)

// startWatched starts one. Its address is known when it listens, whatever it does after that.
func startWatched(t *testing.T, environ ...string) *watched {
	t.Helper()
	w := &watched{
		process: startProcess(t, t.TempDir(), append(environ, "TOM_WORKER_METRICS_ADDRESS=127.0.0.1:0"), "run"),
		client:  http.Client{Timeout: 20 * time.Second},
	}
	t.Cleanup(w.client.CloseIdleConnections)
	w.until("it listens", func() bool {
		found := listensAt.FindStringSubmatch(w.log.String())
		if found != nil {
			w.url = "http://" + found[1]
		}
		return found != nil
	})
	return w
}

// get returns an answer's status and text.
func (w *watched) get(path string) (int, string) {
	w.t.Helper()
	response, err := w.client.Get(w.url + path)
	if err != nil {
		w.t.Fatalf("%v; the log:\n%s", err, w.log.String())
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// ready says what /readyz says: the names of the conditions that don't hold.
func (w *watched) ready() (failing []string, body string) {
	w.t.Helper()
	status, body := w.get("/readyz")
	var answer struct {
		Ready      bool
		Conditions []struct {
			Name string
			OK   bool
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	for _, condition := range answer.Conditions {
		if !condition.OK {
			failing = append(failing, condition.Name)
		}
	}
	if ready := len(failing) == 0; answer.Ready != ready || (status == http.StatusOK) != ready || !ready && status != http.StatusServiceUnavailable {
		w.t.Errorf("status %d with %s", status, body)
	}
	return failing, body
}

// job has a job done, and returns its result.
func (w *watched) job(id string, port int, credential string) job.Result {
	w.t.Helper()
	return w.do(jobLine(id, port, credential))
}

func jobLine(id string, port int, credential string) string {
	return fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":%q,"commands":["show version"]}`+"\n", id, port, credential)
}

// leave ends the input and waits for the worker, which must have nothing to complain of.
func (w *watched) leave() {
	w.t.Helper()
	if _, log := w.end(); !w.cmd.ProcessState.Success() {
		w.t.Errorf("it ended with %v; the log:\n%s", w.cmd.ProcessState, log)
	}
}

// samples are those of a scrape, by name and labels.
func (w *watched) samples() map[string]float64 {
	w.t.Helper()
	status, body := w.get("/metrics")
	if status != http.StatusOK {
		w.t.Fatalf("status %d: %s", status, body)
	}
	samples := make(map[string]float64)
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil && !strings.HasPrefix(line, "#") {
			samples[line[:at]] = value
		}
	}
	return samples
}
