package agent

import (
	"context"
	"strings"
	"sync"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// source is what the agent's CredentialProvider serves: the store, behind the rules, with an audit line for each credential.
type source struct{ server *Server }

// Get implements relay.Source.
func (s *source) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	client, err := peerOf(ctx)
	if err != nil {
		return nil, err
	}
	to := recipient(client, "")
	var result store.Result
	if err = s.server.options.Rules.check(client, Get, request.ID); err == nil {
		result, err = s.server.options.Store.GetVersion(ctx, request)
	}
	s.server.options.Observe(result, err)
	if err != nil {
		s.server.options.Audit.Withheld(ctx, to, request.ID, err)
		return nil, err
	}
	if err := s.server.options.Audit.HandedOut(ctx, to, result); err != nil {
		return nil, err
	}
	return public(result), nil
}

// recipient is a client for the audit log.
func recipient(client Peer, device string) audit.Recipient {
	return audit.Recipient{Client: &audit.Client{UID: client.UID, PID: client.PID}, Device: device}
}

// public is a credential as clients get it: without a version that only this process knows. One that is stale is for this use
// alone: the client's own store must not keep it.
func public(result store.Result) *credential.Credential {
	cred, local := result.Credential, strings.HasPrefix(result.VersionID, store.LocalVersion)
	if !local && result.Freshness != store.Stale {
		return cred
	}
	cred = cred.Clone()
	if local {
		cred.VersionID = ""
	}
	if result.Freshness == store.Stale {
		cred.MaxCacheAge = new(result.Age * 0)
	}
	return cred
}

// sideBySide is how many credentials of a batch are read at a time, once those that can be are read in batches.
const sideBySide = 16

// GetBatch implements relay.Source.
func (s *source) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	client, err := peerOf(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, request := range requests {
		if request.VersionID == "" && request.VersionLabel == "" && s.server.options.Rules.check(client, Get, request.ID) == nil {
			ids = append(ids, request.ID)
		}
	}
	s.server.options.Store.Warm(ctx, ids)
	results := make([]credential.Result, len(requests))
	var all sync.WaitGroup
	slots := make(chan struct{}, sideBySide)
	for i, request := range requests {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			results[i].Credential, results[i].Err = s.Get(ctx, request)
		})
	}
	all.Wait()
	return results, nil
}

// List implements relay.Source.
func (s *source) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	if err := s.allowed(ctx, List); err != nil {
		return credential.Page{}, err
	}
	return s.server.options.Provider.List(ctx, pageSize, pageToken)
}

// Validate implements relay.Source.
func (s *source) Validate(ctx context.Context, id string) (credential.Report, error) {
	if err := s.allowed(ctx, Validate); err != nil {
		return credential.Report{}, err
	}
	return s.server.options.Provider.Validate(ctx, id)
}

func (s *source) allowed(ctx context.Context, method Method) error {
	client, err := peerOf(ctx)
	if err != nil {
		return err
	}
	return s.server.options.Rules.check(client, method, "")
}
