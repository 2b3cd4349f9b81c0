// Package platform has what the worker types at network operating systems, as data: how paging is turned off, how
// configuration mode is entered and left, and how a device says that it rejects a command. Its names are those of netmiko's
// device types, which Tom uses too.
//
//	platforms, err := platform.Load("platforms.yaml") // or "" for the built-in ones alone
//	ios, err := platforms.Find("cisco_ios")
//	line := ios.Rejection(output)
package platform

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tom-worker/credential-provider/shared/regular"
	"github.com/tom-worker/credential-provider/shared/text"
)

//go:embed platforms.yaml
var builtIn []byte

// Generic is the platform of jobs that name none.
const Generic = "generic"

// Platform is one network operating system. It isn't changed after [Load].
type Platform struct {
	// Name is the one that the file has for it.
	Name string
	// Setup are typed after the login. What they answer doesn't matter.
	Setup []string
	// Enable is the command for privileges; empty if there is none.
	Enable string
	// Enter, Commit, Leave and Discard are for configuration mode. Without Enter there is none.
	Enter, Commit, Leave, Discard []string

	enabled *regexp.Regexp // nil: no prompt is
	errors  []*regexp.Regexp
}

// Enabled reports whether a prompt says that the session is privileged.
func (p *Platform) Enabled(prompt string) bool {
	return p.enabled != nil && p.enabled.MatchString(prompt)
}

// Rejection returns the first line of an output by which the device rejects the command; "" if there is none. more are
// expressions besides the platform's own.
func (p *Platform) Rejection(output string, more []*regexp.Regexp) string {
	patterns := more
	if p != nil {
		patterns = slices.Concat(p.errors, more)
	}
	if len(patterns) == 0 {
		return ""
	}
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		for _, pattern := range patterns {
			if pattern.MatchString(line) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

// Platforms are those that jobs can name. They may be used concurrently.
type Platforms map[string]*Platform

// entry is a platform as it is written. A key that isn't there is the one of the entry that it is like.
type entry struct {
	Like    string    `yaml:"like"`
	Names   []string  `yaml:"names"`
	Setup   *[]string `yaml:"setup"`
	Enable  *string   `yaml:"enable"`
	Enabled *string   `yaml:"enabled"`
	Enter   *[]string `yaml:"enter"`
	Commit  *[]string `yaml:"commit"`
	Leave   *[]string `yaml:"leave"`
	Discard *[]string `yaml:"discard"`
	Errors  *[]string `yaml:"errors"`
}

// maxFile bounds a file of platforms, in bytes.
const maxFile = 1 << 20

// Load returns the built-in platforms and those of a file; path may be empty. The file's win. Its error names the entry that
// is wrong.
func Load(path string) (Platforms, error) {
	entries, err := parse(builtIn)
	if err != nil {
		return nil, err
	}
	own := map[string]entry{}
	if path != "" {
		content, err := regular.Read(path, maxFile)
		if err != nil {
			return nil, err
		}
		if own, err = parse(content); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for name, e := range own {
			if e.Names == nil {
				e.Names = entries[name].Names
			}
			entries[name] = e
		}
	}
	all := Platforms{}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		p, err := build(name, entries)
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", name, err)
		}
		all[name] = p
	}
	for _, layer := range []map[string]entry{entries, own} { // the file's last
		for _, name := range slices.Sorted(maps.Keys(layer)) {
			for _, other := range layer[name].Names {
				if _, taken := entries[other]; !taken {
					all[other] = all[name]
				}
			}
		}
	}
	return all, nil
}

func parse(content []byte) (map[string]entry, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	entries := map[string]entry{}
	if err := decoder.Decode(&entries); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return entries, nil
}

// build follows what an entry is like.
func build(name string, entries map[string]entry) (*Platform, error) {
	e, depth := entries[name], 0
	like := e.Like
	for ; like != ""; depth++ {
		other, ok := entries[like]
		if !ok || depth > len(entries) {
			return nil, fmt.Errorf("like must be the name of another platform, not %s", text.Quote(like, 60))
		}
		inherit(&e.Setup, other.Setup)
		inherit(&e.Enable, other.Enable)
		inherit(&e.Enabled, other.Enabled)
		inherit(&e.Enter, other.Enter)
		inherit(&e.Commit, other.Commit)
		inherit(&e.Leave, other.Leave)
		inherit(&e.Discard, other.Discard)
		inherit(&e.Errors, other.Errors)
		like = other.Like
	}
	p := &Platform{
		Name: name, Setup: value(e.Setup), Enable: value(e.Enable),
		Enter: value(e.Enter), Commit: value(e.Commit), Leave: value(e.Leave), Discard: value(e.Discard),
	}
	var err error
	if expression := value(e.Enabled); expression != "" {
		if p.enabled, err = regexp.Compile(expression); err != nil {
			return nil, fmt.Errorf("enabled: %w", err)
		}
	}
	for i, expression := range value(e.Errors) {
		pattern, err := regexp.Compile(expression)
		if err != nil {
			return nil, fmt.Errorf("errors: number %d: %w", i+1, err)
		}
		p.errors = append(p.errors, pattern)
	}
	for key, commands := range map[string][]string{"setup": p.Setup, "enter": p.Enter, "commit": p.Commit, "leave": p.Leave, "discard": p.Discard, "enable": {p.Enable}} {
		for _, command := range commands {
			if strings.ContainsAny(command, "\r\n") {
				return nil, fmt.Errorf("%s: a command must be one line", key)
			}
		}
	}
	return p, nil
}

func inherit[T any](own **T, other *T) {
	if *own == nil {
		*own = other
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Names are all names, sorted.
func (all Platforms) Names() []string { return slices.Sorted(maps.Keys(all)) }

// Find returns the platform of a name.
func (all Platforms) Find(name string) (*Platform, error) {
	if p, ok := all[strings.ToLower(name)]; ok {
		return p, nil
	}
	if nearest := text.Nearest(name, all.Names()); nearest != "" {
		return nil, fmt.Errorf("there is no platform %s; did you mean %s?", text.Quote(name, 60), nearest)
	}
	return nil, fmt.Errorf("there is no platform %s; there are %s", text.Quote(name, 60), strings.Join(all.Names(), ", "))
}
