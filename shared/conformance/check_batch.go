package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var batchChecks = []check{
	{Info: Info{"CP-BATCH-001", Must, "a batch is answered in its order, one answer each, also to the same request twice",
		"BatchGetCredentials: results come in the order of the requests, one for each; the same one twice gets the same answer twice"},
		needs: credential.CapabilityBatch, run: checkBatchOrder},
	{Info: Info{"CP-BATCH-002", Must, "one that fails doesn't fail the others, and says why",
		"BatchGetCredentials: one that fails never fails the others; CredentialError says what GetCredential would have said"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-001", run: checkBatchPartial},
	{Info: Info{"CP-BATCH-003", Must, "a batch of 0 or of more than 100 is REQUEST_INVALID",
		"BatchGetCredentials: more than 100 requests: REQUEST_INVALID; BatchGetCredentialsRequest.requests: 1 to 100"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-001", run: checkBatchBounds},
	{Info: Info{"CP-BATCH-004", Must, "a batch of 100 is answered",
		"BatchGetCredentialsRequest.requests: 1 to 100 requests"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-001", run: checkBatchFull},
	{Info: Info{"CP-BATCH-005", Must, "a batch of one is answered as GetCredential is, whatever is asked for",
		"CredentialError says what GetCredential would have said; BatchGetCredentialsRequest.requests: 1 to 100 requests"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-002", run: checkBatchOfOne},
	{Info: Info{"CP-BATCH-006", Must, "versions are read in a batch, also two of one credential",
		"BatchGetCredentialsRequest.requests are GetCredentialRequests, each with its version_id or version_label"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-002", run: checkBatchVersions},
	{Info: Info{"CP-BATCH-007", Must, "a slow id in a batch doesn't keep it beyond its deadline",
		"Duties: it answers before the deadline, with an error if need be"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-002", run: checkBatchSlow},
	{Info: Info{"CP-BATCH-008", Must, "batches and listings side by side each get their own answer",
		"Duties: calls arrive concurrently"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-001", run: checkBatchesAtOnce},
}

func batchOf(ids ...string) *credentialv1.BatchGetCredentialsRequest {
	request := &credentialv1.BatchGetCredentialsRequest{}
	for _, id := range ids {
		request.Requests = append(request.Requests, &credentialv1.GetCredentialRequest{CredentialId: id})
	}
	return request
}

// batch reads many credentials and checks that there are as many answers.
func (e *exam) batch(ctx context.Context, ids ...string) ([]*credentialv1.CredentialResult, error) {
	i, err := e.configured(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	response, err := i.provider.BatchGetCredentials(ctx, batchOf(ids...))
	if err != nil {
		return nil, succeed("BatchGetCredentials", err)
	}
	if got := len(response.GetResults()); got != len(ids) {
		return nil, fmt.Errorf("%d answers to %d requests", got, len(ids))
	}
	return response.GetResults(), nil
}

// good checks the answers for credentials that exist.
func (e *exam) good(ids []string, results []*credentialv1.CredentialResult) error {
	for n, id := range ids {
		want, exists := e.options.Fixtures.Credentials[id]
		if !exists {
			continue
		}
		got := results[n].GetCredential()
		if got == nil {
			return fmt.Errorf("answer %d, to %q, is not a credential", n+1, id)
		}
		if err := compare(got, want); err != nil || got.GetCredentialId() != id {
			return fmt.Errorf("answer %d is not the credential %q", n+1, id)
		}
	}
	return nil
}

func checkBatchOrder(ctx context.Context, e *exam) error {
	ids := slices.Repeat(e.ids(), 2)
	ids = ids[:min(len(ids), credential.MaxBatch)]
	results, err := e.batch(ctx, ids...)
	if err != nil {
		return err
	}
	return e.good(ids, results)
}

func checkBatchPartial(ctx context.Context, e *exam) error {
	ids := []string{e.options.Fixtures.Missing[0], e.anyID(), "", e.ids()[len(e.ids())-1]}
	results, err := e.batch(ctx, ids...)
	if err != nil {
		return err
	}
	if err := e.good(ids, results); err != nil {
		return err
	}
	if err := expectItem("the answer to a missing id", results[0], credential.CredentialNotFound); err != nil {
		return err
	}
	return expectItem("the answer to an empty id", results[2], credential.CredentialIDInvalid)
}

func checkBatchBounds(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	for _, count := range []int{0, credential.MaxBatch + 1} {
		err := withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.BatchGetCredentials(ctx, batchOf(slices.Repeat([]string{e.anyID()}, count)...))
			return err
		})
		if err := expect(fmt.Sprintf("a batch of %d", count), err, credential.RequestInvalid); err != nil {
			return err
		}
	}
	return nil
}

func checkBatchFull(ctx context.Context, e *exam) error {
	ids := slices.Repeat(e.ids(), credential.MaxBatch)[:credential.MaxBatch]
	results, err := e.batch(ctx, ids...)
	if err != nil {
		return err
	}
	return e.good(ids, results)
}

// checkBatchOfOne asks for each id of the fixtures in its own batch.
func checkBatchOfOne(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	f := e.options.Fixtures
	for _, kind := range []struct {
		ids     []string
		reasons []credential.Reason
	}{
		{e.ids(), nil},
		{f.Missing, []credential.Reason{credential.CredentialNotFound}},
		{append([]string{"", strings.Repeat("x", credential.MaxIDLength+1)}, f.InvalidIDs...), []credential.Reason{credential.CredentialIDInvalid}},
		{slices.Sorted(maps.Keys(f.Malformed)), []credential.Reason{credential.CredentialMalformed}},
		{f.Denied, []credential.Reason{credential.AccessDenied}},
		{f.Deleted, []credential.Reason{credential.CredentialDeleted, credential.CredentialNotFound}},
	} {
		err := each(kind.ids, func(id string) error {
			results, err := e.batch(ctx, id)
			if err != nil {
				return fmt.Errorf("a batch of %s alone: %w", shown(id), err)
			}
			if kind.reasons != nil {
				return expectItem("the answer to "+shown(id)+" in a batch of one", results[0], kind.reasons...)
			}
			if err := e.good([]string{id}, results); err != nil {
				return err
			}
			if alone, err := i.get(ctx, id); err == nil && alone.GetVersionId() != results[0].GetCredential().GetVersionId() {
				return fmt.Errorf("the answer to %s has another version_id in a batch of one than alone", shown(id))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkBatchVersions(ctx context.Context, e *exam) error {
	able, err := e.can(ctx, credential.CapabilityVersion)
	if err != nil {
		return err
	}
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	if !able {
		return withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.BatchGetCredentials(ctx, &credentialv1.BatchGetCredentialsRequest{Requests: []*credentialv1.GetCredentialRequest{byVersionID(e.anyID(), noVersion)}})
			if err != nil || len(response.GetResults()) != 1 {
				return expect("a version in a batch", err, credential.Unsupported)
			}
			return expectItem("a version in a batch", response.GetResults()[0], credential.Unsupported)
		})
	}
	if len(e.options.Fixtures.Versions) == 0 {
		return skipf("the fixtures name no versions")
	}
	// The current one and another of the same credential, in both orders, and one that doesn't exist.
	for _, version := range e.options.Fixtures.Versions {
		current := &credentialv1.GetCredentialRequest{CredentialId: version.CredentialID}
		requests := []*credentialv1.GetCredentialRequest{current, version.request(), current, byVersionID(version.CredentialID, noVersion), version.request()}
		err := withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.BatchGetCredentials(ctx, &credentialv1.BatchGetCredentialsRequest{Requests: requests})
			if err != nil {
				return succeed("BatchGetCredentials with versions", err)
			}
			results := response.GetResults()
			if len(results) != len(requests) {
				return fmt.Errorf("%d answers to %d requests", len(results), len(requests))
			}
			for n := range results {
				want, exists := e.options.Fixtures.Credentials[version.CredentialID]
				switch n {
				case 1, 4:
					want, exists = version.Credential, true
				case 3:
					if err := expectItem("the answer to a version that doesn't exist", results[n], credential.VersionNotFound); err != nil {
						return err
					}
					continue
				}
				if err := compare(results[n].GetCredential(), want); exists && err != nil {
					return fmt.Errorf("answer %d of a batch with two versions of %q: %w", n+1, version.CredentialID, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkBatchSlow(ctx context.Context, e *exam) error {
	slow := e.options.Fixtures.Slow
	if len(slow) == 0 {
		return skipf("the fixtures name no slow id")
	}
	return e.patiently(func(times time.Duration) error {
		i, err := e.freshReady(ctx, hosted())
		if err != nil {
			return err
		}
		return bringsAnswer(ctx, "BatchGetCredentials with a slow id", times*shortTime, func(ctx context.Context) error {
			_, err := i.provider.BatchGetCredentials(ctx, batchOf(slow[0], e.anyID()))
			return err
		})
	})
}

func checkBatchesAtOnce(ctx context.Context, e *exam) error {
	ids := e.ids()
	able, err := e.can(ctx, credential.CapabilityList)
	if err != nil {
		return err
	}
	if _, err := e.configured(ctx); err != nil {
		return err
	}
	problems := make(chan error, 2*callers)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			asked := make([]string, 1+caller%5)
			for n := range asked {
				asked[n] = ids[(caller+n)%len(ids)]
			}
			results, err := e.batch(ctx, asked...)
			if err == nil {
				err = e.good(asked, results)
			}
			if err != nil {
				problems <- fmt.Errorf("beside others: %w", err)
			}
		})
		if able && caller%4 == 0 {
			all.Go(func() {
				if err := checkListComplete(ctx, e); err != nil {
					problems <- fmt.Errorf("a listing beside others: %w", err)
				}
			})
		}
	}
	all.Wait()
	close(problems)
	return <-problems
}
