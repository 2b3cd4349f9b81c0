package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
)

// setting is one that a source sets, as it may be shown.
type setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// inEffect are the settings that the sources set: the worker's own, then the provider's, whose secrets are masked. A setting
// that the provider doesn't describe counts as a secret.
func inEffect(c *config.Config, metadata host.Metadata, provider host.Settings) []setting {
	var all []setting
	for _, own := range c.Own() {
		all = append(all, setting{own.Key, valueText(own.Value), own.Place.String()})
	}
	public := map[string]bool{}
	for _, info := range metadata.Settings() {
		// The path of a secret's file is no secret itself.
		public[info.Name], public[info.Name+"_file"] = !info.Secret, info.Secret
	}
	for _, name := range slices.Sorted(maps.Keys(provider)) {
		s := provider[name]
		if s.Value == nil {
			continue
		}
		text := credential.NewRedacted("").String()
		if public[name] {
			text = valueText(s.Value)
		}
		all = append(all, setting{"plugin_" + metadata.Name + "_" + name, text, s.Origin})
	}
	return all
}

// valueText is a value in one line. A password in an address isn't shown, wherever it stands.
func valueText(value any) string {
	switch v := value.(type) {
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = valueText(item)
		}
		return strings.Join(items, ", ")
	case string:
		if v == "" {
			return `""`
		}
		return withoutPassword(v)
	default:
		return fmt.Sprint(v)
	}
}

// withoutPassword hides the password in an address. A character that should have been escaped in it makes it one that can't be
// parsed: then all is hidden that may be part of it.
func withoutPassword(text string) string {
	address, err := url.Parse(text)
	switch {
	case err == nil && address.User != nil:
		return address.Redacted()
	case err == nil:
		return text
	}
	scheme, rest, found := strings.Cut(text, "://")
	at := strings.LastIndexByte(rest, '@')
	if !found || at < 0 {
		return text
	}
	return scheme + "://xxxxx" + rest[at:]
}
