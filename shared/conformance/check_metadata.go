package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

var metadataChecks = []check{
	{Info: Info{"CP-METADATA-001", Must, "GetMetadata answers before Configure, within a second",
		"GetMetadata: it answers at once, before and after Configure, needs no settings, and uses neither the backend nor the network"},
		run: checkMetadata},
	{Info: Info{"CP-METADATA-002", Must, "its name is a valid one, and the same as in the name of its file",
		"GetMetadataResponse.name: [a-z][a-z0-9_]*, the same as in the name of its executable: tom-credential-<name>"},
		after: "CP-METADATA-001", run: checkName},
	{Info: Info{"CP-METADATA-003", Must, "its settings schema is a JSON Schema within the contract's subset",
		"GetMetadataResponse.settings_schema: JSON Schema 2020-12, one flat object, no $ref; string, boolean, integer, number, array of string"},
		after: "CP-METADATA-001", run: checkSchema},
	{Info: Info{"CP-METADATA-004", Must, "every setting has a description, and no other settings are allowed",
		`GetMetadataResponse.settings_schema: properties each with a description; "additionalProperties": false`},
		after: "CP-METADATA-003", run: checkDescriptions},
	{Info: Info{"CP-METADATA-005", Must, "GetMetadata says the same after Configure",
		"GetMetadata: it answers before and after Configure; hosts rely on what they were told first"},
		after: "CP-METADATA-001", run: checkMetadataAgain},
	{Info: Info{"CP-METADATA-006", Should, "it has a version, and a description of one line",
		"GetMetadataResponse.version and description: for operators, who have to distinguish providers"},
		after: "CP-METADATA-001", run: checkPresentation},
	{Info: Info{"CP-METADATA-008", Should, "a setting whose name is a secret's is writeOnly",
		"GetMetadataResponse.settings_schema: secrets have writeOnly: true; hosts show the value of every other setting"},
		after: "CP-METADATA-003", run: checkSecretSettings},
}

// atOnce is what the contract means by it.
const atOnce = time.Second

func checkMetadata(ctx context.Context, e *exam) error {
	return e.patiently(func(time.Duration) error {
		i, err := e.unconfigured(ctx)
		if err != nil {
			return err
		}
		start := time.Now()
		took := elapsed(func() { _, err = e.describedBy(ctx, i) })
		if err == nil && took > atOnce+e.pace.margin(start) {
			e.metadata = nil // it is asked once more
			err = latef("it took %v", took.Round(time.Millisecond))
		}
		return err
	})
}

var providerName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func checkName(ctx context.Context, e *exam) error {
	metadata, err := e.describe(ctx)
	if err != nil {
		return err
	}
	if !providerName.MatchString(metadata.GetName()) {
		return errors.New("the name is not a lower-case letter with lower-case letters, digits and underscores after it")
	}
	if name, ok := e.options.name(); !ok || name != metadata.GetName() {
		return fmt.Errorf("it says that its name is %s; its file must be called %s%s then", metadata.GetName(), wire.ExecutablePrefix, metadata.GetName())
	}
	return nil
}

func checkSchema(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	_, err = e.schema(ctx, i)
	return err
}

func checkDescriptions(ctx context.Context, e *exam) error {
	metadata, err := e.describe(ctx)
	if err != nil {
		return err
	}
	if metadata.GetSettingsSchema() == "" {
		return nil
	}
	var root struct {
		AdditionalProperties *bool `json:"additionalProperties"`
		Properties           map[string]struct {
			Description string `json:"description"`
		} `json:"properties"`
	}
	err = json.Unmarshal([]byte(metadata.GetSettingsSchema()), &root)
	if err != nil || root.AdditionalProperties == nil || *root.AdditionalProperties {
		return errors.New(`"additionalProperties" is not false`)
	}
	for name, property := range root.Properties {
		if strings.TrimSpace(property.Description) == "" {
			return fmt.Errorf("setting %s has no description", name)
		}
	}
	return nil
}

// secretName is how settings are called that hold secrets themselves, and don't name where one is.
var secretName = regexp.MustCompile(`(?i)(^|[_.-])(password|passphrase|secret|token|secret_id|private_key|(secret_|access_|api_)?key_secret|secret_(access_)?key|api_?key)$`)

func checkSecretSettings(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	properties, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	for _, property := range properties.Properties() {
		if !property.Secret && secretName.MatchString(property.Name) {
			return fmt.Errorf("setting %s is not writeOnly", property.Name)
		}
	}
	return nil
}

func checkMetadataAgain(ctx context.Context, e *exam) error {
	before, err := e.describe(ctx)
	if err != nil {
		return err
	}
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	return withTime(ctx, func(ctx context.Context) error {
		after, err := i.provider.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
		switch {
		case err != nil:
			return succeed("GetMetadata after Configure", err)
		case after.GetName() != before.GetName() || after.GetSettingsSchema() != before.GetSettingsSchema() ||
			after.GetPreviousVersionLabel() != before.GetPreviousVersionLabel() || after.GetVersion() != before.GetVersion() ||
			!slices.Equal(slices.Sorted(slices.Values(after.GetCapabilities())), slices.Sorted(slices.Values(before.GetCapabilities()))):
			return errors.New("name, version, settings schema, capabilities or the label of the previous version differ")
		}
		return nil
	})
}

func checkPresentation(ctx context.Context, e *exam) error {
	metadata, err := e.describe(ctx)
	if err != nil {
		return err
	}
	switch description := metadata.GetDescription(); {
	case metadata.GetVersion() == "":
		return errors.New("the version is empty")
	case description == "" || strings.Contains(description, "\n"):
		return errors.New("the description is empty, or has several lines")
	}
	return nil
}
