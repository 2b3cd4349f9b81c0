package host

import (
	"slices"
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	environ := []string{
		"PATH=/bin", "HOME=/root", "HTTPS_PROXY=http://proxy", "AWS_PROFILE=x", "VAULT_TOKEN=x", "TOM_WORKER_REDIS_PASSWORD=x",
		"PLUGIN_CLIENT_CERT=x", "PLUGIN_MIN_PORT=1", "TOM_CREDENTIAL_PROVIDER=x", "TOM_CREDENTIAL_LIFELINE=x", "TOM_CREDENTIAL_LOG_LEVEL=x",
		"LD_PRELOAD=x", "AWSOME=x",
	}
	for _, c := range []struct {
		name, provider string
		pass           []string
		want           string
	}{
		{"by the first word", "aws_secrets_manager", nil, "PATH HOME HTTPS_PROXY AWS_PROFILE"},
		{"by a one-word name", "vault", nil, "PATH HOME HTTPS_PROXY VAULT_TOKEN"},
		{"a name that is the worker's own", "tom_vault", nil, "PATH HOME HTTPS_PROXY"},
		{"the worker's own by request", "tom_vault", []string{"TOM_WORKER_REDIS_PASSWORD"}, "PATH HOME HTTPS_PROXY TOM_WORKER_REDIS_PASSWORD"},
		{"nothing besides", "vault", []string{}, "PATH HOME HTTPS_PROXY"},
		{"a name and a pattern", "vault", []string{"LD_PRELOAD", "AWS_*"}, "PATH HOME HTTPS_PROXY AWS_PROFILE LD_PRELOAD"},
		{"the launch's own never", "vault", []string{"*"}, "PATH HOME HTTPS_PROXY AWS_PROFILE VAULT_TOKEN TOM_WORKER_REDIS_PASSWORD LD_PRELOAD AWSOME"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var names []string
			for _, variable := range environment(Options{Name: c.provider, PassEnv: c.pass, Environ: environ}) {
				name, _, _ := strings.Cut(variable, "=")
				names = append(names, name)
			}
			if want := strings.Fields(c.want); !slices.Equal(names, want) {
				t.Errorf("passed %v, want %v", names, want)
			}
		})
	}
}
