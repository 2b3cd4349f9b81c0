package config

import (
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/shared/text"
)

// key is one of the worker's own settings.
type key struct {
	name string
	// fallback is the default as it would be written in the YAML file; empty if there is none.
	fallback string
	secret   bool // its value is shown nowhere
}

// keys are all of them; [Config] says what each one means.
var keys = []key{
	{name: "credential_plugin"},
	{name: "credential_plugin_dirs"},
	{name: "credential_plugin_path"},
	{name: "credential_plugin_sha256"},
	{name: "credential_plugin_pass_env"},
	{name: "credential_plugin_start_timeout", fallback: "10s"},
	{name: "credential_plugin_call_timeout", fallback: "15s"},
	{name: "credential_cache_ttl", fallback: "5m"},
	{name: "credential_cache_max_stale", fallback: "1h"},
	{name: "credential_cache_negative_ttl", fallback: "5s"},
	{name: "credential_cache_size", fallback: "10000"},
	{name: "login_guard", fallback: GuardMemory},
	{name: "login_guard_key_file"},
	{name: "login_lockout_budget", fallback: "2"},
	{name: "login_refusal_pause", fallback: "15m"},
	{name: "login_guard_without_redis", fallback: WithoutRedisWait},
	{name: "redis_host", fallback: "localhost"},
	{name: "redis_port", fallback: "6379"},
	{name: "redis_db", fallback: "0"},
	{name: "redis_username"},
	{name: "redis_password", secret: true},
	{name: "redis_use_tls", fallback: "false"},
	{name: "redis_tls_check_hostname", fallback: "true"},
	{name: "redis_tls_cert_reqs", fallback: CertRequired},
	{name: "redis_tls_ca_certs"},
	{name: "redis_tls_certfile"},
	{name: "redis_tls_keyfile"},
	{name: "log_level", fallback: "info"},
	{name: "log_format", fallback: "text"},
	{name: "audit_log"},
	{name: "concurrency", fallback: "10"},
	{name: "job_timeout", fallback: "1m"},
	{name: "shutdown_grace", fallback: "30s"},
	{name: "ssh_known_hosts", fallback: "~/.ssh/known_hosts"},
	{name: "ssh_host_keys", fallback: HostKeysStrict},
	{name: "ssh_credential_hosts"},
	{name: "ssh_login_timeout", fallback: "20s"},
	{name: "ssh_legacy_algorithms", fallback: "false"},
	{name: "device_platforms"},
	{name: "metrics_address"},
	{name: "fleet_links"},
	{name: "agent_clients"},
	{name: "project_root"},
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

// pluginPrefix starts the keys of providers' settings.
const pluginPrefix = "plugin_"

// foreign reports whether a key is of the rest of a Tom worker, which reads the same file.
func foreign(key string) bool {
	if _, own := ownKey(key); own {
		return false
	}
	return strings.HasPrefix(key, "redis_") || strings.HasPrefix(key, "cache_")
}

// known reports whether a key means something to this worker or to another reader of the file.
func known(key string) bool {
	_, own := ownKey(key)
	return own || foreign(key) || strings.HasPrefix(key, pluginPrefix) && len(key) > len(pluginPrefix)
}

// unknownKey says what is wrong with a key that isn't known, with a suggestion if there is one.
func unknownKey(key string) (problem string, suggested bool) {
	var names []string
	for _, key := range keys {
		names = append(names, key.name)
	}
	if name := text.Nearest(key, names); name != "" {
		return "unknown setting, ignored; did you mean " + name + "?", true
	}
	return "unknown setting, ignored", false
}
