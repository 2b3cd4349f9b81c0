package host

import (
	"context"
	"errors"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Get reads one credential. ctx bounds it, and Options.CallTimeout if that is nearer; both cover all attempts. If the
// process dies meanwhile, the call is repeated with the next one.
func (p *Provider) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	if err := sendable(request); err != nil {
		return nil, err
	}
	var response *credentialv1.GetCredentialResponse
	err := p.call(ctx, func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.GetCredential(ctx, wire.RequestToProto(request))
		return err
	})
	if err != nil {
		return nil, err
	}
	return p.take(request, wire.CredentialFromProto(response.GetCredential()))
}

// GetBatch reads many credentials in one call: results in the order of the requests, of which there are at most
// credential.MaxBatch. Without the capability BATCH it is credential.Unsupported.
func (p *Provider) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	if err := p.need(credential.CapabilityBatch); err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return nil, nil
	}
	message := &credentialv1.BatchGetCredentialsRequest{}
	for _, request := range requests {
		if err := sendable(request); err != nil {
			return nil, err
		}
		message.Requests = append(message.Requests, wire.RequestToProto(request))
	}
	var response *credentialv1.BatchGetCredentialsResponse
	err := p.call(ctx, func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.BatchGetCredentials(ctx, message)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(response.GetResults()) != len(requests) {
		return nil, p.misbehaved("it gave %d results to %d requests", len(response.GetResults()), len(requests))
	}
	results := make([]credential.Result, len(requests))
	for i, message := range response.GetResults() {
		results[i] = wire.ResultFromProto(message)
		if results[i].Err == nil {
			results[i].Credential, results[i].Err = p.take(requests[i], results[i].Credential)
		}
	}
	return results, nil
}

// List returns one page of credential ids: at most pageSize, or as many as the provider likes with 0. pageToken is empty
// for the first page, then the NextToken of the page before. Without the capability LIST it is credential.Unsupported.
func (p *Provider) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	if err := p.need(credential.CapabilityList); err != nil {
		return credential.Page{}, err
	}
	var response *credentialv1.ListCredentialsResponse
	err := p.call(ctx, func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{PageSize: int32(min(pageSize, 1000)), PageToken: pageToken})
		return err
	})
	if err != nil {
		return credential.Page{}, err
	}
	page := credential.Page{NextToken: response.GetNextPageToken()}
	for _, summary := range response.GetCredentials() {
		page.Credentials = append(page.Credentials, wire.SummaryFromProto(summary))
	}
	return page, nil
}

// Validate lets the provider check its backend, and read the credential id if it isn't empty. What is found wrong is in
// the report; an error means that it could not check.
func (p *Provider) Validate(ctx context.Context, id string) (credential.Report, error) {
	message := &credentialv1.ValidateRequest{}
	if id != "" {
		message.CredentialId = &id
	}
	var response *credentialv1.ValidateResponse
	err := p.call(ctx, func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.Validate(ctx, message)
		return err
	})
	if err != nil {
		return credential.Report{}, err
	}
	return wire.ReportFromProto(response), nil
}

// sendable refuses what gRPC can't encode: it would look like the provider's defect.
func sendable(request credential.Request) error {
	for _, text := range []string{request.ID, request.VersionID, request.VersionLabel} {
		if !utf8.ValidString(text) {
			return credential.Errorf(credential.CredentialIDInvalid, "%+q is not valid UTF-8", text).With("problem", "not UTF-8")
		}
	}
	return nil
}

// need refuses locally what the provider doesn't advertise.
func (p *Provider) need(capability credential.Capability) error {
	if !p.Metadata().Can(capability) {
		return credential.Errorf(credential.Unsupported, "provider %s doesn't have the capability %s", p.options.Name, capability)
	}
	return nil
}

// take checks an answer before anybody uses it: a password for another id locks accounts.
func (p *Provider) take(request credential.Request, answer *credential.Credential) (*credential.Credential, error) {
	_, hasPassword := answer.Password.Get()
	switch {
	case answer.ID != request.ID:
		return nil, p.misbehaved("asked for credential %q, it answered for another one", request.ID)
	case answer.Username == "":
		return nil, p.misbehaved("it gave credential %q without a username", request.ID)
	case !hasPassword && answer.Extra[credential.PrivateKeyField].IsEmpty():
		return nil, p.misbehaved("it gave credential %q with neither a password nor a private key", request.ID)
	}
	p.redact.learn(answer)
	return answer, nil
}

func (p *Provider) misbehaved(format string, args ...any) *credential.Error {
	e := credential.Errorf(credential.ProviderMisbehaved, format, args...)
	e.Message = "provider " + p.options.Name + " breaks the contract: " + e.Message
	return e.WithHelp("report this to the provider's author")
}

// errLost is a call that died with its process.
var errLost = errors.New("the process that was called is gone")

// call makes one call, and repeats it with the next process for as long as it dies with one and ctx allows. Every call of
// the contract that goes through here is idempotent.
func (p *Provider) call(ctx context.Context, do func(context.Context, credentialv1.CredentialProviderClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.CallTimeout)
	defer cancel()
	for {
		process, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		err = p.once(ctx, process, do)
		process.calls.Done()
		if !errors.Is(err, errLost) {
			return err
		}
	}
}

// once makes one attempt with one process.
func (p *Provider) once(ctx context.Context, process *process, do func(context.Context, credentialv1.CredentialProviderClient) error) error {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(process.life, cancel)
	defer stop()
	err := do(attempt, process.provider)
	if err == nil {
		p.answered()
		return nil
	}
	if wire.HasReason(err) {
		p.answered()
		return wire.FromStatus(err)
	}
	if ctx.Err() != nil {
		if process.missed.Load() > 0 && ctx.Err() == context.DeadlineExceeded {
			return credential.Errorf(credential.ProviderUnresponsive, "provider %s answered neither the call nor a health check", p.options.Name)
		}
		return contextError(ctx)
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return wire.FromStatus(err) // the provider's clock was a little faster than ctx
	case codes.Unavailable, codes.Canceled:
		// It may be the process's end or the answer of a handler that knows no reasons: gRPC doesn't tell. The process does.
		if process.life.Err() == nil && process.healthy(ctx) {
			break
		}
		select {
		case <-process.life.Done():
			return errLost
		case <-ctx.Done():
			return contextError(ctx)
		}
	}
	p.answered()
	return p.misbehaved("it answered with status %s and no reason of the contract", status.Code(err))
}
