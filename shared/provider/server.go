package provider

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// server serves the contract on behalf of one provider.
type server[S any, P Provider] struct {
	credentialv1.UnimplementedCredentialProviderServer
	definition Definition[S, P]
	form       *form[S]
	log        hclog.Logger

	configuring sync.Mutex // held while settings are taken
	mu          sync.RWMutex
	provider    Provider // nil before Configure has succeeded
}

func newServer[S any, P Provider](definition Definition[S, P], log hclog.Logger) (*server[S, P], error) {
	if !settingName.MatchString(definition.Name) {
		return nil, fmt.Errorf("provider name %q: a name starts with a lower-case letter and is made of lower-case letters, digits and underscores", definition.Name)
	}
	if definition.New == nil {
		return nil, errors.New("the definition has no New")
	}
	if definition.PreviousVersionLabel != "" && !definition.Versions {
		return nil, fmt.Errorf("provider %s: PreviousVersionLabel is %q, but Versions is false: set it, or leave the label empty", definition.Name, definition.PreviousVersionLabel)
	}
	form, err := newForm(definition.Defaults)
	if err != nil {
		return nil, err
	}
	return &server[S, P]{definition: definition, form: form, log: log}, nil
}

// can reports whether the provider's type has an ability, which must be known before there is a provider.
func can[Ability any, P Provider]() bool {
	return reflect.TypeFor[P]().Implements(reflect.TypeFor[Ability]())
}

func (s *server[S, P]) capabilities() []credential.Capability {
	var all []credential.Capability
	if can[Lister, P]() {
		all = append(all, credential.CapabilityList)
	}
	if can[BatchGetter, P]() {
		all = append(all, credential.CapabilityBatch)
	}
	if s.definition.Versions {
		all = append(all, credential.CapabilityVersion)
	}
	return all
}

func (s *server[S, P]) GetMetadata(context.Context, *credentialv1.GetMetadataRequest) (*credentialv1.GetMetadataResponse, error) {
	response := &credentialv1.GetMetadataResponse{
		Name:           s.definition.Name,
		Version:        s.definition.Version,
		Description:    s.definition.Description,
		SettingsSchema: s.form.text,

		PreviousVersionLabel: s.definition.PreviousVersionLabel,
	}
	for _, capability := range s.capabilities() {
		response.Capabilities = append(response.Capabilities, string(capability))
	}
	return response, nil
}

func (s *server[S, P]) Configure(_ context.Context, request *credentialv1.ConfigureRequest) (*credentialv1.ConfigureResponse, error) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	if s.configured() != nil {
		return nil, credential.Errorf(credential.AlreadyConfigured, "provider %s has its settings already; new settings need a new process", s.definition.Name)
	}
	settings, err := s.form.decode(request.GetSettings().AsMap())
	if err != nil {
		return nil, err
	}
	provider, err := s.definition.New(settings, s.log)
	if err != nil {
		var e *credential.Error
		if !errors.As(err, &e) {
			err = &credential.Error{Reason: credential.SettingsInvalid, Message: err.Error(), Cause: err}
		}
		return nil, err
	}
	if value := reflect.ValueOf(provider); !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil() {
		return nil, credential.Errorf(credential.Internal, "New of provider %s gave neither a provider nor an error", s.definition.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provider = provider
	return &credentialv1.ConfigureResponse{}, nil
}

// configured returns the provider, or nil before Configure has succeeded.
func (s *server[S, P]) configured() Provider {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.provider
}

// closeTime is how long a provider may take to release what it holds.
const closeTime = time.Second

// close releases the provider, in bounded time and whatever it does.
func (s *server[S, P]) close() {
	closer, ok := s.configured().(Closer)
	if !ok {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if value := recover(); value != nil {
				logPanic(s.log, "Close", value)
			}
		}()
		if err := closer.Close(); err != nil {
			s.log.Warn("the provider could not be closed", "type", fmt.Sprintf("%T", err))
		}
	}()
	select {
	case <-done:
	case <-time.After(closeTime):
		s.log.Warn("the provider could not be closed in time", "time", closeTime.String())
	}
}

// ability returns the provider as an Ability, or why it isn't one.
func ability[Ability any, S any, P Provider](s *server[S, P], what string) (Ability, error) {
	var none Ability
	if !can[Ability, P]() {
		return none, credential.Errorf(credential.Unsupported, "provider %s doesn't support %s", s.definition.Name, what)
	}
	provider := s.configured()
	if provider == nil {
		return none, credential.Errorf(credential.NotConfigured, "provider %s has no settings yet; call Configure first", s.definition.Name)
	}
	return provider.(Ability), nil
}

func (s *server[S, P]) Validate(ctx context.Context, request *credentialv1.ValidateRequest) (*credentialv1.ValidateResponse, error) {
	if _, err := ability[Provider](s, "reading"); err != nil {
		return nil, err
	}
	if !can[Validator, P]() {
		return &credentialv1.ValidateResponse{}, nil
	}
	validator, err := ability[Validator](s, "validation")
	if err != nil {
		return nil, err
	}
	if request.CredentialId != nil {
		if err := wire.CheckID(request.GetCredentialId()); err != nil {
			return nil, err
		}
	}
	report, err := validator.Validate(ctx, request.GetCredentialId())
	if err != nil {
		s.logFailure(ctx, "validate", request.GetCredentialId(), err)
		return nil, err
	}
	return wire.ReportToProto(report), nil
}

func (s *server[S, P]) GetCredential(ctx context.Context, in *credentialv1.GetCredentialRequest) (*credentialv1.GetCredentialResponse, error) {
	provider, err := ability[Provider](s, "reading")
	if err != nil {
		return nil, err
	}
	request := wire.RequestFromProto(in)
	if err := s.checkRequest(in); err != nil {
		return nil, err
	}
	found, err := provider.Get(ctx, request)
	if err == nil {
		err = s.checkAnswer(request, found)
	}
	if err != nil {
		s.logFailure(ctx, "read", request.ID, err)
		return nil, err
	}
	return &credentialv1.GetCredentialResponse{Credential: wire.CredentialToProto(found)}, nil
}

func (s *server[S, P]) BatchGetCredentials(ctx context.Context, in *credentialv1.BatchGetCredentialsRequest) (*credentialv1.BatchGetCredentialsResponse, error) {
	batcher, err := ability[BatchGetter](s, "BatchGetCredentials")
	if err != nil {
		return nil, err
	}
	if n := len(in.GetRequests()); n < 1 || n > credential.MaxBatch {
		return nil, credential.Errorf(credential.RequestInvalid, "a batch of %d credentials; ask for 1 to %d", n, credential.MaxBatch)
	}
	// Only what could be answered reaches the provider; where an answer belongs is kept beside it.
	results := make([]credential.Result, len(in.GetRequests()))
	var requests []credential.Request
	var places []int
	for i, single := range in.GetRequests() {
		if err := s.checkRequest(single); err != nil {
			results[i].Err = err
			continue
		}
		requests = append(requests, wire.RequestFromProto(single))
		places = append(places, i)
	}
	if len(requests) > 0 {
		answers, err := batcher.GetBatch(ctx, requests)
		if err == nil && len(answers) != len(requests) {
			err = credential.Errorf(credential.Internal, "provider %s gave %d answers to %d requests", s.definition.Name, len(answers), len(requests))
		}
		if err != nil {
			s.logFailure(ctx, "batch", "", err)
			return nil, err
		}
		for i, answer := range answers {
			if answer.Err == nil {
				answer.Err = s.checkAnswer(requests[i], answer.Credential)
			}
			if answer.Err != nil {
				s.logFailure(ctx, "read", requests[i].ID, answer.Err)
			}
			results[places[i]] = answer
		}
	}
	out := &credentialv1.BatchGetCredentialsResponse{Results: make([]*credentialv1.CredentialResult, len(results))}
	for i, result := range results {
		out.Results[i] = wire.ResultToProto(result)
	}
	return out, nil
}

func (s *server[S, P]) ListCredentials(ctx context.Context, in *credentialv1.ListCredentialsRequest) (*credentialv1.ListCredentialsResponse, error) {
	lister, err := ability[Lister](s, "ListCredentials")
	if err != nil {
		return nil, err
	}
	size, err := wire.PageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	page, err := lister.List(ctx, size, in.GetPageToken())
	if err == nil {
		err = s.checkPage(page, size)
	}
	if err != nil {
		s.logFailure(ctx, "list", "", err)
		return nil, err
	}
	out := &credentialv1.ListCredentialsResponse{NextPageToken: page.NextToken}
	for _, summary := range page.Credentials {
		if err := wire.CheckID(summary.ID); err != nil {
			// One that can't be asked for must not hide the others.
			s.log.Warn("left out of a listing", "because", err.Error())
			continue
		}
		out.Credentials = append(out.Credentials, wire.SummaryToProto(summary))
	}
	return out, nil
}

// checkRequest refuses what no provider could answer.
func (s *server[S, P]) checkRequest(in *credentialv1.GetCredentialRequest) error {
	if in.GetVersion() != nil && !s.definition.Versions {
		return credential.Errorf(credential.Unsupported, "provider %s reads current versions only", s.definition.Name)
	}
	return wire.CheckID(in.GetCredentialId())
}

// checkAnswer keeps from the host what the contract forbids. What is wrong is said, the values are not.
func (s *server[S, P]) checkAnswer(request credential.Request, answer *credential.Credential) error {
	defect := func(problem string) error {
		return credential.Errorf(credential.Internal, "provider %s made a credential %q that the contract forbids: %s", s.definition.Name, request.ID, problem)
	}
	if problem := wire.CredentialProblem(request, answer); problem != "" {
		return defect(problem)
	}
	return nil
}

// checkPage does the same for a page of a listing.
func (s *server[S, P]) checkPage(page credential.Page, size int) error {
	defect := func(problem string) error {
		return credential.Errorf(credential.Internal, "provider %s made a page that the contract forbids: %s", s.definition.Name, problem)
	}
	if problem := wire.PageProblem(page, size); problem != "" {
		return defect(problem)
	}
	if !utf8.ValidString(page.NextToken) {
		return defect("its next token isn't valid UTF-8")
	}
	return nil
}

// logFailure leaves a trace of a failed call. Callers see the error itself, so it is for debugging only, unless the
// provider itself is at fault. It logs what goes to the host and no more: what other errors quote is unknown.
func (s *server[S, P]) logFailure(ctx context.Context, what, id string, err error) {
	e := wire.AsError(err)
	level := hclog.Debug
	if e.Reason == credential.Internal {
		level = hclog.Error
	}
	args := []any{"credential_id", id, "reason", string(e.Reason), "error", e.Error()}
	if deadline, ok := ctx.Deadline(); ok {
		args = append(args, "time_left", time.Until(deadline).Round(time.Millisecond).String())
	}
	hclog.FromContext(ctx).Log(level, what+" failed", args...)
}
