package conformance

import (
	"context"
	"fmt"
	"slices"

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
