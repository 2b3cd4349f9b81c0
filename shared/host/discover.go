package host

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// namePattern is what a provider's name looks like.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// DefaultDirs are the directories that are searched unless told otherwise: "plugins" beside the running executable, then
// /usr/local/libexec/tom/plugins.
func DefaultDirs() []string {
	dirs := []string{"/usr/local/libexec/tom/plugins"}
	if self, err := os.Executable(); err == nil {
		dirs = slices.Insert(dirs, 0, filepath.Join(filepath.Dir(self), "plugins"))
	}
	return dirs
}

// Candidate is an executable that is named like a provider.
type Candidate struct {
	Name string
	Path string
	// Problem says why it would not be launched (credential.ProviderRefused), or is nil. It was not launched to find out.
	Problem error
}

// Discover lists the providers in dirs, sorted by name. Where two directories have the same name, the first one counts, as
// it does for [Find]. Directories that don't exist or can't be read have none.
func Discover(dirs []string) []Candidate {
	var all []Candidate
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			name, ok := providerName(entry.Name())
			if !ok || slices.ContainsFunc(all, func(f Candidate) bool { return f.Name == name }) {
				continue
			}
			all = append(all, Inspect(name, filepath.Join(dir, entry.Name())))
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Inspect looks at one file as [Discover] does at those that it finds: a Found whose Problem says why it would not be
// launched. The name is the caller's, and path is absolute.
func Inspect(name, path string) Candidate {
	run, err := (&executable{origin: path, search: os.Getenv("PATH")}).check()
	if err == nil {
		run.close()
	}
	return Candidate{Name: name, Path: path, Problem: err}
}

// Find returns the path of a provider's executable: the first of dirs that has one. Its error is a [*NotFoundError].
func Find(name string, dirs []string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, wire.ExecutablePrefix+name+executableSuffix())
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		}
	}
	return "", &NotFoundError{Name: name, Dirs: slices.Clone(dirs), Candidates: Discover(dirs)}
}

// NotFoundError is credential.ProviderNotFound with what a caller needs to help: what there is, and where it was looked for.
type NotFoundError struct {
	Name       string
	Dirs       []string
	Candidates []Candidate
}

// Error implements error.
func (e *NotFoundError) Error() string {
	names := "none"
	if len(e.Candidates) > 0 {
		list := make([]string, len(e.Candidates))
		for i, found := range e.Candidates {
			list[i] = found.Name
		}
		names = strings.Join(list, ", ")
	}
	return fmt.Sprintf("there is no provider %q (%s%s) in %s; providers found: %s", e.Name, wire.ExecutablePrefix, e.Name, strings.Join(e.Dirs, ", "), names)
}

// Unwrap gives the error its reason.
func (e *NotFoundError) Unwrap() error {
	return (&credential.Error{Reason: credential.ProviderNotFound, Message: e.Error()}).
		WithHelp("put the provider's executable into one of the directories, or name it with credential_plugin_path")
}

func checkName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	err := credential.Errorf(credential.ProviderNotFound, "%q is not a provider's name: a name is made of lower-case letters, digits and underscores", name)
	if strings.ContainsAny(name, `/\.`) {
		return err.WithHelp("to launch a certain file, put its name into credential_plugin_path")
	}
	return err
}

func providerName(file string) (string, bool) {
	name, ok := strings.CutPrefix(file, wire.ExecutablePrefix)
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, executableSuffix())
	return name, ok && namePattern.MatchString(name)
}

func executableSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
