package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
	"github.com/tom-worker/credential-provider/shared/regular"
	"github.com/tom-worker/credential-provider/shared/text"
)

// maxExact is the largest whole number that a double holds exactly, as are all below it.
const maxExact = 1 << 53

// maxSecretFile bounds the file of a <setting>_file, in bytes.
const maxSecretFile = 64 << 10

// resolve turns settings as they were found into the schema's types and checks them. Its error names every problem and
// where each value comes from, never a value.
func (m Metadata) resolve(settings Settings) (map[string]any, error) {
	values := map[string]any{}
	var violations []credential.Violation
	refuse := func(name, format string, args ...any) {
		violations = append(violations, credential.Violation{Setting: name, Problem: fmt.Sprintf(format, args...) + origin(settings[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		setting := settings[name]
		if base, ok := strings.CutSuffix(name, "_file"); ok && m.isSecretFile(name, base) {
			if setting.Value == "" || setting.Value == nil {
				continue
			}
			if info, _ := m.schema.Property(base); isSet(settings[base], info) {
				refuse(name, "set either %s or %s", base, name)
				continue
			}
			text, err := readSecret(setting.Value)
			if err != nil {
				refuse(name, "%v", err)
				continue
			}
			values[base] = text
			continue
		}
		info, known := m.schema.Property(name)
		if !known {
			refuse(name, "no such setting%s", m.suggest(name))
			continue
		}
		if !isSet(setting, info) {
			continue
		}
		value, err := convert(setting, info)
		if err != nil {
			refuse(name, "%v", err)
			continue
		}
		values[name] = value
	}
	for _, violation := range m.schema.Check(values) {
		known := func(v credential.Violation) bool {
			return v.Setting == violation.Setting || v.Setting == violation.Setting+"_file"
		}
		if !slices.ContainsFunc(violations, known) {
			refuse(violation.Setting, "%s", violation.Problem)
		}
	}
	if len(violations) > 0 {
		return nil, m.refused(violations)
	}
	return values, nil
}

// withProjectRoot adds the host's project root, for a provider that has such a setting and isn't given a value for it.
func (m Metadata) withProjectRoot(settings Settings, root string) Settings {
	const name = "project_root"
	info, known := m.schema.Property(name)
	if root == "" || !known || isSet(settings[name], info) {
		return settings
	}
	settings = maps.Clone(settings)
	if settings == nil {
		settings = Settings{}
	}
	settings[name] = Setting{Value: root, Origin: "the worker's own " + name}
	return settings
}

// isSet reports whether a setting has a value. An empty text is none, unless the schema says that it means something.
func isSet(setting Setting, info schema.Property) bool {
	return setting.Value != nil && (setting.Value != "" || info.EmptyAllowed)
}

// explain adds to the provider's own refusal where the refused values come from.
func (m Metadata) explain(err error, settings Settings) error {
	var refusal *credential.Error
	if !errors.As(err, &refusal) || refusal.Reason != credential.SettingsInvalid || len(refusal.Violations) == 0 {
		return err
	}
	violations := slices.Clone(refusal.Violations)
	for i := range violations {
		violations[i].Problem += origin(settings[violations[i].Setting])
	}
	refused := m.refused(violations)
	refused.Help = slices.Concat(refusal.Help, refused.Help)
	return refused
}

func (m Metadata) refused(violations []credential.Violation) *credential.Error {
	return &credential.Error{
		Reason:     credential.SettingsInvalid,
		Message:    "the settings of provider " + m.Name + " are refused",
		Violations: violations,
	}
}

func (m Metadata) isSecretFile(name, base string) bool {
	_, taken := m.schema.Property(name)
	info, ok := m.schema.Property(base)
	return !taken && ok && info.Secret
}

// suggest names the setting that was probably meant, or all there are.
func (m Metadata) suggest(name string) string {
	names := m.schema.Names()
	if len(names) == 0 {
		return "; the provider takes none"
	}
	if meant := text.Nearest(name, names); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return "; there are: " + strings.Join(names, ", ")
}

func origin(setting Setting) string {
	if setting.Origin == "" {
		return ""
	}
	return " (" + setting.Origin + ")"
}

// convert gives a value the type that the schema wants. What it can't convert it returns as it is: the schema's check
// says what is wanted then.
func convert(setting Setting, info schema.Property) (any, error) {
	value := setting.Value
	if text, ok := value.(string); ok && setting.Text {
		value = parseText(strings.TrimSpace(text), text, info.Type)
	}
	switch v := value.(type) {
	case int:
		return exact(float64(v), int64(v) == int64(float64(v)) && v <= maxExact && v >= -maxExact)
	case int64:
		return exact(float64(v), v <= maxExact && v >= -maxExact)
	case uint64:
		return exact(float64(v), v <= maxExact)
	case float64:
		return exact(v, !math.IsInf(v, 0) && !math.IsNaN(v))
	case []string:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = item
		}
		return list, nil
	case string, bool, []any:
		return v, nil
	default:
		return nil, fmt.Errorf("must be %s", info.Expectation)
	}
}

func exact(value float64, ok bool) (any, error) {
	if !ok {
		return nil, fmt.Errorf("the number is too large to be exact; write it in quotes if it is a text")
	}
	return value, nil
}

// parseText reads a text as a value of a type; a text that isn't one stays as it is. Strings keep their spaces.
func parseText(trimmed, text, kind string) any {
	switch kind {
	case "boolean":
		if value, err := strconv.ParseBool(strings.ToLower(trimmed)); err == nil {
			return value
		}
		switch strings.ToLower(trimmed) {
		case "yes", "on":
			return true
		case "no", "off":
			return false
		}
	case "integer":
		if value, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
			return value
		}
	case "number":
		if value, err := strconv.ParseFloat(trimmed, 64); err == nil {
			return value
		}
	case "array":
		return parseList(trimmed)
	}
	return text
}

// parseList reads a list from JSON or from commas.
func parseList(text string) any {
	var list []any
	if strings.HasPrefix(text, "[") {
		if json.Unmarshal([]byte(text), &list) == nil {
			return list
		}
		return text
	}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// readSecret reads the file of a <setting>_file. One line feed at its end, which editors and echo add, isn't part of it.
func readSecret(value any) (string, error) {
	path, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("must be the path of a file")
	}
	text, err := regular.Read(path, maxSecretFile)
	if err != nil {
		return "", fmt.Errorf("the file can't be read: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
