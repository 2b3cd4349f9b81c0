package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var validateChecks = []check{
	{Info: Info{"CP-VALIDATE-001", Must, "what Validate finds has names, known statuses and reasons",
		"Check: a short name; reason, for FAILED and WARNING, from the table of errors; each that doesn't pass says what to do about it"},
		run: checkReport},
	{Info: Info{"CP-VALIDATE-002", Must, "nothing fails while the backend can be used",
		"Validate checks that the backend can be used; FAILED: credentials can't be read like this"},
		after: "CP-VALIDATE-001", run: checkReportGood},
	{Info: Info{"CP-VALIDATE-003", Must, "a credential that can't be read is an answer, not an error",
		"Validate: what is found wrong is an answer, not an error"},
		after: "CP-VALIDATE-001", run: checkReportMissing},
	{Info: Info{"CP-VALIDATE-004", Must, "it finds that the id it is given can't be read",
		"ValidateRequest.credential_id: a credential to read as the last proof"},
		after: "CP-VALIDATE-003", run: checkReportLooks},
	{Info: Info{"CP-VALIDATE-005", Must, "a slow id doesn't keep it beyond its deadline",
		"Validate: the checks run side by side, each bounded in time"},
		after: "CP-VALIDATE-001", run: checkReportSlow},
}

// validate lets a process check its backend.
func (i *instance) validate(ctx context.Context, id *string) (*credentialv1.ValidateResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	response, err := i.provider.Validate(ctx, &credentialv1.ValidateRequest{CredentialId: id})
	return response, succeed("Validate", err)
}

// complete says what is missing in a report.
func complete(report *credentialv1.ValidateResponse) error {
	for n, check := range report.GetChecks() {
		status, reason := check.GetStatus(), credential.Reason(check.GetReason())
		wrong := status == credentialv1.CheckStatus_CHECK_STATUS_FAILED || status == credentialv1.CheckStatus_CHECK_STATUS_WARNING
		_, known := credentialv1.CheckStatus_name[int32(status)]
		switch {
		case check.GetName() == "":
			return fmt.Errorf("check %d has no name", n+1)
		case !known || status == credentialv1.CheckStatus_CHECK_STATUS_UNSPECIFIED:
			return fmt.Errorf("check %d has no known status", n+1)
		case wrong && !reason.FromProvider():
			return fmt.Errorf("check %d didn't pass, and has no reason of a provider's", n+1)
		case wrong && check.GetRemedy() == "":
			return fmt.Errorf("check %d didn't pass, and doesn't say what to do", n+1)
		}
	}
	return nil
}

func checkReport(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	id := e.anyID()
	for _, id := range []*string{nil, &id, &e.options.Fixtures.Missing[0]} {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		report, err := i.provider.Validate(ctx, &credentialv1.ValidateRequest{CredentialId: id})
		cancel()
		if id != nil && err != nil {
			continue // for the others
		}
		if err != nil {
			return succeed("Validate", err)
		}
		if err := complete(report); err != nil {
			return err
		}
	}
	return nil
}

func checkReportGood(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	id := e.anyID()
	for _, id := range []*string{nil, &id} {
		report, err := i.validate(ctx, id)
		if err != nil {
			return err
		}
		for n, check := range report.GetChecks() {
			if check.GetStatus() == credentialv1.CheckStatus_CHECK_STATUS_FAILED {
				return fmt.Errorf("check %d failed", n+1)
			}
		}
	}
	return nil
}

func checkReportMissing(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	_, err = i.validate(ctx, &e.options.Fixtures.Missing[0])
	return err
}

func checkReportLooks(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	id := e.anyID()
	good, err := i.validate(ctx, &id)
	if err != nil {
		return err
	}
	if len(good.GetChecks()) == 0 {
		return skipf("the provider has nothing to check")
	}
	f := e.options.Fixtures
	// Ids that only resemble one that exists, if a read doesn't find them either.
	var strays []string
	for _, stray := range []string{strings.ToUpper(id), id + " ", " " + id, id + ".", id + "/"} {
		if _, err := i.get(ctx, stray); err != nil {
			strays = append(strays, stray)
		}
	}
	for _, id := range slices.Concat(f.Missing, slices.Sorted(maps.Keys(f.Malformed)), f.Denied, strays) {
		if err := i.doubts(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// doubts returns an error if Validate finds nothing wrong with an id that can't be read.
func (i *instance) doubts(ctx context.Context, id string) error {
	report, err := i.validate(ctx, &id)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(report.GetChecks(), func(check *credentialv1.Check) bool {
		return check.GetStatus() == credentialv1.CheckStatus_CHECK_STATUS_FAILED || check.GetStatus() == credentialv1.CheckStatus_CHECK_STATUS_WARNING
	}) {
		return fmt.Errorf("every check of %s passed", shown(id))
	}
	return nil
}

func checkReportSlow(ctx context.Context, e *exam) error {
	if len(e.options.Fixtures.Slow) == 0 {
		return skipf("the fixtures name no slow id")
	}
	return e.patiently(func(times time.Duration) error {
		i, err := e.freshReady(ctx, hosted())
		if err != nil {
			return err
		}
		return bringsAnswer(ctx, "Validate", times*shortTime, func(ctx context.Context) error {
			_, err := i.provider.Validate(ctx, &credentialv1.ValidateRequest{CredentialId: &e.options.Fixtures.Slow[0]})
			return err
		})
	})
}
