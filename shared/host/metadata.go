package host

import (
	"slices"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
)

// SettingInfo describes one setting of a provider, from its settings schema.
type SettingInfo struct {
	// Name is the setting's name, without the prefix that a host's configuration puts before it.
	Name string
	// Type is "string", "boolean", "integer", "number" or "array" (of strings).
	Type string
	// Description is the schema's, for users. It may be empty.
	Description string
	// Default is the default as JSON text; empty if there is none.
	Default string
	// Secret is the schema's writeOnly: the value is never shown, and [Settings] may have <Name>_file instead.
	Secret bool
	// EmptyAllowed reports that an empty string is a value; elsewhere it means that the setting isn't set.
	EmptyAllowed bool
	// Required reports that there is no default and the setting must be set.
	Required bool
	// Expectation describes valid values, to follow "must be": "a whole number of at least 1".
	Expectation string
}

// Metadata describes a provider, in its own words.
type Metadata struct {
	// Name is the provider's name, which is Options.Name.
	Name string
	// Version is the provider's own version.
	Version string
	// Description says in one line what it reads from.
	Description string
	// Capabilities are what it can do beyond reading single credentials. Unknown ones are kept.
	Capabilities []credential.Capability
	// PreviousVersionLabel is the label of the version before the current one; empty if the provider has none.
	PreviousVersionLabel string
	// Schema is the settings schema as JSON text.
	Schema string
	// Path is the executable that was started.
	Path string

	schema *schema.Schema
}

// Can reports whether the provider has a capability.
func (m Metadata) Can(capability credential.Capability) bool {
	return slices.Contains(m.Capabilities, capability)
}

// Settings describes the provider's settings, sorted by name.
func (m Metadata) Settings() []SettingInfo {
	properties := m.schema.Properties()
	settings := make([]SettingInfo, len(properties))
	for i, p := range properties {
		settings[i] = SettingInfo(p)
	}
	return settings
}
