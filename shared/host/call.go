package host

import (
	"context"
	"errors"
	"unicode/utf8"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Get reads one credential. ctx bounds it, and Options.CallTimeout if that is nearer; both cover all attempts. If the
// process dies in between, the call is repeated with the next one.
func (p *Provider) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	if err := sendable(request); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.CallTimeout)
	defer cancel()
	return p.get(ctx, 0, request)
}

// get reads one credential, with a call that so many processes have died with. ctx bounds it.
func (p *Provider) get(ctx context.Context, deaths int, request credential.Request) (*credential.Credential, error) {
	var response *credentialv1.GetCredentialResponse
	err := p.callAfter(ctx, deaths, subject(request), func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
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
	for _, request := range requests {
		if err := sendable(request); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.CallTimeout)
	defer cancel()
	return p.getBatch(ctx, requests)
}

// getBatch makes one call. If it is given up, it is one of the requests at which the provider dies: each is made singly then, as
// one that processes have died with.
func (p *Provider) getBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	results := make([]credential.Result, len(requests))
	message := &credentialv1.BatchGetCredentialsRequest{}
	var asked []int // of requests
	for i, request := range requests {
		if _, results[i].Err = p.killers.known(subject(request)); results[i].Err == nil {
			asked = append(asked, i)
			message.Requests = append(message.Requests, wire.RequestToProto(request))
		}
	}
	if len(asked) == 0 {
		return results, nil
	}
	var response *credentialv1.BatchGetCredentialsResponse
	err := p.callAfter(ctx, 0, "", func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.BatchGetCredentials(ctx, message)
		return err
	})
	switch {
	case errors.Is(err, errKills):
		for _, i := range asked {
			results[i].Credential, results[i].Err = p.get(ctx, maxDeaths, requests[i])
		}
		return results, nil
	case err != nil:
		return nil, err
	case len(response.GetResults()) != len(asked):
		return nil, p.misbehaved("it gave %d results to %d requests", len(response.GetResults()), len(asked))
	}
	for i, message := range response.GetResults() {
		at := asked[i]
		results[at] = wire.ResultFromProto(message)
		if results[at].Err == nil {
			results[at].Credential, results[at].Err = p.take(requests[at], results[at].Credential)
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
	err := p.call(ctx, "\x00list\x00"+pageToken, func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{PageSize: int32(min(pageSize, 1000)), PageToken: pageToken})
		return err
	})
	if err != nil {
		return credential.Page{}, err
	}
	page := credential.Page{NextToken: response.GetNextPageToken()}
	for _, summary := range response.GetCredentials() {
		if id := summary.GetCredentialId(); id != "" && len(id) <= credential.MaxIDLength { // others could not be read either
			page.Credentials = append(page.Credentials, wire.SummaryFromProto(summary))
		}
	}
	if len(response.GetCredentials()) > wire.MaxPage {
		return credential.Page{}, p.misbehaved("its page of a listing has more than %d credentials", wire.MaxPage)
	}
	if problem := wire.PageProblem(page, pageSize); problem != "" {
		return credential.Page{}, p.misbehaved("its page of a listing: %s", problem)
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
	err := p.call(ctx, "\x00validate\x00"+id, func(ctx context.Context, provider credentialv1.CredentialProviderClient) (err error) {
		response, err = provider.Validate(ctx, message)
		return err
	})
	if err != nil {
		return credential.Report{}, err
	}
	return wire.ReportFromProto(response), nil
}

// subject names what a request asks for.
func subject(r credential.Request) string {
	return r.ID + "\x00" + r.VersionID + "\x00" + r.VersionLabel
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

// take checks an answer before it is used: a password for another id locks accounts.
func (p *Provider) take(request credential.Request, answer *credential.Credential) (*credential.Credential, error) {
	if problem := wire.CredentialProblem(request, answer); problem != "" {
		return nil, p.misbehaved("its answer for credential %q: %s", request.ID, problem)
	}
	p.redact.learn(answer)
	return answer, nil
}

func (p *Provider) misbehaved(format string, args ...any) error {
	e := credential.Errorf(credential.ProviderMisbehaved, format, args...)
	e.Message = "provider " + p.options.Name + " breaks the contract: " + e.Message
	return e.WithHelp("report this to the provider's author")
}
