package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var backendChecks = []check{
	{Info: Info{"CP-BACKEND-001", Must, "Configure succeeds at once while the backend is gone",
		"Configure uses no network"},
		run: checkConfigureGone},
	{Info: Info{"CP-BACKEND-002", Must, "a read says that the backend is gone, and not that there is no credential",
		"Errors: BACKEND_UNAVAILABLE, BACKEND_MISCONFIGURED, BACKEND_UNAUTHENTICATED; hosts forget a credential that is NOT_FOUND"},
		after: "CP-BACKEND-001", run: checkReadGone},
	{Info: Info{"CP-BACKEND-003", Must, "Validate answers, and finds that it is gone",
		"Validate: what is found wrong is an answer, not an error"},
		after: "CP-BACKEND-001", run: checkReportGone},
}

// withoutBackend is the shared process whose backend is gone.
func (e *exam) withoutBackend(ctx context.Context) (*instance, error) {
	gone := e.options.Fixtures.BackendGone
	if gone == nil {
		return nil, skipf("the fixtures don't say how the backend can be gone")
	}
	if e.gone != nil {
		return e.gone, nil
	}
	options := hosted()
	options.environment = gone.Environment
	i, err := e.connect(ctx, options)
	if err != nil {
		return nil, err
	}
	replaced := map[string]any{}
	for name, value := range gone.Settings {
		replaced[name] = sendable(value)
	}
	var unfit error
	took := elapsed(func() { unfit = e.configureWell(ctx, i, replaced) })
	if unfit == nil && took > 2*time.Second {
		unfit = fmt.Errorf("Configure took %v: it waited for the backend", took.Round(time.Millisecond))
	}
	if unfit != nil {
		i.end()
		return nil, unfit
	}
	e.gone = i
	return i, nil
}

func checkConfigureGone(ctx context.Context, e *exam) error {
	_, err := e.withoutBackend(ctx)
	return err
}

func checkReadGone(ctx context.Context, e *exam) error {
	i, err := e.withoutBackend(ctx)
	if err != nil {
		return err
	}
	return withTime(ctx, func(ctx context.Context) error {
		_, err := i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: e.anyID()})
		return expect("GetCredential", err, credential.BackendUnavailable, credential.BackendMisconfigured,
			credential.BackendUnauthenticated, credential.DeadlineExceeded)
	})
}

func checkReportGone(ctx context.Context, e *exam) error {
	i, err := e.withoutBackend(ctx)
	if err != nil {
		return err
	}
	report, err := i.validate(ctx, nil)
	if err != nil {
		return err
	}
	if len(report.GetChecks()) == 0 { // a provider may have nothing to check
		return nil
	}
	for _, check := range report.GetChecks() {
		if check.GetStatus() == credentialv1.CheckStatus_CHECK_STATUS_FAILED {
			return nil
		}
	}
	return errors.New("no check failed")
}
