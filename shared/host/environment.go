package host

import (
	"os"
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// baseEnvironment is what every provider gets if the host has it: what a program needs to find its files, its time zone
// and its way out. Everything else, and so every secret in the host's environment, is passed only when it is asked for.
var baseEnvironment = []string{
	"PATH", "HOME", "TMPDIR", "TZ", "LANG",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK",
	// Without these a Windows program can't open a socket or find its home.
	"SYSTEMROOT", "SystemRoot", "USERPROFILE", "TEMP", "TMP",
	// Switches of the provider SDK and of the Go runtime, for debugging.
	"TOM_CREDENTIAL_DEBUGGABLE", "GOTRACEBACK",
}

// defaultPassEnv is the first word of a provider's name: aws_secrets_manager gets AWS_*.
func defaultPassEnv(name string) []string {
	word, _, _ := strings.Cut(name, "_")
	return []string{strings.ToUpper(word) + "_*"}
}

// environment picks from environ what the provider gets.
func environment(options Options) []string {
	environ := options.Environ
	if environ == nil {
		environ = os.Environ()
	}
	pass := options.PassEnv
	if pass == nil {
		pass = defaultPassEnv(options.Name)
	}
	allowed := slices.Concat(baseEnvironment, pass)
	var picked []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		// The launch's own variables are never passed on, whatever is asked for.
		if strings.HasPrefix(name, "PLUGIN_") || name == wire.Handshake.MagicCookieKey || name == wire.EnvLifeline || name == wire.EnvLogLevel {
			continue
		}
		// A worker's settings, other providers' secrets among them, go to a provider only if a user has said so: its name may start
		// with tom.
		if options.PassEnv == nil && strings.HasPrefix(name, "TOM_WORKER_") {
			continue
		}
		if slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, name) }) {
			picked = append(picked, variable)
		}
	}
	return picked
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// variable is the value of an environment variable; of several, the last one counts.
func variable(environ []string, name string) (value string) {
	for _, entry := range environ {
		if got, ok := strings.CutPrefix(entry, name+"="); ok {
			value = got
		}
	}
	return value
}
