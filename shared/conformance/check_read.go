package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var readChecks = []check{
	{Info: Info{"CP-GET-001", Must, "credentials read as they are stored",
		"Credential: username and password byte for byte as stored; extra holds everything else that the backend holds with it"},
		run: checkValues},
	{Info: Info{"CP-GET-002", Must, "the answer is for the id that was asked for",
		"GetCredential: the answer is for exactly the id that was asked for"},
		run: checkEcho},
	{Info: Info{"CP-GET-003", Must, "an id that doesn't exist is CREDENTIAL_NOT_FOUND",
		"Errors: CREDENTIAL_NOT_FOUND, NOT_FOUND: the backend has no credential of this id"},
		run: checkMissing},
	{Info: Info{"CP-GET-004", Must, "an id that no credential could have is CREDENTIAL_ID_INVALID",
		"GetCredentialRequest.credential_id: 1 to 512 bytes of UTF-8 without control characters; else CREDENTIAL_ID_INVALID, without asking the backend"},
		run: checkInvalidIDs},
	{Info: Info{"CP-GET-005", Must, "strange ids neither find a credential nor show a defect",
		"GetCredentialRequest.credential_id: what else is allowed is the backend's affair: invalid, or not found"},
		run: checkStrangeIDs},
	{Info: Info{"CP-GET-006", Must, "what exists but isn't a credential is CREDENTIAL_MALFORMED",
		"Errors: CREDENTIAL_MALFORMED, FAILED_PRECONDITION: it exists but isn't a credential"},
		run: checkMalformed},
	{Info: Info{"CP-GET-007", Must, "what the backend denies is ACCESS_DENIED",
		"Errors: ACCESS_DENIED, PERMISSION_DENIED: the backend refuses"},
		run: func(ctx context.Context, e *exam) error {
			return e.refusedIfAny(ctx, e.options.Fixtures.Denied, "denied", credential.AccessDenied)
		}},
	{Info: Info{"CP-GET-008", Must, "what is deleted is CREDENTIAL_DELETED, or not found",
		"Errors: CREDENTIAL_DELETED, NOT_FOUND: the credential is scheduled for deletion"},
		run: func(ctx context.Context, e *exam) error {
			return e.refusedIfAny(ctx, e.options.Fixtures.Deleted, "deleted", credential.CredentialDeleted, credential.CredentialNotFound)
		}},
}

// ids are those of the fixtures' credentials, sorted.
func (e *exam) ids() []string { return slices.Sorted(maps.Keys(e.options.Fixtures.Credentials)) }

// anyID is one of them.
func (e *exam) anyID() string { return e.ids()[0] }

// get reads one credential.
func (i *instance) get(ctx context.Context, id string) (*credentialv1.Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	response, err := i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: id})
	return response.GetCredential(), err
}

func checkValues(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, id := range e.ids() {
		got, err := i.get(ctx, id)
		if err != nil {
			return succeed(fmt.Sprintf("GetCredential of %q", id), err)
		}
		if err := compare(got, e.options.Fixtures.Credentials[id]); err != nil {
			return fmt.Errorf("credential %q: %w", id, err)
		}
	}
	return nil
}

func checkEcho(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, id := range e.ids() {
		got, err := i.get(ctx, id)
		if err != nil {
			return within("CP-GET-001", succeed(fmt.Sprintf("GetCredential of %q", id), err))
		}
		if got.GetCredentialId() != id {
			return fmt.Errorf("the answer to %q has another credential_id", id)
		}
	}
	return nil
}

func checkMissing(ctx context.Context, e *exam) error {
	return e.refusedIDs(ctx, e.options.Fixtures.Missing, credential.CredentialNotFound)
}

func checkInvalidIDs(ctx context.Context, e *exam) error {
	invalid := append([]string{"", strings.Repeat("x", credential.MaxIDLength+1)}, e.options.Fixtures.InvalidIDs...)
	return e.refusedIDs(ctx, invalid, credential.CredentialIDInvalid)
}

// strangeIDs are what programs confuse: with paths, patterns, queries, formats, numbers, ends of lines and of texts.
var strangeIDs = []string{
	" ", ".", "..", "../../etc/passwd", "/etc/passwd", `C:\secret`, "a/../b", "*", "?", "%s%n", "%00", "$(id)", "${HOME}", "`id`", "';--", "<x>",
	"null", "true", "0", "-1", "a\x00b", "a\nb", "a\r\nb", "\t", "\x1b[31m", "\u202e", "\ufeff", "日本語", "é", "e\u0301", strings.Repeat("ü", credential.MaxIDLength/2),
}

func checkStrangeIDs(ctx context.Context, e *exam) error {
	ids := slices.DeleteFunc(slices.Clone(strangeIDs), func(id string) bool {
		_, exists := e.options.Fixtures.Credentials[id]
		return exists
	})
	return e.refusedIDs(ctx, ids, credential.CredentialIDInvalid, credential.CredentialNotFound, credential.AccessDenied)
}

func checkMalformed(ctx context.Context, e *exam) error {
	ids := slices.Sorted(maps.Keys(e.options.Fixtures.Malformed))
	if len(ids) == 0 {
		return skipf("the fixtures name nothing malformed")
	}
	return e.refusedIDs(ctx, ids, credential.CredentialMalformed)
}

// refusedIfAny is refusedIDs for ids that fixtures may have.
func (e *exam) refusedIfAny(ctx context.Context, ids []string, what string, reasons ...credential.Reason) error {
	if len(ids) == 0 {
		return skipf("the fixtures name no %s id", what)
	}
	return e.refusedIDs(ctx, ids, reasons...)
}

// refusedIDs reads ids that must all fail for one of these reasons.
func (e *exam) refusedIDs(ctx context.Context, ids []string, want ...credential.Reason) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		_, err := i.get(ctx, id)
		if err := expect("GetCredential of "+shown(id), err, want...); err != nil {
			return err
		}
		if i.ended() {
			return errors.New("the process ended at " + shown(id))
		}
	}
	return nil
}

// shown quotes an id, cut to what a line holds.
func shown(id string) string {
	const longest = 40
	if len(id) > longest {
		return fmt.Sprintf("an id of %d bytes", len(id))
	}
	return fmt.Sprintf("%+q", id)
}
