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

// DefaultDirs are the folders that are searched unless told otherwise: "plugins" beside the running executable, then
// /usr/local/libexec/tom/plugins.
func DefaultDirs() []string {
	dirs := []string{"/usr/local/libexec/tom/plugins"}
	if self, err := os.Executable(); err == nil {
		dirs = slices.Insert(dirs, 0, filepath.Join(filepath.Dir(self), "plugins"))
	}
	return dirs
}

// Found is an executable that is named like a provider.
type Found struct {
	Name string
	Path string
	// Problem says why it would not be launched (credential.ProviderRefused), or is nil. It was not launched to find out.
	Problem error
}

// Discover lists the providers in dirs, sorted by name. Where two folders have the same name, the first one counts, as
// it does for [Find]. Folders that don't exist or can't be read have none.
func Discover(dirs []string) []Found {
	var all []Found
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			name, ok := providerName(entry.Name())
			if !ok || slices.ContainsFunc(all, func(f Found) bool { return f.Name == name }) {
				continue
			}
			all = append(all, Check(name, filepath.Join(dir, entry.Name())))
		}
	}
	slices.SortFunc(all, func(a, b Found) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Check looks at one file as [Discover] does at those that it finds: a Found whose Problem says why it would not be
// launched. The name is the caller's, and path is absolute.
func Check(name, path string) Found {
	_, err := checkExecutable(path)
	return Found{Name: name, Path: path, Problem: err}
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
	return "", &NotFoundError{Name: name, Dirs: slices.Clone(dirs), Found: Discover(dirs)}
}

// NotFoundError is credential.ProviderNotFound with what a caller needs to help: what there is, and where it was looked for.
type NotFoundError struct {
	Name  string
	Dirs  []string
	Found []Found
}

// Error implements error.
func (e *NotFoundError) Error() string {
	names := "none"
	if len(e.Found) > 0 {
		list := make([]string, len(e.Found))
		for i, found := range e.Found {
			list[i] = found.Name
		}
		names = strings.Join(list, ", ")
	}
	return fmt.Sprintf("there is no provider %q (%s%s) in %s; providers found: %s", e.Name, wire.ExecutablePrefix, e.Name, strings.Join(e.Dirs, ", "), names)
}

// Unwrap gives the error its reason.
func (e *NotFoundError) Unwrap() error {
	return (&credential.Error{Reason: credential.ProviderNotFound, Message: e.Error()}).
		WithHelp("put the provider's executable into one of the folders, or name it with credential_plugin_path")
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
