package agent

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/relay"
	"github.com/tom-worker/credential-provider/shared/store"
)

// loginGuard serves LoginGuard.
type loginGuard struct {
	credentialv1.UnimplementedLoginGuardServer
	server *Server
}

// maxDevice is the longest name of a device, in bytes.
const maxDevice = 512

// Present implements the contract.
func (g *loginGuard) Present(ctx context.Context, in *credentialv1.PresentRequest) (*credentialv1.PresentResponse, error) {
	s := g.server
	client, err := peerOf(ctx)
	if err != nil {
		return nil, err
	}
	key, err := keyOf(in.GetLoginId())
	if err != nil {
		return nil, err
	}
	if err := relay.CheckID(in.GetCredentialId()); err != nil {
		return nil, err
	}
	if device := in.GetDevice(); device == "" || len(device) > maxDevice || !utf8.ValidString(device) || strings.ContainsFunc(device, unicode.IsControl) {
		return nil, credential.Errorf(credential.RequestInvalid, "a device's name has 1 to %d bytes and no control characters", maxDevice)
	}
	if err := s.options.Rules.check(client, Login, in.GetCredentialId()); err != nil {
		s.options.Audit.Withheld(ctx, recipient(client, in.GetDevice()), in.GetCredentialId(), err)
		return nil, err
	}
	if s.ending.Err() != nil {
		return nil, errEnding()
	}
	whole, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // the end of this call doesn't end the login
	l, fresh, err := s.logins.get(client, key, in.GetCredentialId(), in.GetDevice(), cancel)
	switch {
	case err != nil:
		cancel(nil)
		return nil, err
	case !fresh:
		cancel(nil)
	case s.ending.Err() != nil: // it was told to end just now, and may not have seen this login
		cancel(nil)
		l.end(errEnding())
		s.logins.done(l)
	default:
		s.start(whole, l)
	}
	p, err := l.material(ctx)
	if err != nil {
		return nil, err
	}
	return &credentialv1.PresentResponse{
		Permit: p.sealed, Credential: relay.Message(public(p.result)), ReportWithin: durationpb.New(max(0, time.Until(p.until))),
	}, nil
}

func keyOf(id []byte) (key loginID, err error) {
	if len(id) != len(key) {
		return key, credential.Errorf(credential.RequestInvalid, "a login_id has %d bytes, not %d", len(key), len(id))
	}
	return loginID(id), nil
}

// start runs a login until it ends.
func (s *Server) start(ctx context.Context, l *login) {
	s.logins.wait.Go(func() {
		defer s.logins.done(l)
		defer l.cancel(nil)
		s.gate.pass(ctx, l.id, l.client)
		err := s.options.Guard.Login(context.WithValue(ctx, grantKey{}, &l.grant), l.id, l.device, func(ctx context.Context, attempt *guard.Attempt) error {
			return l.present(ctx, attempt, s)
		})
		if cause := context.Cause(ctx); err != nil && cause != nil && ctx.Err() != nil {
			err = cause // the guard's error says only that its context has ended
		}
		l.end(err)
		if err != nil && len(l.presentations) == 0 {
			s.options.Observe(store.Result{}, err)
			s.options.Audit.Withheld(ctx, recipient(l.client, l.device), l.id, err)
		}
	})
}

// handOut writes the audit line of a presentation.
func (s *Server) handOut(ctx context.Context, l *login, result store.Result) error {
	s.gate.shown(l.id, l.client)
	s.options.Observe(result, nil)
	to := recipient(l.client, l.device)
	l.mu.Lock()
	to.Attempt = len(l.presentations) + 1
	l.mu.Unlock()
	return s.options.Audit.HandedOut(ctx, to, result)
}

// Report implements the contract.
func (g *loginGuard) Report(ctx context.Context, in *credentialv1.ReportRequest) (*credentialv1.ReportResponse, error) {
	s := g.server
	client, err := peerOf(ctx)
	if err != nil {
		return nil, err
	}
	a, err := answerOf(in.GetAnswer())
	if err != nil {
		return nil, err
	}
	switch in.GetLogin().(type) {
	case *credentialv1.ReportRequest_Permit:
		return s.reportPermit(ctx, client, in.GetPermit(), a)
	case *credentialv1.ReportRequest_LoginId:
		key, err := keyOf(in.GetLoginId())
		if err != nil {
			return nil, err
		}
		return s.reportLogin(ctx, client, key, a)
	}
	return nil, credential.Errorf(credential.RequestInvalid, "a report names a permit or a login_id")
}

func answerOf(reported credentialv1.LoginAnswer) (answer, error) {
	switch reported {
	case credentialv1.LoginAnswer_LOGIN_ANSWER_ACCEPTED:
		return accepted, nil
	case credentialv1.LoginAnswer_LOGIN_ANSWER_REFUSED:
		return refused, nil
	case credentialv1.LoginAnswer_LOGIN_ANSWER_UNKNOWN:
		return unknown, nil
	case credentialv1.LoginAnswer_LOGIN_ANSWER_NOT_PRESENTED:
		return notPresented, nil
	case credentialv1.LoginAnswer_LOGIN_ANSWER_ASKED_MORE:
		return askedMore, nil
	}
	return 0, credential.Errorf(credential.RequestInvalid, "a report's answer is ACCEPTED, REFUSED, UNKNOWN, NOT_PRESENTED or ASKED_MORE, not %d", reported)
}

func (s *Server) reportLogin(ctx context.Context, client Peer, key loginID, a answer) (*credentialv1.ReportResponse, error) {
	l := s.logins.find(client.UID, key)
	switch {
	case l == nil && a == notPresented: // the call of Present may still be on its way
		s.logins.refuse(client, key)
		return &credentialv1.ReportResponse{}, nil
	case l == nil:
		return nil, credential.Errorf(credential.RequestInvalid, "no login of this login_id is known here; report with the permit")
	}
	p, late, err := l.report(0, a)
	if err != nil || p == nil {
		return &credentialv1.ReportResponse{}, err
	}
	return s.reported(ctx, client, l, p, p.permit, a, late)
}

func (s *Server) reportPermit(ctx context.Context, client Peer, sealed []byte, a answer) (*credentialv1.ReportResponse, error) {
	permit, err := s.seal.open(sealed)
	if err != nil {
		return nil, err
	}
	if permit.UID != client.UID {
		return nil, credential.Errorf(credential.RequestInvalid, "the permit was given to another user")
	}
	l := s.logins.adopt(permit)
	p, late, err := l.report(permit.Presentation, a)
	if err != nil {
		return nil, err
	}
	return s.reported(ctx, client, l, p, permit, a, late)
}

// reported does what follows a report, and returns its answer.
func (s *Server) reported(ctx context.Context, client Peer, l *login, p *presentation, permit permit, a answer, late bool) (*credentialv1.ReportResponse, error) {
	if late {
		return s.reportLate(ctx, permit, a)
	}
	if a != refused {
		return &credentialv1.ReportResponse{}, nil
	}
	s.gate.note(l.id, client)
	select {
	case <-p.decided:
		return &credentialv1.ReportResponse{OtherMaterial: p.other}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reportLate tells the ledger what became of a permit whose login is over, or was another agent's.
func (s *Server) reportLate(ctx context.Context, permit permit, a answer) (*credentialv1.ReportResponse, error) {
	answers := map[answer]guard.Answer{accepted: guard.Accepted, refused: guard.Refused, unknown: guard.Unknown}
	reports := []guard.Report{permit.report(answers[a])}
	if a == askedMore { // the device's word counts, and the material's failures stay as they are
		word := permit.report(guard.Unknown)
		word.Open = true
		reports = append([]guard.Report{word}, reports...)
	}
	for _, report := range reports {
		if err := s.options.Ledger.End(ctx, report); err != nil {
			return nil, fmt.Errorf("report to the ledger: %w", err)
		}
	}
	response := &credentialv1.ReportResponse{}
	if a == refused {
		newest, err := s.options.Store.Recheck(ctx, permit.Credential, time.Now())
		response.OtherMaterial = err == nil && s.options.Guard.Digest(newest.Credential) != permit.Material
	}
	return response, nil
}
