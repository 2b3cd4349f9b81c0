package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

const canary = "canary-password-71a4"

func result() store.Result {
	return store.Result{
		Credential: &credential.Credential{
			ID: "lab", Username: "admin", Password: credential.Password(canary), VersionID: "v1", BackendRequestID: "r1",
			Extra: map[string]credential.Redacted{"enable_password": credential.NewRedacted(canary)},
		},
		Freshness: store.Stale, Age: 1832 * time.Millisecond, // which Duration.Seconds makes 1.8319999999999999
	}
}

func openFile(t *testing.T, path string) (*Log, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	l, err := Open(path, nil, hclog.New(&hclog.LoggerOptions{Output: &log, Mutex: &sync.Mutex{}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, &log
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var moment = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l, _ := openFile(t, path)
	to := Recipient{Job: "1", Device: "10.0.0.1:22", Attempt: 2}
	if err := l.HandedOut(t.Context(), to, result()); err != nil {
		t.Fatal(err)
	}
	if err := l.HandedOut(t.Context(), Recipient{Command: "get", User: "ann", Revealed: true}, store.Result{Credential: &credential.Credential{ID: "lab"}}); err != nil {
		t.Fatal(err)
	}
	l.Withheld(t.Context(), Recipient{Job: "2", Device: "10.0.0.1:22"}, "core", credential.Errorf(credential.AccessDenied, "no, "+canary))
	l.Withheld(t.Context(), to, "lab", credential.Errorf(credential.Cancelled, "stopped asking"))
	l.Withheld(t.Context(), Recipient{}, "lab", errors.New(canary))

	want := `{"time":T,"event":"handed_out","job":"1","device":"10.0.0.1:22","attempt":2,"credential_id":"lab","credential_version":"v1","outcome":"stale","age":1.832,"backend_request_id":"r1"}
{"time":T,"event":"handed_out","command":"get","user":"ann","revealed":true,"credential_id":"lab","outcome":"fresh","age":0}
{"time":T,"event":"withheld","reason":"ACCESS_DENIED","job":"2","device":"10.0.0.1:22","credential_id":"core"}
{"time":T,"event":"withheld","reason":"INTERNAL","credential_id":"lab"}
`
	if got := moment.ReplaceAllString(read(t, path), "T"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestInTheLog(t *testing.T) {
	l, log := openFile(t, "")
	if err := l.HandedOut(t.Context(), Recipient{Job: "1", Device: "10.0.0.1:22", Attempt: 1}, result()); err != nil {
		t.Fatal(err)
	}
	l.Withheld(t.Context(), Recipient{Command: "get", User: "ann", Revealed: true}, "core", credential.CredentialNotFound)
	for _, want := range []string{
		"[INFO]  audit: credential handed out: credential_id=lab job=1 device=10.0.0.1:22 attempt=1 credential_version=v1 outcome=stale age=1.832 backend_request_id=r1\n",
		"[INFO]  audit: credential withheld: credential_id=core reason=CREDENTIAL_NOT_FOUND command=get user=ann revealed=true\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), canary) {
		t.Error("a secret is in the log")
	}
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
}

func TestStderr(t *testing.T) {
	var stderr bytes.Buffer
	l, err := Open(Stderr, &stderr, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	l.Withheld(t.Context(), Recipient{Job: "1"}, "lab", credential.CredentialNotFound)
	if !json.Valid(stderr.Bytes()) || l.Reopen() != nil {
		t.Errorf("got %q", stderr.String())
	}
}

// Jobs that run side by side don't write into each other's lines, nor do they lose any while the file is changed.
func TestConcurrentLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l, _ := openFile(t, path)
	const writers, each = 20, 50
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				if err := l.HandedOut(t.Context(), Recipient{Job: fmt.Sprintf("%d-%d", w, i)}, result()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if runtime.GOOS != "windows" { // which doesn't rename open files
		if err := os.Rename(path, path+".1"); err != nil {
			t.Error(err)
		}
	}
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	running.Wait()
	both := read(t, path)
	if old, err := os.ReadFile(path + ".1"); err == nil {
		both += string(old)
	}
	seen := map[string]bool{}
	for text := range strings.Lines(both) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		seen[l.Job] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d lines of %d", len(seen), writers*each)
	}
}

func TestReopen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows doesn't rename open files")
	}
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.log")
	l, _ := openFile(t, path)
	write := func(id string) {
		t.Helper()
		if err := l.HandedOut(t.Context(), Recipient{Job: id}, result()); err != nil {
			t.Error(err)
		}
	}
	write("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("second") // still to the old one
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write("third")
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("a file in a directory that isn't there")
	}
	write("fourth")
	if got := read(t, dir+".moved/audit.log.1"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "first") || !strings.Contains(got, "second") {
		t.Errorf("the old file has %q", got)
	}
	if got := read(t, dir+".moved/audit.log"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "third") || !strings.Contains(got, "fourth") {
		t.Errorf("the new file has %q", got)
	}
}

func TestFilesThatCannotBeOne(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	paths := []string{dir, filepath.Join(dir, "none", "audit.log")}
	if makePipe(t, pipe) {
		paths = append(paths, pipe)
	}
	for _, path := range paths {
		if l, err := Open(path, nil, hclog.NewNullLogger()); err == nil {
			l.Close()
			t.Errorf("%s was opened", path)
		} else if strings.Contains(err.Error(), path) {
			t.Errorf("%v names the path, which its caller does", err)
		}
	}
}

// breaking writes so many bytes and then no more.
type breaking struct {
	bytes.Buffer
	room int
}

func (b *breaking) Write(p []byte) (int, error) {
	fits := min(len(p), b.room)
	b.room -= fits
	b.Buffer.Write(p[:fits])
	if fits < len(p) {
		return fits, syscall.ENOSPC
	}
	return fits, nil
}

// A disk that is full keeps credentials from being handed out, and nothing else: when there is room again they are, and
// a line that was broken off takes no other one with it.
func TestFullDisk(t *testing.T) {
	disk := &breaking{room: 1 << 20}
	var log bytes.Buffer
	l, err := Open(Stderr, disk, hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err != nil {
		t.Fatal(err)
	}
	write := func(want bool) {
		t.Helper()
		err := l.HandedOut(t.Context(), Recipient{Job: "1"}, result())
		if (err == nil) != want || err != nil && (credential.ReasonOf(err) != Failed || !errors.Is(err, syscall.ENOSPC)) {
			t.Errorf("got %v", err)
		}
	}
	write(true)
	for _, room := range []int{10, 0, 1, 5} { // the 1 is for the line break that closes the torn line
		disk.room = room
		write(false)
	}
	disk.room = 1 << 20
	write(true)
	write(true)
	whole, torn := 0, 0
	for text := range strings.Lines(disk.String()) {
		switch {
		case json.Valid([]byte(text)):
			whole++
		case text != "\n":
			torn++
		}
	}
	if whole != 3 || torn != 2 {
		t.Errorf("%d whole and %d torn lines:\n%s", whole, torn, disk)
	}
	if got := log.String(); strings.Count(got, "[ERROR]") != 1 || strings.Count(got, "can be written again") != 1 {
		t.Errorf("the log says\n%s", got)
	}
}
