package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
)

// ProviderSettings are the settings of the selected provider, without their prefix. A key belongs to the longest name
// that fits among the selected provider and those in others, which are the ones that are installed: with providers aws
// and aws_iam, plugin_aws_iam_role is the setting role of aws_iam.
//
// Settings of other providers are left alone; the warnings are about those that were probably meant for one of these.
func (c *Config) ProviderSettings(others []string) (host.Settings, []Problem) {
	names := append(slices.Clone(others), c.CredentialPlugin)
	settings := host.Settings{}
	var warnings []Problem
	for _, key := range slices.Sorted(maps.Keys(c.provider)) {
		e := c.provider[key]
		owner, setting := split(key, names)
		switch owner {
		case "":
			if meant := nearOwner(key, names); meant != "" {
				warnings = append(warnings, newProblem(e.Place, pluginPrefix+keyName(key), "no installed provider has this setting, ignored; did you mean %s%s?", pluginPrefix, meant))
			}
		case c.CredentialPlugin:
			settings[setting] = host.Setting{Value: e.Value, Text: e.Text, Origin: e.Place.String()}
		}
	}
	slices.SortStableFunc(warnings, ByPlace)
	return settings, warnings
}

// Refused turns a provider's refusal of settings into problems, each with the setting's whole name and its place. It
// returns nil for an error of another kind.
func (c *Config) Refused(refusal *credential.Error) []Problem {
	if refusal.Reason != credential.SettingsInvalid {
		return nil
	}
	var problems []Problem
	for _, violation := range refusal.Violations {
		key := c.CredentialPlugin + "_" + violation.Setting
		place := c.provider[key].Place
		text := violation.Problem
		if place.Name != "" {
			text = strings.TrimSuffix(text, " ("+place.String()+")") // it comes first in a Problem
		}
		problem := newProblem(place, pluginPrefix+keyName(key), "%s", text)
		if place.Name == "" {
			problem.Remedy = c.missing(problem.Key)
		}
		problems = append(problems, problem)
	}
	slices.SortStableFunc(problems, ByPlace)
	return problems
}

// split finds the longest of names that starts the key, and the setting that is left.
func split(key string, names []string) (owner, setting string) {
	for _, name := range names {
		if rest, ok := strings.CutPrefix(key, name+"_"); ok && name != "" && rest != "" && len(name) > len(owner) {
			owner, setting = name, rest
		}
	}
	return owner, setting
}

// nearOwner corrects a key whose provider's name is misspelt, or returns "".
func nearOwner(key string, names []string) string {
	best, distance := "", 3
	words := strings.Split(key, "_")
	if len(key) > 200 {
		return ""
	}
	for _, name := range names {
		for count := 1; count < len(words) && name != ""; count++ {
			typed, setting := strings.Join(words[:count], "_"), strings.Join(words[count:], "_")
			if d := levenshtein.Distance(typed, name, nil); setting != "" && d < distance && d <= len(name)/3 {
				best, distance = name+"_"+setting, d
			}
		}
	}
	return best
}
