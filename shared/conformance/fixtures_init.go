package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
)

// Starter launches a provider, asks for its metadata, and returns a file of fixtures for it to be filled in: YAML with comments
// that say what each part proves, without the parts whose capabilities the provider doesn't have. Of the options only Plugin
// and Environ are used.
func Starter(ctx context.Context, options Options) ([]byte, error) {
	options.Fixtures = Fixtures{Credentials: map[string]Credential{"lab": {Username: "admin", Password: new("")}}, Missing: []string{"absent"}}
	e, err := newExam(options)
	if err != nil {
		return nil, err
	}
	defer e.close()
	metadata, err := e.describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its metadata: %w", e.options.Plugin, err)
	}
	settings, err := schema.Parse(metadata.GetSettingsSchema())
	if err != nil {
		return nil, err
	}
	return []byte(starter(metadata, settings)), nil
}

func starter(metadata *credentialv1.GetMetadataResponse, settings *schema.Schema) string {
	able := func(c credential.Capability) bool { return slices.Contains(metadata.GetCapabilities(), string(c)) }
	var text strings.Builder
	add := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format+"\n", args...) }

	add("# What the backend of tom-credential-%s holds, for the conformance checks:", oneLine(metadata.GetName()))
	add("#")
	add("#   host-example conformance --plugin tom-credential-%s --settings settings.yaml --fixtures this-file", oneLine(metadata.GetName()))
	add("#")
	add("# Put these credentials into a backend for tests, or write here what is in it. All values are made up for the purpose: they are")
	add("# searched for in everything that the provider writes. Those of fewer than %d bytes aren't.", shortestSecret)
	add("#")
	add("# The provider's settings, for settings.yaml:")
	if len(settings.Names()) == 0 {
		add("#   (it takes none)")
	}
	for _, property := range settings.Properties() {
		kind := property.Expectation
		if property.Required {
			kind += ", required"
		}
		add("#   %s: %s", property.Name, oneLine(kind))
		add("#       %s", oneLine(property.Description))
	}
	add("")
	add("# Credentials that exist, by id. The odd passwords show a provider that trims, escapes or cuts.")
	add("credentials:")
	add(`  lab: {username: admin, password: canary-4711, extra: {enable_password: canary-4712}}   # without extra it isn't looked at`)
	add(`  blanks: {username: admin, password: " canary-4713 "}`)
	add(`  accents: {username: admin, password: "cänary-4714"}`)
	add(`  signs: {username: admin, password: 'canary+<&"%%41-4715'}`)
	add(`  long: {username: admin, password: %s}`, "canary-4716-"+strings.Repeat("x", 80))
	add(`  # empty: {username: admin, password: ""}                                # if the backend allows it`)
	add(`  # keyed: {username: git, extra: {private_key: canary-4717}}             # without password it must be absent`)
	add("")
	add("# Ids that could exist and don't.")
	add("missing: [absent]")
	add("")
	add("# Everything below is optional. Each part that you fill in allows more checks.")
	add("")
	add("# Exists but is no credential, with the secrets in it.")
	add("# malformed: {broken: [canary-4718]}")
	add("# Ids that the backend can't have.")
	add(`# invalid_ids: ["a/b"]`)
	add("# Ids of which the backend says nothing for more than ten seconds.")
	add("# slow: [stalled]")
	add("# Ids that the provider may not read, and ids of deleted credentials.")
	add("# denied: [secret]")
	add("# deleted: [old]")
	if able(credential.CapabilityVersion) {
		add("# Versions that aren't the current ones, by version_label or version_id.")
		add("# versions:")
		add("#   - {credential_id: lab, version_label: previous, username: admin, password: canary-4719}")
	}
	add("# How to start the provider so that it finds no backend.")
	add("# backend_gone: {settings: {%s}, environment: {}}", unreachable(settings))
	add("# Commands that change the backend while the provider runs, and what differs then. A command has the provider's environment, and")
	add("# its settings as SETTING_<NAME>.")
	add("# events:")
	add("#   - command: [./backend, change-password, lab]")
	add("#     undo: [./backend, change-password, lab, --back]")
	add("#     credentials: {lab: {username: admin, password: canary-4720}}")
	add("#   - {command: [./backend, delete, lab], undo: [./backend, restore, lab], deleted: [lab]}      # or missing: [lab]")
	add("#   - {command: [./backend, deny, lab], undo: [./backend, allow, lab], denied: [lab]}")
	add("#   - {command: [./backend, stall, lab], undo: [./backend, go-on, lab], slow: [lab]}")
	add("#   - {command: [./backend, end-sessions], session_ended: true}       # if the provider signs in to the backend")
	add("# Variables for the provider, in every launch.")
	add("# environment: {NAME: value}")
	return text.String()
}

// unreachable is a setting that may lead nowhere.
func unreachable(settings *schema.Schema) string {
	for _, property := range settings.Properties() {
		for _, word := range []string{"url", "endpoint", "addr", "host"} {
			if property.Type == "string" && strings.Contains(property.Name, word) {
				return property.Name + `: "http://127.0.0.1:9"`
			}
		}
	}
	for _, property := range settings.Properties() {
		if property.Type == "string" && (strings.Contains(property.Name, "file") || strings.Contains(property.Name, "path")) {
			return property.Name + ": /nowhere"
		}
	}
	return "..."
}
