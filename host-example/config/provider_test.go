package config_test

import (
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
)

func TestProviderSettings(t *testing.T) {
	const file = "tom_worker_config.yaml"
	for _, test := range []struct {
		name string
		sources
		others   []string
		want     host.Settings
		warnings []string
	}{
		{
			name:    "types and places",
			sources: sources{yaml: "credential_plugin: vault\n\nplugin_vault_url: x\nplugin_vault_port: 8200\nplugin_vault_tls: true\nplugin_vault_list: [a, b]\nplugin_vault_day: 2024-01-02\nplugin_vault_none:\nplugin_vault_empty: ''\n"},
			want: host.Settings{
				"url":   {Value: "x", Origin: file + ":3"},
				"port":  {Value: 8200, Origin: file + ":4"},
				"tls":   {Value: true, Origin: file + ":5"},
				"list":  {Value: []any{"a", "b"}, Origin: file + ":6"},
				"day":   {Value: "2024-01-02", Origin: file + ":7"},
				"none":  {Value: nil, Origin: file + ":8"},
				"empty": {Value: "", Origin: file + ":9"},
			},
		},
		{
			name: "precedence and case",
			sources: sources{
				yaml:    "credential_plugin: vault\nPlugin_Vault_A: 1\nplugin_vault_b: 1\nplugin_vault_c: 1\n",
				env:     "TOM_WORKER_PLUGIN_VAULT_B=2\ntom_worker_plugin_vault_c=2\n",
				environ: []string{"Tom_Worker_Plugin_Vault_C="},
			},
			want: host.Settings{
				"a": {Value: 1, Origin: file + ":2"},
				"b": {Value: "2", Text: true, Origin: "worker.env:1"},
				"c": {Value: "", Text: true, Origin: "environment variable Tom_Worker_Plugin_Vault_C"},
			},
		},
		{
			name:    "the longest name, the longer one selected",
			sources: sources{yaml: "credential_plugin: aws_iam\nplugin_aws_iam_role: x\nplugin_aws_role: y\nplugin_aws_iamrole: z\n"},
			others:  []string{"aws", "aws_iam"},
			want:    host.Settings{"role": {Value: "x", Origin: file + ":2"}},
		},
		{
			name:    "the longest name, the shorter one selected",
			sources: sources{yaml: "credential_plugin: aws\nplugin_aws_iam_role: x\nplugin_aws_role: y\n"},
			others:  []string{"aws_iam", "aws"},
			want:    host.Settings{"role": {Value: "y", Origin: file + ":3"}},
		},
		{
			name:    "the shorter one selected, the longer one not installed",
			sources: sources{yaml: "credential_plugin: aws\nplugin_aws_iam_role: x\n"},
			want:    host.Settings{"iam_role": {Value: "x", Origin: file + ":2"}},
		},
		{
			name:     "a misspelt provider",
			sources:  sources{yaml: "credential_plugin: aws_secrets_manager\nplugin_aws_secret_manager_region: x\nplugin_yaml_file: x\n"},
			want:     host.Settings{},
			warnings: []string{file + ":2: plugin_aws_secret_manager_region: no installed provider has this setting, ignored; did you mean plugin_aws_secrets_manager_region?"},
		},
		{
			name:    "nothing after the name",
			sources: sources{yaml: "credential_plugin: vault\nplugin_vault: x\nplugin_vault_: x\n"},
			want:    host.Settings{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, problems := load(t, test.sources)
			if problems != nil {
				t.Fatalf("problems: %q", problems)
			}
			got, warned := cfg.ProviderSettings(test.others)
			equal(t, got, test.want)
			var lines []string
			for _, warning := range warned {
				lines = append(lines, warning.String())
			}
			equal(t, lines, test.warnings)
		})
	}
}

func TestRefused(t *testing.T) {
	cfg, _ := load(t, sources{
		yaml:    "credential_plugin: vault\nplugin_vault_ulr: x\nplugin_vault_port: x\n",
		environ: []string{"TOM_WORKER_PLUGIN_VAULT_TLS=maybe"},
	})
	refusal := &credential.Error{Reason: credential.SettingsInvalid, Violations: []credential.Violation{
		{Setting: "port", Problem: "must be a whole number (tom_worker_config.yaml:3)"},
		{Setting: "tls", Problem: "must be true or false (environment variable TOM_WORKER_PLUGIN_VAULT_TLS)"},
		{Setting: "token", Problem: "must be set"},
		{Setting: "ulr", Problem: "no such setting; did you mean url? (tom_worker_config.yaml:2)"},
	}}
	var got []string
	for _, problem := range cfg.Refused(refusal) {
		got = append(got, problem.String())
	}
	want := []string{
		"plugin_vault_token: must be set",
		"environment variable TOM_WORKER_PLUGIN_VAULT_TLS: plugin_vault_tls: must be true or false",
		"tom_worker_config.yaml:2: plugin_vault_ulr: no such setting; did you mean url?",
		"tom_worker_config.yaml:3: plugin_vault_port: must be a whole number",
	}
	equal(t, got, want)
	if problems := cfg.Refused(&credential.Error{Reason: credential.ProviderRefused}); problems != nil {
		t.Errorf("another error became %v", problems)
	}
}
