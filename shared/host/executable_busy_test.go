//go:build unix

package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// A process that another goroutine starts while a pinned copy is written has the copy open for writing, until it executes its
// own program: no process could execute the copy then (ETXTBSY).
func TestPinnedCopyIsNotBusy(t *testing.T) {
	makeSealed = func(string, []byte) *os.File { return nil }
	defer func() { makeSealed = sealed }()
	path := executableFile(t, t.TempDir(), "tom-credential-x", 0o755)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(content))
	var others sync.WaitGroup
	defer others.Wait()
	done := make(chan struct{})
	defer close(done)
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.Command(path).Run()
				}
			}
		})
	}
	for range 200 {
		exe, err := prepare(t.Context(), path, digest, "")
		if err != nil {
			t.Fatal(err)
		}
		run, err := exe.open()
		if err != nil {
			t.Fatal(err)
		}
		err = exec.Command(run.path).Run()
		run.close()
		exe.discard()
		if errors.Is(err, syscall.ETXTBSY) {
			t.Fatal(err)
		}
	}
}
