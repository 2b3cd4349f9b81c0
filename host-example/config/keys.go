package config

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// key is one of the worker's own settings.
type key struct {
	name string
	// fallback is the default as it would be written in the YAML file; empty if there is none.
	fallback string
}

// keys are all of them; [Config] says what each one means.
var keys = []key{
	{"credential_plugin", ""},
	{"credential_plugin_dirs", ""},
	{"credential_plugin_path", ""},
	{"credential_plugin_sha256", ""},
	{"credential_plugin_pass_env", ""},
	{"credential_plugin_start_timeout", "10s"},
	{"credential_plugin_call_timeout", "15s"},
	{"credential_cache_ttl", "5m"},
	{"credential_cache_max_stale", "1h"},
	{"credential_cache_negative_ttl", "5s"},
	{"credential_cache_size", "10000"},
	{"log_level", "info"},
	{"log_format", "text"},
	{"audit_log", ""},
	{"concurrency", "10"},
	{"job_timeout", "1m"},
	{"shutdown_grace", "30s"},
	{"ssh_known_hosts", "~/.ssh/known_hosts"},
	{"ssh_host_keys", HostKeysStrict},
	{"ssh_credential_hosts", ""},
	{"ssh_login_timeout", "20s"},
	{"ssh_legacy_algorithms", "false"},
	{"metrics_address", ""},
	{"project_root", ""},
}

func ownKey(name string) (key, bool) {
	at := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if at < 0 {
		return key{}, false
	}
	return keys[at], true
}

// defaultPlace is where a setting is from that no source sets.
const defaultPlace = "default"

func defaultLayer() layer {
	l := layer{}
	for _, key := range keys {
		l.put(entry{Key: key.name, Value: key.fallback, Text: true, Place: Place{Name: defaultPlace}})
	}
	return l
}

// pluginPrefix begins the keys of providers' settings.
const pluginPrefix = "plugin_"

// foreign says whether a key is of the rest of a Tom worker, which reads the same file.
func foreign(key string) bool {
	return strings.HasPrefix(key, "redis_") || strings.HasPrefix(key, "cache_")
}

// known says whether a key means something to this worker or to another reader of the file.
func known(key string) bool {
	if _, own := ownKey(key); own {
		return true
	}
	return foreign(key) || strings.HasPrefix(key, pluginPrefix) && len(key) > len(pluginPrefix)
}

// unknownKey says what is wrong with a key that isn't known, with a suggestion if there is one.
func unknownKey(key string) (text string, suggested bool) {
	names := []string{"redis_host", "redis_port"}
	for _, key := range keys {
		names = append(names, key.name)
	}
	if name := nearest(key, names); name != "" {
		return "unknown setting, ignored; did you mean " + name + "?", true
	}
	return "unknown setting, ignored", false
}

// nearest returns the name that was probably meant, or "".
func nearest(typed string, names []string) string {
	const longest = 100 // the distance costs the product of both lengths
	if len(typed) > longest {
		return ""
	}
	best, distance := "", max(1, len(typed)/4)+1
	for _, name := range names {
		if d := levenshtein.Distance(typed, name, nil); d < distance {
			best, distance = name, d
		}
	}
	return best
}
