package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// maxFile bounds the file, in bytes: some ten thousand credentials.
const maxFile = 16 << 20

// settling is how old a change must be before the file's times can be trusted to show the next one: file systems count
// in steps of up to two seconds.
const settling = 3 * time.Second

// A file that was written to a moment ago may be the half of what it will be. The other half would read as "there is no such
// credential", for which a worker forgets the one that it has.
const (
	quiet    = 100 * time.Millisecond // without a change: no process is writing
	patience = 2 * time.Second        // for that
	look     = 10 * time.Millisecond  // from one look to the next
)

// file is the credential file. It is parsed again when it has changed, which is looked at on each read: there is nothing
// that watches it, and so nothing that can miss a change.
type file struct {
	path            string
	log             hclog.Logger
	quiet, patience time.Duration

	turn   chan struct{} // holds one token: its holder reads
	last   *content      // what was read last
	warned fs.FileMode   // the permissions that were last warned of
}

func newFile(path string, log hclog.Logger) *file {
	f := &file{path: path, log: log, quiet: quiet, patience: patience, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

// read returns what the file holds at present. A file system may hang, a network's above all; ctx bounds the wait then.
func (f *file) read(ctx context.Context) (*content, error) {
	select {
	case <-f.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type outcome struct {
		content *content
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { f.turn <- struct{}{} }()
		content, err := f.refresh()
		done <- outcome{content, err}
	}()
	select {
	case o := <-done:
		return o.content, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refresh reads the file if it is not the one that was read last. It runs in one goroutine at a time.
func (f *file) refresh() (*content, error) {
	info, err := f.still()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, f.misconfigured("it is not a regular file")
	}
	if f.last != nil && f.last.isOf(info) {
		return f.last, nil
	}
	text, info, err := f.load()
	if err != nil {
		return nil, err
	}
	f.warnOfPermissions(info)
	entries, wrong := parse(text)
	if wrong != nil {
		advice := wrong.advice
		if advice == "" {
			advice = "put values with special characters into quotes, for example: password: 'p@ss: word'"
		}
		return nil, f.misconfigured("%s", wrong.String()).WithHelp("%s", advice)
	}
	f.last = &content{path: f.path, info: info, read: time.Now(), entries: entries}
	f.log.Debug("credential file read", "path", f.path, "credentials", len(entries))
	return f.last, nil
}

// still waits until no process writes to the file, and returns what is known of it then. A time in the future says nothing.
func (f *file) still() (fs.FileInfo, error) {
	for started := time.Now(); ; {
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, f.failure(err)
		}
		age := time.Since(info.ModTime())
		if age < 0 || age >= f.quiet || f.last != nil && f.last.isOf(info) {
			return info, nil
		}
		if time.Since(started) > f.patience {
			return nil, credential.Errorf(credential.BackendUnavailable, "credential file %s: another process keeps writing to it", f.path).
				With("stage", "read").WithHelp("write another file, and rename it to %s", f.path)
		}
		time.Sleep(min(look, f.quiet-age))
	}
}

// load reads the whole file, and what is known of exactly the file that it read.
func (f *file) load() ([]byte, fs.FileInfo, error) {
	opened, err := regular.Open(f.path)
	if err != nil {
		return nil, nil, f.failure(err)
	}
	defer func() { _ = opened.Close() }()
	info, err := opened.Stat() // before the reading: a change in the meantime makes the next read differ
	if err != nil {
		return nil, nil, f.failure(err)
	}
	text, err := io.ReadAll(io.LimitReader(opened, maxFile+1))
	if err != nil {
		return nil, nil, f.failure(err)
	}
	if len(text) > maxFile {
		return nil, nil, f.misconfigured("it has more than %d bytes", maxFile)
	}
	return text, info, nil
}

// isOf reports whether the content is surely what a file of this description holds.
func (c *content) isOf(info fs.FileInfo) bool {
	return os.SameFile(c.info, info) && c.info.Size() == info.Size() && c.info.ModTime().Equal(info.ModTime()) &&
		c.info.Mode() == info.Mode() && c.read.Sub(info.ModTime()) > settling
}

// failure is an error of the file system in the contract's words.
func (f *file) failure(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.misconfigured("it doesn't exist").
			WithHelp("create it, or set plugin_yaml_credential_file (and project_root, if the path is relative)")
	case errors.Is(err, fs.ErrPermission):
		return credential.Errorf(credential.AccessDenied, "credential file %s: the worker's user may not read it", f.path).
			With("action", "read").With("resource", f.path).WithHelp("chown it to the worker's user")
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the path is in the message already
	}
	return credential.Errorf(credential.BackendUnavailable, "credential file %s: %w", f.path, err).With("stage", "read")
}

func (f *file) misconfigured(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendMisconfigured, "credential file %s: %s", f.path, fmt.Sprintf(format, args...))
}

// exposed says which permissions the file grants to others than its owner; 0 if none. Windows has no such bits.
func exposed(info fs.FileInfo) fs.FileMode {
	if runtime.GOOS == "windows" {
		return 0
	}
	return info.Mode().Perm() & 0o077
}

// warnOfPermissions logs a warning once for each change of the permissions.
func (f *file) warnOfPermissions(info fs.FileInfo) {
	if bits := exposed(info); bits != f.warned {
		f.warned = bits
		if bits != 0 {
			f.log.Warn("the credential file is open to other users", "path", f.path, "mode", info.Mode().Perm().String(), "remedy", "chmod 600 "+f.path)
		}
	}
}
