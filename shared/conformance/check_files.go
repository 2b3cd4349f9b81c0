package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// checkFilesWritten looks at the files in the directories that a launch has for itself, and at those that are new where all
// programs put theirs.
func checkFilesWritten(ctx context.Context, e *exam) error {
	if unknown := e.evidence.told(); unknown != nil {
		return unknown
	}
	i, err := e.freshAlone(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	watch := watchFiles(i.dir)
	defer watch.end()
	err = e.watched(ctx, i, func() error { return e.secretFile(i.dir, maxDepthOwn, time.Time{}) })
	if err == nil {
		err = e.fleeting(ctx, i, watch)
	}
	if err != nil {
		return err
	}
	i.askShutdown(ctx)
	i.wait(ctx, endTime)
	if err := e.secretFile(i.dir, maxDepthOwn, time.Time{}); err != nil {
		return err
	}
	if e.secretElsewhere(start) == nil {
		return nil
	}
	// It may be another program's. If it is the provider's it comes again.
	if i, err = e.freshAlone(ctx); err != nil {
		return err
	}
	start = time.Now()
	e.use(ctx, i)
	return e.secretElsewhere(start)
}

// freshAlone launches a process with its own directories, as far as it works with them.
func (e *exam) freshAlone(ctx context.Context) (*instance, error) {
	options := hosted()
	options.alone = true
	i, err := e.fresh(ctx, options)
	if err == nil {
		err = e.configureWell(ctx, i, e.absolute())
	}
	if err == nil {
		if _, err = i.get(ctx, e.anyID()); err == nil {
			return i, nil
		}
	}
	return e.freshReady(ctx, hosted())
}

// absolute are the settings that are relative paths of files that exist, made absolute.
func (e *exam) absolute() map[string]any {
	settings := map[string]any{}
	for name, value := range e.options.Settings {
		path, isText := value.(string)
		if !isText || path == "" || filepath.IsAbs(path) {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if absolute, err := filepath.Abs(path); err == nil {
			settings[name] = absolute
		}
	}
	return settings
}

// Bounds of a search for files.
const (
	maxDepthOwn   = 16
	maxDepthOther = 2
	maxEntries    = 5000
	maxContent    = 1 << 20
)

// secretElsewhere looks at the files that are new or changed where all programs put theirs.
func (e *exam) secretElsewhere(since time.Time) error {
	for _, dir := range append(sharedDirs(), filepath.Dir(e.options.Plugin)) {
		if err := e.secretFile(dir, maxDepthOther, since.Add(-10*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// sharedDirs are where all programs put files.
func sharedDirs() []string {
	var all []string
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm", os.Getenv("XDG_RUNTIME_DIR")} {
		if dir == "" {
			continue
		}
		if resolved, err := filepath.EvalSymlinks(dir); err == nil && !slices.Contains(all, resolved) {
			all = append(all, resolved)
		}
	}
	return all
}

// present are the files that there are in the shared directories and beside the plugin: they aren't the provider's.
func present(plugin string) map[string]bool {
	all, dirs := map[string]bool{}, sharedDirs()
	if plugin != "" {
		dirs = append(dirs, filepath.Dir(plugin))
	}
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			all[path] = true
			if err == nil && entry.IsDir() && path != dir && filepath.Dir(path) != dir || len(all) > 4*maxEntries {
				return fs.SkipDir
			}
			return nil
		})
	}
	return all
}

// secretFile finds a file with a secret in it, in its name or in where it leads, that was changed since a moment. Links aren't followed.
func (e *exam) secretFile(dir string, depth int, since time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil || depth == 0 {
		return nil //nolint:nilerr // it may be gone
	}
	for n, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		if err != nil || n > maxEntries || info.IsDir() && e.launchDir(path) || e.present[path] && !info.IsDir() {
			continue
		}
		if info.ModTime().After(since) {
			if err := e.secretIn(path, info); err != nil {
				return err
			}
		}
		if info.IsDir() {
			if err := e.secretFile(path, depth-1, since); err != nil {
				return err
			}
		}
	}
	return nil
}

// secretIn returns an error if there is a secret in a file, in its name, or in where it leads.
func (e *exam) secretIn(path string, info fs.FileInfo) error {
	text := []byte(filepath.Base(path) + "\n")
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, _ := os.Readlink(path)
		text = append(text, target...)
	case info.Mode().IsRegular():
		file, err := os.Open(path) //nolint:gosec // it is looked at, and no more
		if errors.Is(err, fs.ErrPermission) && os.Chmod(path, info.Mode().Perm()|0o400) == nil {
			file, err = os.Open(path) //nolint:gosec // as above
		}
		if err == nil {
			text = append(text, content(file)...)
			_ = file.Close()
		}
	}
	return e.secretText(filepath.Base(path), text)
}

func (e *exam) secretText(name string, text []byte) error {
	e.evidence.secrets.anew()
	if found := e.evidence.find(bytes.ReplaceAll(text, []byte{0}, nil)); found != "" {
		return fmt.Errorf("the file %s, or its name, holds %s", e.evidence.harmless(name), found)
	}
	return nil
}

// content is what a file holds: of a long one the start and the end.
func content(file *os.File) []byte {
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.NewSectionReader(file, 0, maxContent))
	if rest := info.Size() - maxContent; rest > 0 {
		end, _ := io.ReadAll(io.NewSectionReader(file, max(maxContent-overlap, info.Size()-maxContent), maxContent))
		text = append(append(text, '\n'), end...)
	}
	return text
}

// fleeting uses a process for files that are gone at once: where the system tells of new files each is opened before it is gone, for
// the most part, and the more often one is written, the more surely.
func (e *exam) fleeting(ctx context.Context, i *instance, watch *fileWatch) error {
	const rounds = 8
	for range rounds {
		if watch == nil || ctx.Err() != nil {
			break
		}
		for _, id := range e.ids() {
			_, _ = i.get(ctx, id)
		}
	}
	for _, file := range watch.opened() {
		if err := e.secretText(filepath.Base(file.Name()), content(file)); err != nil {
			return err
		}
	}
	return nil
}

// launchDir reports whether a directory is one that a launch of any exam was given.
func (e *exam) launchDir(path string) bool {
	_, err := os.Stat(filepath.Join(path, launchMark))
	return err == nil
}
