package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
)

var configureChecks = []check{
	{Info: Info{"CP-CONFIGURE-001", Must, "Configure accepts the settings that were given",
		"Configure hands over the settings; it succeeds once in the life of a process"},
		run: checkAccepted},
	{Info: Info{"CP-CONFIGURE-002", Must, "calls before Configure are NOT_CONFIGURED",
		"GetCredential and the others: before Configure: NOT_CONFIGURED"},
		run: checkBefore},
	{Info: Info{"CP-CONFIGURE-003", Must, "an unknown setting is refused by name",
		"Configure: an unknown key is SETTINGS_INVALID with one google.rpc.BadRequest violation for each key"},
		run: checkUnknown},
	{Info: Info{"CP-CONFIGURE-004", Must, "a value of the wrong type is refused by name",
		"Configure: a bad value is SETTINGS_INVALID with one google.rpc.BadRequest violation for each key"},
		run: checkTypes},
	{Info: Info{"CP-CONFIGURE-005", Must, "all that is wrong is named at once",
		"Configure checks all settings before it takes any; one violation for each key"},
		after: "CP-CONFIGURE-003", run: checkAllNamed},
	{Info: Info{"CP-CONFIGURE-006", Must, "after a refusal it is as it was, and Configure may be called again",
		"Configure: after SETTINGS_INVALID the provider stays as it was and Configure may be called again"},
		after: "CP-CONFIGURE-003", run: checkRefusedThenAccepted},
	{Info: Info{"CP-CONFIGURE-007", Must, "a second Configure is ALREADY_CONFIGURED",
		"Configure succeeds once in the life of a process, after that it is ALREADY_CONFIGURED"},
		after: "CP-CONFIGURE-001", run: checkTwice},
	{Info: Info{"CP-CONFIGURE-008", Must, "it takes a message of 5 MiB",
		"Duties: messages are at most 16 MiB; many gRPC libraries refuse more than 4 MiB unless told otherwise"},
		after: "CP-CONFIGURE-003", run: checkLargeMessage},
}

func checkAccepted(ctx context.Context, e *exam) error {
	_, err := e.configured(ctx)
	return err
}

func checkBefore(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	return e.notConfigured(ctx, i)
}

// notConfigured makes every call that needs settings.
func (e *exam) notConfigured(ctx context.Context, i *instance) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	id := e.anyID()
	_, err := i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: id})
	if err := expect("GetCredential", err, credential.NotConfigured); err != nil {
		return err
	}
	_, err = i.provider.Validate(ctx, &credentialv1.ValidateRequest{})
	if err := expect("Validate", err, credential.NotConfigured); err != nil {
		return err
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		_, err = i.provider.BatchGetCredentials(ctx, batchOf(id))
		if err := expect("BatchGetCredentials", err, credential.NotConfigured); err != nil {
			return err
		}
	}
	if able, _ := e.can(ctx, credential.CapabilityList); able {
		_, err = i.provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{})
		return expect("ListCredentials", err, credential.NotConfigured)
	}
	return nil
}

// canary makes up a value that must come back in no message. An unknown setting may be a misspelt secret.
func (e *exam) canary(what string) string {
	value := "canary" + rand.Text()
	e.evidence.secret(value, what)
	return value
}

// refusal configures with settings of which some are wrong, and returns what doesn't fit about the refusal.
func (e *exam) refusal(ctx context.Context, i *instance, wrong map[string]any) error {
	settings, err := e.settings(ctx, i)
	if err != nil {
		return err
	}
	maps.Copy(settings, wrong)
	err = i.configure(ctx, settings)
	names := slices.Sorted(maps.Keys(wrong))
	what := "Configure with a wrong " + strings.Join(names, " and ")
	if unfit := expect(what, err, credential.SettingsInvalid); unfit != nil {
		return unfit
	}
	for _, name := range names {
		if !slices.Contains(violated(err), name) {
			return fmt.Errorf("%s: no violation names %s", what, name)
		}
	}
	return nil
}

func checkUnknown(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	return e.refusal(ctx, i, map[string]any{"no_such_setting": e.canary("the value of an unknown setting")})
}

func checkAllNamed(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	return e.refusal(ctx, i, map[string]any{"no_such_setting": "x", "nor_such_a_setting": true})
}

func checkTypes(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	settings, err := e.schema(ctx, i)
	if err != nil {
		return err
	}
	if len(settings.Names()) == 0 {
		return skipf("the provider takes no settings")
	}
	for _, property := range settings.Properties() {
		if err := e.refusal(ctx, i, map[string]any{property.Name: e.wrongValue(property)}); err != nil {
			return err
		}
	}
	return nil
}

// wrongValue is a value of a type that the setting doesn't have.
func (e *exam) wrongValue(property schema.Property) any {
	if property.Type == "string" {
		return 4711
	}
	return e.canary("the refused value of " + property.Name)
}

func checkRefusedThenAccepted(ctx context.Context, e *exam) error {
	i, err := e.fresh(ctx, hosted())
	if err != nil {
		return err
	}
	if err := e.refusal(ctx, i, map[string]any{"no_such_setting": "x"}); err != nil {
		return err
	}
	id := e.anyID()
	_, err = i.get(ctx, id)
	if err := expect("after a refusal: GetCredential", err, credential.NotConfigured); err != nil {
		return err
	}
	if err := e.configureWell(ctx, i, nil); err != nil {
		return fmt.Errorf("after a refusal: %w", err)
	}
	if _, err = i.get(ctx, id); err != nil {
		if reason, _ := wellFormed(err); reason == credential.NotConfigured {
			return errors.New("after a refusal the right settings have no effect")
		}
	}
	return nil // whether it is the right answer is for others to say
}

func checkTwice(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	settings, err := e.settings(ctx, i)
	if err != nil {
		return err
	}
	return expect("a second Configure", i.configure(ctx, settings), credential.AlreadyConfigured)
}

func checkLargeMessage(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	return e.refusal(ctx, i, map[string]any{"no_such_setting": strings.Repeat("x", 5<<20)})
}
