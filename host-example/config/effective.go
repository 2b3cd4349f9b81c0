package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Setting is one that a source sets.
type Setting struct {
	// Key is the setting's whole name, as in the YAML file.
	Key string
	// Value is as the source has it. A provider's may be a secret.
	Value any
	Place Place
}

// Own are the worker's own settings that a source sets, in the order of the documentation. Secrets are masked.
func (c *Config) Own() []Setting {
	var own []Setting
	for _, key := range keys {
		if e := c.values[key.name]; e.Place.Name != defaultPlace && !e.empty() {
			value := e.Value
			if key.secret {
				value = credential.Redacted{}.String()
			}
			own = append(own, Setting{e.Key, value, e.Place})
		}
	}
	return own
}

// OfOthers are the settings of providers that aren't selected, which are not read now, by key; installed are the names of
// the providers that there are. They have no values.
func (c *Config) OfOthers(installed []string) []Problem {
	names := append(slices.Clone(installed), c.CredentialPlugin)
	var others []Problem
	for _, key := range slices.Sorted(maps.Keys(c.provider)) {
		owner, _ := split(key, names)
		if owner == c.CredentialPlugin && owner != "" || owner == "" && nearOwner(key, names) != "" {
			continue // it is read, or there is a warning about it
		}
		text := "not read: provider " + owner + " is not selected"
		if owner == "" {
			text = "not read: no provider of this name is installed"
		}
		others = append(others, newProblem(c.provider[key].Place, pluginPrefix+keyName(key), "%s", text))
	}
	slices.SortStableFunc(others, ByPlace)
	return others
}

// missing says how to set a provider's setting that no source sets.
func (c *Config) missing(key string) string {
	file := c.File
	if file == "" {
		file = c.Looked
	}
	return strings.Join([]string{
		"add it to " + file + ":",
		"  " + key + ": ...",
		"or set the environment variable " + VariableName(key),
	}, "\n")
}
