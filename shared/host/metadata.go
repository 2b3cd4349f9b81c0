package host

import (
	"slices"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
)

// SettingInfo describes one setting of a provider.
type SettingInfo = schema.Property

// Metadata is what a provider tells of itself.
type Metadata struct {
	// Name is the provider's name.
	Name string
	// Version is the provider's own version.
	Version string
	// Description says in one line what it reads from.
	Description string
	// Capabilities are what it can do beyond reading single credentials. It may name some that this host doesn't know.
	Capabilities []credential.Capability
	// Schema is the settings schema as JSON text.
	Schema string
	// Path is the executable that was launched.
	Path string

	schema *schema.Schema
}

// Can says whether the provider has a capability.
func (m Metadata) Can(capability credential.Capability) bool {
	return slices.Contains(m.Capabilities, capability)
}

// Settings describes the provider's settings, sorted by name.
func (m Metadata) Settings() []SettingInfo { return m.schema.Properties() }
