package awssmtest

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// maxSessions bounds the temporary credentials that are remembered: the oldest are forgotten first.
const maxSessions = 10_000

// Session is a set of temporary credentials. It holds a secret key: don't print it.
type Session struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expires         time.Time
}

type accessKey struct {
	arn             string
	secretAccessKey string
	sessionToken    string
	expires         time.Time // zero: never
}

type identities struct {
	mu       sync.Mutex
	keys     map[string]accessKey
	sessions []string // access key ids of sessions, oldest first
	lifetime time.Duration
}

func newIdentities() *identities { return &identities{keys: make(map[string]accessKey)} }

func (i *identities) lookup(accessKeyID string) (accessKey, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key, ok := i.keys[accessKeyID]
	return key, ok
}

func (i *identities) arn(accessKeyID string) string {
	key, _ := i.lookup(accessKeyID)
	return key.arn
}

// AddIdentity makes a pair of long-lived keys valid for the identity with this ARN, such as "arn:aws:iam::123456789012:user/worker".
// An access key that exists already is replaced.
func (s *Server) AddIdentity(accessKeyID, secretAccessKey, arn string) {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	s.identity.keys[accessKeyID] = accessKey{arn: arn, secretAccessKey: secretAccessKey}
}

// RemoveIdentity makes an access key unknown, be it long-lived or a session's.
func (s *Server) RemoveIdentity(accessKeyID string) {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	delete(s.identity.keys, accessKeyID)
}

// AddSession issues temporary credentials for an identity, valid from now for the lifetime given (SetSessionLifetime is not applied). A
// negative lifetime gives credentials that have expired already.
func (s *Server) AddSession(arn string, lifetime time.Duration) Session {
	session := Session{
		AccessKeyID:     "ASIA" + rand.Text()[:16],
		SecretAccessKey: rand.Text() + rand.Text()[:14],
		SessionToken:    "FwoG" + strings.ToLower(rand.Text()) + rand.Text() + rand.Text(),
		Expires:         s.options.Now().Add(lifetime).UTC().Truncate(time.Second),
	}
	i := s.identity
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.sessions) >= maxSessions {
		delete(i.keys, i.sessions[0])
		i.sessions = i.sessions[1:]
	}
	i.sessions = append(i.sessions, session.AccessKeyID)
	i.keys[session.AccessKeyID] = accessKey{arn, session.SecretAccessKey, session.SessionToken, session.Expires}
	return session
}

// SetSessionLifetime makes AssumeRole and AssumeRoleWithWebIdentity issue credentials that live this long, whatever the caller asked for,
// even less than AWS's minimum of 15 minutes. 0 goes back to what the caller asks for.
func (s *Server) SetSessionLifetime(d time.Duration) {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	s.identity.lifetime = d
}

// ExpireSessions ends all temporary credentials issued so far, whatever expiry their holders were told.
func (s *Server) ExpireSessions() {
	s.identity.mu.Lock()
	defer s.identity.mu.Unlock()
	for _, id := range s.identity.sessions {
		if key, ok := s.identity.keys[id]; ok {
			key.expires = time.Unix(0, 0)
			s.identity.keys[id] = key
		}
	}
}
