package main

import (
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestSecretName(t *testing.T) {
	const prefix = "tom/credentials/"
	taken := []string{"lab", "rds!cluster-4711", "!lab", "a/b", "/lab", "lab/", "user@host", "A-Z_0+9=.", "..lab", "lab..", "a...b", strings.Repeat("x", 512-len(prefix))}
	for _, id := range taken {
		if name, err := secretName(prefix, id); err != nil || name != prefix+id {
			t.Errorf("secretName(%q) = %q, %v", id, name, err)
		}
	}
	refused := map[string]struct{ id, problem, message string }{
		"empty":             {"", "empty", "is empty"},
		"600 characters":    {strings.Repeat("x", 600), "too long", "600 characters; at most 496"},
		"one too many":      {strings.Repeat("x", 513-len(prefix)), "too long", "497 characters"},
		"spaces":            {"lab creds", "character", `' '`},
		"trailing space":    {"lab ", "character", `' '`},
		"ARN":               {"arn:aws:secretsmanager:us-east-1:123456789012:secret:lab-AbCdEf", "arn", "is an ARN"},
		"climbs":            {"../x", "path", ".."},
		"climbs in between": {"a/../../x", "path", ".."},
		"climbs at the end": {"a/..", "path", ".."},
		"dot":               {"./x", "path", "not a path"},
		"non-ASCII":         {"läb", "character", `'\u00e4'`},
		"fullwidth":         {"lab／x", "character", `'\uff0f'`},
		"line feed":         {"lab\n", "character", `'\n'`},
		"not UTF-8":         {"lab\xff", "character", `'\ufffd'`},
		"wildcard":          {"lab*", "character", `'*'`},
		"colon":             {"a:b", "character", `':'`},
		"a password":        {canary + " please", "character", `' '`},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			_, err := secretName(prefix, test.id)
			e := wantReason(t, err, credential.CredentialIDInvalid)
			wantContains(t, e.Message, test.message)
			if e.Metadata["problem"] != test.problem {
				t.Errorf("problem = %q, want %q", e.Metadata["problem"], test.problem)
			}
		})
	}
}
