package client

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/relay"
)

const (
	// reportTime is for a report whose answer doesn't matter, otherTime for one of REFUSED: the agent answers after 30 s.
	reportTime = 5 * time.Second
	otherTime  = 40 * time.Second
)

// Present waits until the login may be tried, and returns what to send to the device, at once and once. Where a login would be
// refused as far as the agent knows, the error is CREDENTIAL_REJECTED, with a RetryDelay. It is called at most once.
type Present func(ctx context.Context) (*credential.Credential, error)

// errNoTime ends an attempt whose permit has run out.
var errNoTime = errors.New("the device hasn't answered the login in time")

// Login lets do log in to a device, as [guard.Guard.Login] does: what do returns is the device's answer, nil, or wrapped,
// [guard.ErrRefused], [guard.ErrNotShown], [guard.ErrAskedMore] or any other error, which is no answer. After a refusal do is called again where the
// agent has other material for the device. device is its name, such as "10.0.0.1:22", always the same one. The context of do
// ends when the permit does, or when do returns.
func (c *Client) Login(ctx context.Context, id, device string, do func(ctx context.Context, present Present) error) error {
	l := &login{client: c, id: id, device: device, key: make([]byte, 16)}
	if _, err := rand.Read(l.key); err != nil {
		return err
	}
	for {
		err := l.attempt(ctx, do)
		if err == nil || !errors.Is(err, guard.ErrRefused) || !l.other {
			return err
		}
	}
}

// login is one call of Login on its way.
type login struct {
	client     *Client
	id, device string
	key        []byte
	asked      bool   // the agent may have a permit for the login that was not used
	permit     []byte // of material that do has; nil: it has none
	other      bool   // the agent has other material
	timer      *time.Timer
}

// attempt calls do once, and reports what it returns.
func (l *login) attempt(ctx context.Context, do func(context.Context, Present) error) error {
	whole := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.other, l.asked, l.permit = false, false, nil
	err := do(ctx, func(ctx context.Context) (*credential.Credential, error) { return l.present(ctx, cancel) })
	if l.timer != nil {
		l.timer.Stop()
	}
	l.report(context.WithoutCancel(whole), err)
	return err
}

func (l *login) present(ctx context.Context, cancel context.CancelCauseFunc) (*credential.Credential, error) {
	l.asked = true
	request := &credentialv1.PresentRequest{LoginId: l.key, CredentialId: l.id, Device: l.device}
	response, err := call(ctx, l.client, credentialv1.NewLoginGuardClient(l.client.conn).Present, request)
	if err != nil {
		return nil, err
	}
	l.permit = response.GetPermit()
	l.timer = time.AfterFunc(response.GetReportWithin().AsDuration(), func() { cancel(errNoTime) })
	return relay.Credential(response.GetCredential()), nil
}

// report tells the agent what became of the attempt. An agent that is gone takes the permit for one without an answer.
func (l *login) report(ctx context.Context, err error) {
	request, limit := &credentialv1.ReportRequest{Answer: answerOf(err)}, reportTime
	switch {
	case l.permit != nil:
		request.Login = &credentialv1.ReportRequest_Permit{Permit: l.permit}
		if request.Answer == credentialv1.LoginAnswer_LOGIN_ANSWER_REFUSED {
			limit = otherTime
		}
	case l.asked:
		request.Login = &credentialv1.ReportRequest_LoginId{LoginId: l.key}
		request.Answer = credentialv1.LoginAnswer_LOGIN_ANSWER_NOT_PRESENTED
	default:
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if response, err := call(ctx, l.client, credentialv1.NewLoginGuardClient(l.client.conn).Report, request); err == nil {
		l.other = response.GetOtherMaterial()
	}
}

// answerOf is the device's answer that an error of do stands for.
func answerOf(err error) credentialv1.LoginAnswer {
	switch {
	case err == nil:
		return credentialv1.LoginAnswer_LOGIN_ANSWER_ACCEPTED
	case errors.Is(err, guard.ErrRefused):
		return credentialv1.LoginAnswer_LOGIN_ANSWER_REFUSED
	case errors.Is(err, guard.ErrNotShown):
		return credentialv1.LoginAnswer_LOGIN_ANSWER_NOT_PRESENTED
	case errors.Is(err, guard.ErrAskedMore):
		return credentialv1.LoginAnswer_LOGIN_ANSWER_ASKED_MORE
	}
	return credentialv1.LoginAnswer_LOGIN_ANSWER_UNKNOWN
}
