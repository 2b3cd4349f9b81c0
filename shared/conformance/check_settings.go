package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
)

// These compare what Configure takes with what the settings schema says.
var settingsChecks = []check{
	{Info: Info{"CP-METADATA-007", Must, "the settings that it accepts fit its schema",
		"GetMetadataResponse.settings_schema: the settings that Configure takes; hosts refuse what doesn't fit before the provider sees it"},
		after: "CP-CONFIGURE-001", run: checkSettingsFit},
	{Info: Info{"CP-CONFIGURE-009", Must, "another spelling of a setting's name is an unknown setting",
		"Configure: an unknown key is SETTINGS_INVALID; the schema has the names, and no others"},
		after: "CP-CONFIGURE-003", run: checkSpellings},
	{Info: Info{"CP-CONFIGURE-010", Must, "it takes no settings that its schema doesn't have",
		"Configure: an unknown key is SETTINGS_INVALID; settings that no schema shows can't be reviewed"},
		after: "CP-CONFIGURE-003", run: checkHiddenSettings},
	{Info: Info{"CP-CONFIGURE-011", Must, "a value outside its schema's bounds is refused by name",
		"Configure: a bad value is SETTINGS_INVALID with one google.rpc.BadRequest violation for each key"},
		after: "CP-CONFIGURE-004", run: checkBounds},
	{Info: Info{"CP-CONFIGURE-012", Must, "a required setting that isn't given is named",
		"Configure: SETTINGS_INVALID with one google.rpc.BadRequest violation for each key"},
		after: "CP-CONFIGURE-004", run: checkRequired},
}

func checkSettingsFit(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	parsed, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	settings, err := e.settings(ctx, i)
	if err != nil {
		return err
	}
	if wrong := parsed.Check(settings); len(wrong) > 0 {
		return fmt.Errorf("setting %s doesn't, and is accepted: by the schema it %s", wrong[0].Setting, wrong[0].Problem)
	}
	return nil
}

// takes reports whether Configure, with some settings besides those that were given, succeeds. The provider keeps what it
// takes: a process that has taken something isn't used again.
func (e *exam) takes(ctx context.Context, more map[string]any, without ...string) (bool, error) {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return false, err
	}
	settings, err := e.settings(ctx, i)
	if err != nil {
		return false, err
	}
	maps.Copy(settings, more)
	for _, name := range without {
		delete(settings, name)
	}
	return i.configure(ctx, settings) == nil, nil
}

// spellings are names that a careless decoder takes for name.
func spellings(name, provider string) []string {
	all := []string{
		strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], strings.ReplaceAll(name, "_", "-"), strings.ReplaceAll(name, "_", ""), strings.ReplaceAll(name, "_", "."),
		" " + name, name + " ", name + "\n", "plugin_" + provider + "_" + name, provider + "_" + name, "--" + name, "$" + name, name + "_file", name + "[]", "settings." + name,
		camel(name), "/" + name, name + "\x00", strings.ReplaceAll(name, "s", "\u017f"), strings.ReplaceAll(name, "k", "\u212a"), fullWidth(name),
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == name })
}

// camel is a name in the style of JSON's: request_timeout, requestTimeout.
func camel(name string) string {
	parts := strings.Split(name, "_")
	for n := range parts[1:] {
		if parts[n+1] != "" {
			parts[n+1] = strings.ToUpper(parts[n+1][:1]) + parts[n+1][1:]
		}
	}
	return strings.Join(parts, "")
}

func checkSpellings(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	parsed, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	given, err := e.settings(ctx, i)
	if err != nil {
		return err
	}
	for _, property := range parsed.Properties() {
		value, set := given[property.Name]
		if !set {
			value = e.example(property)
		}
		for _, spelling := range spellings(property.Name, e.metadata.GetName()) {
			if _, known := parsed.Property(spelling); known {
				continue
			}
			for _, without := range [][]string{nil, {property.Name}} { // beside the right one, and in its place
				taken, err := e.takes(ctx, map[string]any{spelling: value}, without...)
				if err != nil {
					return err
				}
				if taken {
					return fmt.Errorf("it takes %+q for %s", spelling, property.Name)
				}
			}
		}
	}
	return nil
}

// example is a value that a setting could have.
func (e *exam) example(property schema.Property) any {
	var value any
	if property.Default != "" && json.Unmarshal([]byte(property.Default), &value) == nil {
		return value
	}
	switch property.Type {
	case "boolean":
		return true
	case "integer", "number":
		return 1
	case "array":
		return []any{}
	default:
		return "x"
	}
}

// hidden are names that settings get which are there for tests and to switch things off.
var hidden = strings.Fields(`debug verbose trace log_level loglevel log test testing test_mode dev mock fake dry_run experimental insecure
	insecure_skip_verify skip_verify verify verify_ssl verify_tls tls_verify ca_file cert key cache cache_ttl ttl timeout request_timeout retries
	max_retries proxy http_proxy url uri address addr endpoint endpoint_url host hostname port path file dir prefix secret_prefix region profile
	namespace username user password passwd token auth_token api_key secret role role_id secret_id client_id client_secret config settings options
	extra name id version admin root override default_password fallback stale allow_stale ignore_errors strict unsafe backdoor _debug __debug x`)

func checkHiddenSettings(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	parsed, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	for _, name := range hidden {
		if _, known := parsed.Property(name); known {
			continue
		}
		for _, value := range []any{"x", true, "1", nil} {
			taken, err := e.takes(ctx, map[string]any{name: value})
			if err != nil {
				return err
			}
			if taken {
				return fmt.Errorf("it takes a setting %s", name)
			}
		}
	}
	return nil
}

// beyond are values of the right type that a schema may forbid.
func beyond(property schema.Property) []any {
	switch property.Type {
	case "string":
		return []any{" ", "x", "-", "no-such-value", "ftp://x", "5", "-5s", "5 s", strings.Repeat("x", 5000), "a\nb", "\x00"}
	case "integer":
		return []any{-1, 0, 1 << 30, -(1 << 30), 1.5}
	case "number":
		return []any{-1, 0, 1e300, -1e300}
	case "array":
		return []any{[]any{}, []any{""}, []any{"x", "x"}, []any{1}, slices.Repeat([]any{"x"}, 5000)}
	default:
		return nil
	}
}

func checkBounds(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	parsed, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	bounded := false
	for _, property := range parsed.Properties() {
		for _, value := range beyond(property) {
			wrong := parsed.Check(map[string]any{property.Name: value})
			if !slices.ContainsFunc(wrong, func(v credential.Violation) bool { return v.Setting == property.Name }) {
				continue // the schema allows it
			}
			bounded = true
			if err := e.refusal(ctx, i, map[string]any{property.Name: value}); err != nil {
				return fmt.Errorf("%w, where it must be %s", err, property.Expectation)
			}
		}
	}
	if !bounded {
		return skipf("the schema has no bounds")
	}
	return nil
}

func checkRequired(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	parsed, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	required := false
	for _, property := range parsed.Properties() {
		if !property.Required {
			continue
		}
		required = true
		settings, err := e.settings(ctx, i)
		if err != nil {
			return err
		}
		delete(settings, property.Name)
		err = i.configure(ctx, settings)
		if err := expect("Configure without "+property.Name, err, credential.SettingsInvalid); err != nil {
			return err
		}
		if !slices.Contains(violated(err), property.Name) {
			return errors.New("no violation names " + property.Name + ", which is missing")
		}
	}
	if !required {
		return skipf("no setting is required")
	}
	return nil
}
