//go:build unix

package regular_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/regular"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file, pipe, link := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("content"), 0o600), syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link)); err != nil {
		t.Fatal(err)
	}
	opened, err := regular.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	if got, err := io.ReadAll(opened); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	for _, path := range []string{pipe, link, dir, "/dev/zero"} {
		done := make(chan error, 1)
		go func() {
			opened, err := regular.Open(path)
			if err == nil {
				_ = opened.Close()
			}
			done <- err
		}()
		select {
		case err := <-done:
			if want := map[bool]error{true: regular.ErrDirectory, false: regular.ErrNotRegular}[path == dir]; !errors.Is(err, want) {
				t.Errorf("%s: error %v", path, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s holds its reader", path)
		}
	}
	if _, err := regular.Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	null, err := regular.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = null.Close()
}

// A file that was written is executed at once, whatever else is started at that moment, and is never written over.
func TestWriteExecutable(t *testing.T) {
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
					_ = exec.Command("/bin/true").Run()
				}
			}
		})
	}
	dir := t.TempDir()
	for i := range 200 {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := regular.WriteExecutable(path, strings.NewReader("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(path).Run(); err != nil {
			t.Fatal(err)
		}
	}
	err := regular.WriteExecutable(filepath.Join(dir, "0"), strings.NewReader("another"), 0o700)
	content, _ := os.ReadFile(filepath.Join(dir, "0"))
	if !errors.Is(err, fs.ErrExist) || string(content) != "#!/bin/sh\n" {
		t.Errorf("written over: %v, %q", err, content)
	}
}
