package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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
	{Info: Info{"CP-VERSION-003", Must, "the version of a credential is the same at each read, and another of another version",
		"Credential.version_id: the backend's id of the version that was read; hosts take another one for other login material"},
		after: "CP-GET-001", run: checkVersionStable},
	{Info: Info{"CP-VERSION-004", Must, "reading the version that an answer names gives the same credential",
		"Credential.version_id; GetCredentialRequest.version_id: one version, by the backend's id for it"},
		needs: credential.CapabilityVersion, after: "CP-VERSION-003", run: checkVersionBack},
	{Info: Info{"CP-VERSION-005", Must, "a version of an id that doesn't exist is CREDENTIAL_NOT_FOUND",
		"Errors: VERSION_NOT_FOUND: the credential exists; CREDENTIAL_NOT_FOUND: the backend has no credential of this id"},
		needs: credential.CapabilityVersion, run: checkVersionOfMissing},
	{Info: Info{"CP-VERSION-006", Must, "the label of the previous version reads another version than the current one, or none",
		"GetMetadataResponse.previous_version_label: reads the version that was current before the present one, or is VERSION_NOT_FOUND"},
		after: "CP-VERSION-003", run: checkPreviousLabel},
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

// request asks for the version.
func (v Version) request() *credentialv1.GetCredentialRequest {
	if v.VersionID != "" {
		return byVersionID(v.CredentialID, v.VersionID)
	}
	return byVersionLabel(v.CredentialID, v.VersionLabel)
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
		err := withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.GetCredential(ctx, want.request())
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

// noVersion has the form of a version's id, where backends are strict about that.
const noVersion = "00000000-0000-4000-8000-000000000000"

func checkVersionMissing(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	if err := e.eachVersion(ctx, i, credential.VersionNotFound); err != nil {
		return err
	}
	for _, version := range e.options.Fixtures.Versions {
		if err := e.checkLookalikesOf(ctx, i, version); err != nil {
			return err
		}
	}
	return nil
}

// checkLookalikesOf asks for versions whose names only resemble one that exists. The backend may have them, but not with the same
// version_id.
func (e *exam) checkLookalikesOf(ctx context.Context, i *instance, version Version) error {
	var right *credentialv1.GetCredentialResponse
	err := withTime(ctx, func(ctx context.Context) (err error) {
		right, err = i.provider.GetCredential(ctx, version.request())
		return err
	})
	if err != nil {
		return within("CP-VERSION-001", succeed("GetCredential of a version", err))
	}
	name := version.VersionID + version.VersionLabel // one of them
	return each(slices.Compact(slices.Sorted(slices.Values(similarVersions(name)))), func(similar string) error {
		request := byVersionID(version.CredentialID, similar)
		if version.VersionLabel != "" {
			request = byVersionLabel(version.CredentialID, similar)
		}
		return withTime(ctx, func(ctx context.Context) error {
			got, err := i.provider.GetCredential(ctx, request)
			if err == nil && got.GetCredential().GetVersionId() == right.GetCredential().GetVersionId() {
				return fmt.Errorf("GetCredential with the version %s: it is taken for another one", shown(similar))
			}
			return nil
		})
	})
}

// similarVersions are names of versions that a careless program takes for another.
func similarVersions(name string) []string {
	all := []string{strings.ToUpper(name), strings.ToLower(name), strings.Map(swapCase, name), name + " ", " " + name, name + "x", "x" + name, name + "*", "*", name + "/", `"` + name + `"`,
		name[:len(name)-1], name[1:], "0" + name, "+" + name, name + ".0", name + "e0", name + "?", name + "#", "v" + name, fullWidth(name), name + "\u200b"}
	return slices.DeleteFunc(all, func(similar string) bool { return similar == name || similar == "" })
}

// eachVersion asks for versions that don't exist.
func (e *exam) eachVersion(ctx context.Context, i *instance, want credential.Reason) error {
	for what, request := range map[string]*credentialv1.GetCredentialRequest{
		"a version id":    byVersionID(e.anyID(), noVersion),
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

// unchanged is how often a credential that doesn't change is read.
const unchanged = 3

func checkVersionStable(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	able, err := e.can(ctx, credential.CapabilityVersion)
	if err != nil {
		return err
	}
	current, created := map[string]string{}, map[string]*timestamppb.Timestamp{}
	for range unchanged {
		for _, id := range e.ids() {
			got, err := i.get(ctx, id)
			if err != nil {
				return within("CP-GET-001", succeed(fmt.Sprintf("GetCredential of %q", id), err))
			}
			before, again := current[id]
			switch current[id] = got.GetVersionId(); {
			case able && current[id] == "":
				return fmt.Errorf("credential %q has no version_id, and the provider the capability %s", id, credential.CapabilityVersion)
			case again && before != current[id]:
				return fmt.Errorf("credential %q, which hasn't changed, has another version_id than before", id)
			case again && !proto.Equal(created[id], got.VersionCreated):
				return fmt.Errorf("credential %q, which hasn't changed, has another version_created than before", id)
			}
			created[id] = got.VersionCreated
		}
	}
	if !able {
		return nil
	}
	for _, version := range e.options.Fixtures.Versions {
		err := withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.GetCredential(ctx, version.request())
			if err != nil {
				return within("CP-VERSION-001", succeed("GetCredential of a version", err))
			}
			got, now := response.GetCredential(), e.options.Fixtures.Credentials[version.CredentialID]
			switch {
			case compare(got, now) == nil:
			case got.GetVersionId() == "" || got.GetVersionId() == current[version.CredentialID]:
				return fmt.Errorf("another version of %q has the version_id of the current one, or none", version.CredentialID)
			case version.VersionID != "" && got.GetVersionId() != version.VersionID:
				return fmt.Errorf("the version of %q that was asked for by id has another version_id", version.CredentialID)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkVersionBack(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	requests := []*credentialv1.GetCredentialRequest{}
	for _, id := range e.ids() {
		requests = append(requests, &credentialv1.GetCredentialRequest{CredentialId: id})
	}
	for _, version := range e.options.Fixtures.Versions {
		requests = append(requests, version.request())
	}
	for _, request := range requests {
		id := request.GetCredentialId()
		err := withTime(ctx, func(ctx context.Context) error {
			first, err := i.provider.GetCredential(ctx, request)
			if err != nil {
				return succeed(fmt.Sprintf("GetCredential of %q", id), err)
			}
			again, err := i.provider.GetCredential(ctx, byVersionID(id, first.GetCredential().GetVersionId()))
			if err != nil {
				return succeed(fmt.Sprintf("GetCredential of %q with the version_id of an answer", id), err)
			}
			a, b := first.GetCredential(), again.GetCredential()
			if a.GetUsername() != b.GetUsername() || a.GetPassword() != b.GetPassword() || !maps.Equal(a.GetExtra(), b.GetExtra()) || a.GetVersionId() != b.GetVersionId() {
				return fmt.Errorf("credential %q with the version_id of an answer is another", id)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkPreviousLabel(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	metadata, err := e.describe(ctx)
	if err != nil {
		return err
	}
	label := metadata.GetPreviousVersionLabel()
	if label == "" {
		return skipf("the provider names no label of a previous version")
	}
	if able, _ := e.can(ctx, credential.CapabilityVersion); !able {
		return fmt.Errorf("it names a label, and doesn't have the capability %s", credential.CapabilityVersion)
	}
	return each(e.ids(), func(id string) error {
		current, err := i.get(ctx, id)
		if err != nil {
			return within("CP-GET-001", succeed(fmt.Sprintf("GetCredential of %q", id), err))
		}
		return withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.GetCredential(ctx, byVersionLabel(id, label))
			if err != nil {
				return expect(fmt.Sprintf("GetCredential of %q with the label of the previous version", id), err, credential.VersionNotFound)
			}
			if got := response.GetCredential().GetVersionId(); got == "" || got == current.GetVersionId() {
				return fmt.Errorf("the label of the previous version of %q reads the current one", id)
			}
			return nil
		})
	})
}

func checkVersionOfMissing(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	missing := e.options.Fixtures.Missing[0]
	requests := []*credentialv1.GetCredentialRequest{byVersionID(missing, noVersion), byVersionLabel(missing, "no-such-label")}
	for _, version := range e.options.Fixtures.Versions {
		version.CredentialID = missing
		requests = append(requests, version.request())
	}
	for _, request := range requests {
		err := withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, request)
			return err
		})
		if err := expect("GetCredential of a missing id with a version", err, credential.CredentialNotFound); err != nil {
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
