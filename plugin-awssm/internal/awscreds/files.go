package awscreds

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// files are the shared configuration and credentials files.
type files struct {
	config, credentials file
	// profiles are those of both files: a profile of the configuration file with, over it, the section of the credentials
	// file of that name.
	profiles map[string]*profile
	// sessions and services are [sso-session NAME] and [services NAME] of the configuration file.
	sessions, services map[string]map[string]string
}

// file is one of them.
type file struct {
	path    string // expanded
	from    string // the variable that names it, or empty
	present bool
}

// profile is a profile of the shared files.
type profile struct {
	name   string
	values map[string]string // of both files
	// inConfig and inCredentials are the values of each file alone; nil if it isn't in that one.
	inConfig, inCredentials map[string]string
}

// value returns a value of both files; empty if there is none.
func (p *profile) value(key string) string {
	if p == nil {
		return ""
	}
	return p.values[key]
}

// has reports whether a key is there, even with an empty value.
func (p *profile) has(key string) bool {
	if p == nil {
		return false
	}
	_, found := p.values[key]
	return found
}

// readFiles reads the files that the environment names. A file that isn't there is an empty one, as it is to boto3; a file
// that can't be read is an error.
func readFiles() (*files, error) {
	all := &files{
		config:      locate("AWS_CONFIG_FILE", "~/.aws/config"),
		credentials: locate("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
		profiles:    make(map[string]*profile),
		sessions:    make(map[string]map[string]string),
		services:    make(map[string]map[string]string),
	}
	sections, err := all.config.read()
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		all.addConfig(s)
	}
	if sections, err = all.credentials.read(); err != nil {
		return nil, err
	}
	for _, s := range sections {
		p := all.profiles[s.name]
		if p == nil {
			p = &profile{name: s.name, values: make(map[string]string)}
			all.profiles[s.name] = p
		}
		p.inCredentials = s.values
		maps.Copy(p.values, s.values)
	}
	return all, nil
}

// addConfig takes a section of the configuration file. Of two that name the same thing, such as [profile default] and
// [default], the later one counts.
func (f *files) addConfig(s section) {
	name, into := "", map[string]map[string]string(nil)
	isProfile := false
	switch {
	case strings.HasPrefix(s.name, "profile"):
		isProfile, name = true, secondWord(s.name)
	case strings.HasPrefix(s.name, "sso-session"):
		name, into = secondWord(s.name), f.sessions
	case strings.HasPrefix(s.name, "services"):
		name, into = secondWord(s.name), f.services
	case s.name == "default":
		isProfile, name = true, s.name
	}
	switch {
	case name == "":
	case isProfile:
		f.profiles[name] = &profile{name: name, values: maps.Clone(s.values), inConfig: s.values}
	default:
		into[name] = s.values
	}
}

// secondWord returns the second of a section name's words if it has two: quotes group words.
func secondWord(name string) string {
	words, err := SplitWords(name)
	if err != nil || len(words) != 2 {
		return ""
	}
	return words[1]
}

// locate finds a file by the variable, which may hold other variables and a ~, or in its usual place.
func locate(variable, usual string) file {
	f := file{from: variable}
	path := os.Getenv(variable)
	if path == "" {
		f.from, path = "", usual
	}
	f.path = expandUser(expandVariables(path))
	info, err := os.Stat(f.path)
	f.present = err == nil && info.Mode().IsRegular()
	return f
}

// read returns the file's sections, or an error that names it.
func (f file) read() ([]section, error) {
	if !f.present {
		return nil, nil
	}
	sections, err := readSections(f.path)
	var syntax *syntaxError
	var path *fs.PathError
	switch {
	case err == nil:
		return sections, nil
	case errors.As(err, &syntax):
		return nil, misconfigured("the AWS file %s can't be read as an INI file: %v", f.shown(), syntax).
			WithHelp(`correct it; "aws configure list" reads the same file`)
	case errors.As(err, &path):
		return nil, misconfigured("the AWS file %s can't be read: %v", f.shown(), path.Err).WithHelp("let the worker's user read it")
	}
	return nil, misconfigured("the AWS file %s can't be read", f.shown()).WithHelp("let the worker's user read it")
}

// shown names the file for messages.
func (f file) shown() string {
	shown := f.path
	if f.from != "" {
		shown += " (" + f.from + ")"
	}
	return shown
}

// state is shown and whether the file is there.
func (f file) state() string {
	if f.present {
		return f.shown()
	}
	return f.shown() + ", which doesn't exist"
}

// where names the files that a profile is in.
func (f *files) where(p *profile) string {
	switch {
	case p == nil:
		return f.config.state() + " and " + f.credentials.state()
	case p.inConfig != nil && p.inCredentials != nil:
		return f.config.shown() + " and " + f.credentials.shown()
	case p.inConfig != nil:
		return f.config.shown()
	default:
		return f.credentials.shown()
	}
}

var variableInPath = regexp.MustCompile(`\$([A-Za-z0-9_]+|\{[^}]*\})`)

// expandVariables replaces $NAME and ${NAME}; variables that aren't set stay as they are written.
func expandVariables(path string) string {
	return variableInPath.ReplaceAllStringFunc(path, func(written string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(written[1:], "{"), "}")
		if value, set := os.LookupEnv(name); set {
			return value
		}
		return written
	})
}

// expandUser replaces ~ and ~USER at the start of a path; a user that isn't known stays as it is written.
func expandUser(path string) string {
	if !strings.HasPrefix(path, "~") {
		return path
	}
	name, rest := path[1:], ""
	if end := strings.IndexAny(name, separators); end >= 0 {
		name, rest = name[:end], name[end:]
	}
	home := ""
	if name == "" {
		home = homeDirectory()
	} else if known, err := user.Lookup(name); err == nil {
		home = known.HomeDir
	}
	if home == "" {
		return path
	}
	return strings.TrimRight(home, separators) + rest //nolint:staticcheck // on some systems both are the same
}

const separators = "/" + string(filepath.Separator)

// homeDirectory is the user's; empty if it isn't known.
func homeDirectory() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if current, err := user.Current(); err == nil {
		return current.HomeDir
	}
	return ""
}

func misconfigured(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendMisconfigured, format, args...)
}
