package main

import "testing"

// No password in an address is shown, however odd the address.
func TestValueText(t *testing.T) {
	for value, want := range map[string]string{
		"plain":                                "plain",
		"":                                     `""`,
		"https://vault.example.com/v1":         "https://vault.example.com/v1",
		"https://worker@vault.example.com":     "https://worker@vault.example.com",
		"https://worker:hunter2@vault/v1":      "https://worker:xxxxx@vault/v1",
		"https://worker:hun#ter2@vault/v1":     "https://xxxxx@vault/v1",
		"https://worker:hun%ter2@vault/v1":     "https://xxxxx@vault/v1",
		"https://worker:hun/ter2@vault/v1":     "https://xxxxx@vault/v1",
		"https://worker:hun@ter2@vault":        "https://worker:xxxxx@vault",
		" https://worker:hunter2@vault":        " https://xxxxx@vault",
		"postgres://a:hunter2@h,b:hunter2@i/d": "postgres://a:xxxxx@i/d",
		"mail user@example.com":                "mail user@example.com",
		"https://example.com/users/@me":        "https://example.com/users/@me",
		"https://example.com:443/users/@me":    "https://example.com:443/users/@me",
	} {
		if got := valueText(value); got != want {
			t.Errorf("%q is shown as %q, want %q", value, got, want)
		}
	}
}
