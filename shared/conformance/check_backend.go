package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	{Info: Info{"CP-BACKEND-004", Must, "nor does a batch say that there is no credential",
		"CredentialError says what GetCredential would have said; hosts forget a credential that is NOT_FOUND"},
		needs: credential.CapabilityBatch, after: "CP-BACKEND-001", run: checkBatchGone},
	{Info: Info{"CP-BACKEND-005", Must, "a listing says that the backend is gone, and isn't empty",
		"ListCredentials lists what could be read; hosts and operators take an empty listing for an empty backend"},
		needs: credential.CapabilityList, after: "CP-BACKEND-001", run: checkListGone},
	{Info: Info{"CP-BACKEND-006", Must, "nor does a read of a version say that there is none",
		"Errors: BACKEND_UNAVAILABLE, BACKEND_MISCONFIGURED, BACKEND_UNAUTHENTICATED; VERSION_NOT_FOUND is for a version that the backend denies"},
		needs: credential.CapabilityVersion, after: "CP-BACKEND-002", run: checkVersionGone},
	{Info: Info{"CP-BACKEND-007", Must, "what isn't the backend's answer isn't taken for one",
		"Errors: BACKEND_MISCONFIGURED: it isn't the API; BACKEND_UNAVAILABLE: it fails; a proxy's 404 is no missing credential"},
		after: "CP-BACKEND-002", run: checkStrangers},
	{Info: Info{"CP-BACKEND-008", Must, "Configure opens no connection to the backend",
		"Configure checks all of the settings before it takes any, and uses no network"},
		after: "CP-CONFIGURE-001", run: checkConfigureSilent},
	{Info: Info{"CP-BACKEND-009", Must, "while the backend says nothing, every call is answered before its deadline",
		"Duties: it answers before the deadline, with an error if need be"},
		after: "CP-GET-001", run: checkSilence},
	{Info: Info{"CP-BACKEND-010", Must, "the backend's secrets don't follow a redirect to another server",
		"Duties: no secret may leave the process in any other way; a redirect leads to what answered in the backend's place"},
		after: "CP-GET-001", run: checkRedirect},
}

// gone are the reasons of a backend that isn't there.
var gone = []credential.Reason{credential.BackendUnavailable, credential.BackendMisconfigured, credential.BackendUnauthenticated, credential.DeadlineExceeded}

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
	start := time.Now()
	var unfit error
	took := elapsed(func() { unfit = e.configureWell(ctx, i, replaced) })
	if unfit == nil && took > 2*time.Second+e.pace.margin(start) {
		unfit = latef("Configure took %v: it waited for the backend", took.Round(time.Millisecond))
	}
	if unfit != nil {
		i.end()
		return nil, unfit
	}
	e.gone = i
	return i, nil
}

func checkConfigureGone(ctx context.Context, e *exam) error {
	return e.patiently(func(time.Duration) error {
		_, err := e.withoutBackend(ctx)
		return err
	})
}

// tries is how often a backend that is gone is asked, side by side: some providers try for seconds.
const tries = 3

func checkReadGone(ctx context.Context, e *exam) error {
	i, err := e.withoutBackend(ctx)
	if err != nil {
		return err
	}
	ids := slices.Repeat([]string{e.anyID(), e.options.Fixtures.Missing[0]}, tries)
	return each(ids, func(id string) error {
		_, err := i.get(ctx, id)
		return expect("GetCredential of "+shown(id), err, gone...)
	})
}

func checkBatchGone(ctx context.Context, e *exam) error {
	i, err := e.withoutBackend(ctx)
	if err != nil {
		return err
	}
	return each(make([]string, tries), func(string) error {
		return i.unanswered(ctx, []string{e.anyID(), e.options.Fixtures.Missing[0]}, gone)
	})
}

// unanswered reports what is wrong with a batch that the backend can't answer: the call fails, or each of its answers does.
func (i *instance) unanswered(ctx context.Context, ids []string, reasons []credential.Reason) error {
	return withTime(ctx, func(ctx context.Context) error {
		response, err := i.provider.BatchGetCredentials(ctx, batchOf(ids...))
		if err != nil {
			return expect("BatchGetCredentials", err, reasons...)
		}
		for n, result := range response.GetResults() {
			if err := expectItem(fmt.Sprintf("answer %d of a batch", n+1), result, reasons...); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkListGone(ctx context.Context, e *exam) error {
	i, err := e.withoutBackend(ctx)
	if err != nil {
		return err
	}
	return each(make([]string, tries), func(string) error {
		_, err := i.page(ctx, 0, "")
		return expect("ListCredentials", err, gone...)
	})
}

func checkVersionGone(ctx context.Context, e *exam) error {
	i, err := e.withoutBackend(ctx)
	if err != nil {
		return err
	}
	requests := []*credentialv1.GetCredentialRequest{byVersionID(e.anyID(), noVersion), byVersionLabel(e.anyID(), "no-such-label")}
	for _, version := range e.options.Fixtures.Versions {
		requests = append(requests, version.request())
	}
	return eachOf(requests, func(request *credentialv1.GetCredentialRequest) error {
		return withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, request)
			return expect("GetCredential of a version", err, gone...)
		})
	})
}

// outages are the reasons for what isn't a backend's answer.
var outages = append([]credential.Reason{credential.Throttled}, gone...)

func checkStrangers(ctx context.Context, e *exam) error {
	return eachOf(strangers, func(s stranger) error {
		err := e.meet(ctx, s)
		if err != nil && !isSkip(err) {
			err = fmt.Errorf("where the backend should be there is %s: %w", s.what, err)
		}
		return err
	})
}

// meet lets a provider meet a stranger in the place of its backend, and reports what is wrong with what it takes it for.
func (e *exam) meet(ctx context.Context, s stranger) error {
	i, d, err := e.withDecoy(ctx, s.answer)
	if err != nil {
		return err
	}
	reasons := append(slices.Clone(outages), s.also...)
	calls := []func() error{func() error {
		_, err := i.get(ctx, e.anyID())
		return expect("GetCredential", err, reasons...)
	}}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		calls = append(calls, func() error { return i.unanswered(ctx, []string{e.anyID()}, reasons) })
	}
	if able, _ := e.can(ctx, credential.CapabilityList); able {
		calls = append(calls, func() error {
			_, err := i.page(ctx, 0, "")
			return expect("ListCredentials", err, reasons...)
		})
	}
	err = eachOf(calls, func(call func() error) error { return call() })
	if connections, _ := d.seen(); connections == 0 {
		return skipf("the provider doesn't go where its settings lead")
	}
	return err
}

func checkConfigureSilent(ctx context.Context, e *exam) error {
	_, d, err := e.withDecoy(ctx, nil)
	if d == nil {
		return err
	}
	sleep(ctx, cancelAfter) // for what it has started in the background
	if connections, _ := d.seen(); connections > 0 {
		return errors.New("it connects to the backend")
	}
	return err
}

func checkSilence(ctx context.Context, e *exam) error {
	return e.patiently(func(times time.Duration) error {
		i, d, err := e.withDecoy(ctx, nil)
		if err != nil {
			return err
		}
		id := e.anyID()
		if err := e.punctual(ctx, i, id, times*shortTime); err != nil {
			return err
		}
		if connections, _ := d.seen(); connections == 0 {
			return skipf("the provider doesn't go where its settings lead")
		}
		return nil
	})
}

// punctual makes calls of every kind, side by side, that the backend doesn't answer.
func (e *exam) punctual(ctx context.Context, i *instance, id string, limit time.Duration) error {
	calls := map[string]func(context.Context) error{
		"GetCredential": func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: id})
			return err
		},
		"Validate": func(ctx context.Context) error {
			_, err := i.provider.Validate(ctx, &credentialv1.ValidateRequest{CredentialId: &id})
			return err
		},
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		calls["BatchGetCredentials"] = func(ctx context.Context) error {
			_, err := i.provider.BatchGetCredentials(ctx, batchOf(id, e.anyID()))
			return err
		}
	}
	if able, _ := e.can(ctx, credential.CapabilityVersion); able {
		calls["GetCredential of a version"] = func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, byVersionID(id, noVersion))
			if reason, ok := wellFormed(err); ok && reason == credential.VersionNotFound {
				return nil // without asking the backend
			}
			return err
		}
	}
	if able, _ := e.can(ctx, credential.CapabilityList); able && len(e.options.Fixtures.Slow) == 0 {
		calls["ListCredentials"] = func(ctx context.Context) error {
			_, err := i.provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{})
			return err
		}
	}
	return each(slices.Sorted(maps.Keys(calls)), func(name string) error { return bringsAnswer(ctx, name, limit, calls[name]) })
}

// bringsAnswer makes a call with a deadline that the backend doesn't meet. The provider answers before it: with an error of
// its own, or with what it has.
func bringsAnswer(ctx context.Context, name string, limit time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := call(ctx)
	switch {
	case err == nil || hasInfo(err) && name == "Validate":
		return nil
	case !hasInfo(err) && ctx.Err() != nil:
		return latef("%s: it said nothing within the deadline of %v", name, limit)
	default:
		return expect(fmt.Sprintf("%s with a deadline of %v", name, limit), err, outages...)
	}
}

func checkRedirect(ctx context.Context, e *exam) error {
	elsewhere, err := newDecoy(response("200 OK", "application/json", "{}"))
	if err != nil {
		return err
	}
	defer elsewhere.end()
	for _, status := range []string{"301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"} {
		i, _, err := e.withDecoy(ctx, response(status, "text/html", page, "Location: "+elsewhere.url()+"/login"))
		if err != nil {
			return err
		}
		_, _ = i.get(ctx, e.anyID())
		id := e.anyID()
		_, _ = i.validate(ctx, &id)
		i.end()
		_, requests := elsewhere.seen()
		for _, request := range requests {
			e.evidence.secrets.anew()
			if found := e.evidence.find(request); found != "" {
				return fmt.Errorf("after status %s another server was sent %s", status, found)
			}
		}
	}
	return nil
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
