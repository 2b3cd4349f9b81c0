package conformance

import (
	"context"
	"fmt"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var versionChecks = []check{
	{Info: Info{"CP-VERSION-001", Must, "other versions read as they are stored",
		"GetCredentialRequest.version: one version, by the backend's id for it, or the one that a label points to at present"},
		needs: credential.CapabilityVersion, run: checkVersionValues},
	{Info: Info{"CP-VERSION-002", Must, "a version that doesn't exist is VERSION_NOT_FOUND",
		"Errors: VERSION_NOT_FOUND: the credential exists; the version asked for doesn't"},
		needs: credential.CapabilityVersion, run: checkVersionMissing},
	{Info: Info{"CP-CAPABILITY-001", Must, "what it doesn't advertise is UNSUPPORTED",
		"GetMetadataResponse.capabilities: what is advertised works, and what isn't advertised is answered with UNSUPPORTED"},
		run: checkUnsupported},
}

func byVersionID(id, version string) *credentialv1.GetCredentialRequest {
	return &credentialv1.GetCredentialRequest{CredentialId: id, Version: &credentialv1.GetCredentialRequest_VersionId{VersionId: version}}
}

func byVersionLabel(id, label string) *credentialv1.GetCredentialRequest {
	return &credentialv1.GetCredentialRequest{CredentialId: id, Version: &credentialv1.GetCredentialRequest_VersionLabel{VersionLabel: label}}
}

func checkVersionValues(ctx context.Context, e *exam) error {
	if len(e.options.Fixtures.Versions) == 0 {
		return skipf("the fixtures name no versions")
	}
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, want := range e.options.Fixtures.Versions {
		request := byVersionLabel(want.CredentialID, want.VersionLabel)
		if want.VersionID != "" {
			request = byVersionID(want.CredentialID, want.VersionID)
		}
		err := withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.GetCredential(ctx, request)
			if err != nil {
				return succeed("GetCredential", err)
			}
			return compare(response.GetCredential(), want.Credential)
		})
		if err != nil {
			return fmt.Errorf("version %s%s of %q: %w", want.VersionID, want.VersionLabel, want.CredentialID, err)
		}
	}
	return nil
}

func checkVersionMissing(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	// The id has the form of one where backends are strict about that.
	return e.eachVersion(ctx, i, credential.VersionNotFound)
}

// eachVersion asks for versions that don't exist.
func (e *exam) eachVersion(ctx context.Context, i *instance, want credential.Reason) error {
	for what, request := range map[string]*credentialv1.GetCredentialRequest{
		"a version id":    byVersionID(e.anyID(), "00000000-0000-4000-8000-000000000000"),
		"a version label": byVersionLabel(e.anyID(), "no-such-label"),
	} {
		err := withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, request)
			return err
		})
		if err := expect("GetCredential with "+what, err, want); err != nil {
			return err
		}
	}
	return nil
}

func checkUnsupported(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, ability := range []struct {
		capability credential.Capability
		call       func(context.Context) error
	}{
		{credential.CapabilityList, func(ctx context.Context) error {
			_, err := i.provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{})
			return expect("ListCredentials", err, credential.Unsupported)
		}},
		{credential.CapabilityBatch, func(ctx context.Context) error {
			_, err := i.provider.BatchGetCredentials(ctx, batchOf(e.anyID()))
			return expect("BatchGetCredentials", err, credential.Unsupported)
		}},
		{credential.CapabilityVersion, func(ctx context.Context) error { return e.eachVersion(ctx, i, credential.Unsupported) }},
	} {
		able, err := e.can(ctx, ability.capability)
		if err != nil {
			return err
		}
		if able {
			continue // the capability's own checks are about it
		}
		if err := withTime(ctx, ability.call); err != nil {
			return err
		}
	}
	return nil
}
