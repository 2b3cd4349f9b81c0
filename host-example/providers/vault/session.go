package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// session is the token that signs all requests. All callers share it: whichever finds that there is none, that it ends
// soon or that Vault has dropped it starts one login, and the others wait for that one, each within its own time.
type session struct {
	client *client
	source settings
	log    hclog.Logger

	life   context.Context // ends with the provider
	end    context.CancelFunc
	logins sync.WaitGroup

	mu     sync.Mutex
	token  token
	flight *flight // the login or renewal that is under way
}

// token is one that Vault has issued. It is replaced, never changed.
type token struct {
	value     credential.Redacted
	number    int       // how many there have been
	renewAt   time.Time // zero: it doesn't end, or when it does is unknown
	expires   time.Time
	renewable bool
}

type flight struct {
	done  chan struct{}
	token token
	err   error
}

// renewAfter is the part of a token's life after which it is renewed.
const renewAfter = 2.0 / 3

func newSession(c *client, s settings, log hclog.Logger) *session {
	life, end := context.WithCancel(context.Background())
	return &session{client: c, source: s, log: log, life: life, end: end}
}

// close ends a login that is under way.
func (s *session) close() {
	s.end()
	s.logins.Wait()
}

// current returns the token to use. One that is to be renewed but hasn't ended is used while that happens.
func (s *session) current(ctx context.Context) (token, error) {
	s.mu.Lock()
	now, held := time.Now(), s.token
	switch {
	case held.number > 0 && (held.renewAt.IsZero() || now.Before(held.renewAt)):
		s.mu.Unlock()
		return held, nil
	case held.number > 0 && now.Before(held.expires):
		s.start()
		s.mu.Unlock()
		return held, nil
	}
	f := s.start()
	s.mu.Unlock()
	return f.wait(ctx)
}

// replace returns another token than the refused one: the one of a later login, or one of a new login.
func (s *session) replace(ctx context.Context, refused token) (token, error) {
	s.mu.Lock()
	if s.token.number != refused.number && s.token.number > 0 {
		held := s.token
		s.mu.Unlock()
		return held, nil
	}
	s.token.renewable, s.token.expires, s.token.renewAt = false, time.Time{}, time.Unix(1, 0)
	f := s.start()
	s.mu.Unlock()
	return f.wait(ctx)
}

func (f *flight) wait(ctx context.Context) (token, error) {
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return token{}, ctx.Err()
	}
}

// start returns the login that is under way, or starts one. It isn't bound to a caller, since the others wait for it too.
// The caller holds the lock.
func (s *session) start() *flight {
	if s.flight != nil {
		return s.flight
	}
	f, held := &flight{done: make(chan struct{})}, s.token
	s.flight = f
	s.logins.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, 2*time.Duration(s.source.RequestTimeout))
		defer cancel()
		f.token, f.err = s.obtain(ctx, held)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		if f.err == nil {
			f.token.number = held.number + 1
			s.token = f.token
		} else if time.Now().Before(held.expires) {
			s.token.renewAt = time.Now().Add(time.Until(held.expires) / 4) // try again, but not with each call
		}
		close(f.done)
	})
	return f
}

// obtain renews the token that is held, if Vault lets it, or logs in.
func (s *session) obtain(ctx context.Context, held token) (token, error) {
	if held.renewable && time.Now().Before(held.expires) {
		renewed, err := s.client.call(ctx, http.MethodPost, "auth/token/renew-self", held.value, struct{}{})
		if err == nil && renewed.status == http.StatusOK && renewed.Auth != nil && renewed.Auth.LeaseDuration > 0 {
			// Near its greatest age a token's lease gets no longer: then a login is due.
			if fresh := issued(held.value, renewed.Auth.LeaseDuration, renewed.Auth.Renewable); fresh.expires.After(held.expires.Add(time.Second)) || s.source.RoleID == "" {
				s.log.Debug("the Vault token is renewed", "lease_seconds", renewed.Auth.LeaseDuration)
				return fresh, nil
			}
		}
		if err != nil && s.source.RoleID == "" {
			return token{}, err
		}
	}
	switch {
	case s.source.RoleID != "":
		return s.appRole(ctx)
	case s.source.AgentAuth:
		return token{}, nil // the agent adds it
	case s.source.TokenFile != "":
		text, err := regular.Read(s.source.TokenFile, maxFile)
		if value := strings.TrimSpace(string(text)); err == nil && value != "" {
			return s.lookUp(ctx, credential.NewRedacted(value))
		}
		return token{}, credential.Errorf(credential.BackendUnauthenticated, "the token file %s is empty or can't be read", s.source.TokenFile).
			WithHelp("see whether the Vault Agent that writes it runs, and whether this user may read it")
	default:
		return s.lookUp(ctx, s.source.Token)
	}
}

func issued(value credential.Redacted, seconds int64, renewable bool) token {
	t := token{value: value, renewable: renewable}
	if seconds > 0 {
		lease := time.Duration(min(seconds, 10*365*24*3600)) * time.Second
		t.expires = time.Now().Add(lease)
		t.renewAt = time.Now().Add(time.Duration(renewAfter * float64(lease)))
	}
	return t
}

// appRole logs in with the role's id and secret.
func (s *session) appRole(ctx context.Context) (token, error) {
	given, err := s.client.call(ctx, http.MethodPost, "auth/"+s.source.AppRoleMount+"/login", credential.Redacted{},
		map[string]string{"role_id": s.source.RoleID, "secret_id": s.source.SecretID.Reveal()})
	switch {
	case err != nil:
		return token{}, err
	case given.status == http.StatusOK && given.Auth != nil && !given.Auth.ClientToken.IsEmpty():
		s.log.Debug("logged in to Vault", "lease_seconds", given.Auth.LeaseDuration)
		return issued(given.Auth.ClientToken, given.Auth.LeaseDuration, given.Auth.Renewable), nil
	case given.status == http.StatusOK:
		return token{}, s.client.misconfigured("answers a login without a token")
	default: // 400 for a wrong id or secret; 403 and 404 for that, or where no AppRole method is mounted
		return token{}, credential.Errorf(credential.BackendUnauthenticated, "Vault at %s refuses the login with role_id and secret_id", s.client.base.Host).
			WithHelp("check role_id and secret_id, that the secret id has not expired, and approle_mount (%s)", s.source.AppRoleMount)
	}
}

// lookUp finds out when a token from the settings ends. A policy may forbid that: then it is used as it is.
func (s *session) lookUp(ctx context.Context, value credential.Redacted) (token, error) {
	valid, ttl, renewable, err := s.alive(ctx, value)
	switch {
	case err != nil:
		return token{}, err
	case !valid:
		return token{}, credential.Errorf(credential.BackendUnauthenticated, "Vault at %s refuses the token", s.client.base.Host).
			WithHelp("create another one (vault token create), or let a Vault Agent write it into plugin_vault_token_file")
	}
	return issued(value, ttl, renewable), nil
}

// alive asks Vault about a token. ttl is in seconds; 0: it doesn't end.
func (s *session) alive(ctx context.Context, value credential.Redacted) (valid bool, ttl int64, renewable bool, err error) {
	found, err := s.client.call(ctx, http.MethodGet, "auth/token/lookup-self", value, nil)
	if err != nil {
		return false, 0, false, err
	}
	var data struct {
		TTL       int64 `json:"ttl"`
		Renewable bool  `json:"renewable"`
	}
	if found.status != http.StatusOK {
		return false, 0, false, nil
	}
	if err := unmarshal(found.Data, &data); err != nil {
		return false, 0, false, s.client.misconfigured("describes the token in a form that isn't known")
	}
	return true, data.TTL, data.Renewable, nil
}

// send makes a request with the session's token. After a 403 it asks whether the token is still valid: if not, it makes
// the request once more with a new one; if it is, access is denied.
func (s *session) send(ctx context.Context, method, at string) (*answer, error) {
	held, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	for again := true; ; again = false {
		got, err := s.client.call(ctx, method, at, held.value, nil)
		if err != nil || got.status != http.StatusForbidden {
			return got, err
		}
		if again && !s.source.AgentAuth {
			valid, _, _, err := s.alive(ctx, held.value)
			if err != nil {
				return nil, err
			}
			if !valid {
				if held, err = s.replace(ctx, held); err != nil {
					return nil, err
				}
				continue
			}
		}
		return nil, credential.Errorf(credential.AccessDenied, "Vault at %s denies %s of %s", s.client.base.Host, method, at).
			With("action", method).With("resource", at).WithHelp("add a policy: path %q { capabilities = [\"read\", \"list\"] }", at)
	}
}
