package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	// obtainTimeout bounds one attempt to obtain AWS credentials, all its requests together.
	obtainTimeout = 5 * time.Second
	// renewAhead is how long before they expire credentials are renewed, at the latest; a random part of as much again is
	// added, so that many workers don't all renew at once.
	renewAhead = 30 * time.Second
	// renewAgain is how long a failed renewal is left alone while the credentials at hand still work.
	renewAgain = 5 * time.Second
	// dropInterval is how often credentials that AWS calls expired are thrown away. More often can't help: an expired
	// session that a source keeps handing out is renewed by whoever feeds that source.
	dropInterval = 30 * time.Second
)

// keyring holds the AWS credentials that sign requests, and renews them.
//
// It stands in for the SDK's CredentialsCache, which lets a stalled renewal hold every later call until that one renewal
// gives up, and fails calls that credentials still valid could serve. Here one renewal at a time runs in the background with
// a deadline of its own, a caller waits for it only if there is nothing valid at hand and only as long as its own deadline
// allows, and credentials are used until they really expire.
//
// Its methods may be called concurrently.
type keyring struct {
	// obtain gets credentials from their source. Its errors are *credential.Error.
	obtain func(context.Context) (aws.Credentials, error)
	log    hclog.Logger
	now    func() time.Time

	life    context.Context // ends with close
	end     context.CancelFunc
	renewal sync.WaitGroup

	mu        sync.Mutex
	held      aws.Credentials // no keys: none yet, or dropped
	renewFrom time.Time       // when to renew what is held
	dropped   time.Time       // when drop last did something
	flight    *obtaining      // the renewal under way, or nil
}

// obtaining is one attempt to obtain credentials. The results are set before done is closed.
type obtaining struct {
	done  chan struct{}
	creds aws.Credentials
	err   error
}

func newKeyring(obtain func(context.Context) (aws.Credentials, error), log hclog.Logger) *keyring {
	life, end := context.WithCancel(context.Background())
	return &keyring{obtain: obtain, log: log, now: time.Now, life: life, end: end}
}

// Retrieve implements aws.CredentialsProvider.
func (k *keyring) Retrieve(ctx context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	now := k.now()
	held, valid := k.held, k.valid(now)
	flight := k.flight
	if flight == nil && (!valid || !now.Before(k.renewFrom)) {
		flight = k.takeOff()
	}
	k.mu.Unlock()

	if valid {
		return held, nil
	}
	select {
	case <-flight.done:
		return flight.creds, flight.err
	case <-ctx.Done():
		return aws.Credentials{}, waitedInVain(ctx)
	}
}

// valid says whether what is held may sign requests. The mutex is held.
func (k *keyring) valid(now time.Time) bool {
	// Round strips the monotonic clock: a machine that slept must see that time has passed.
	return k.held.HasKeys() && (!k.held.CanExpire || k.held.Expires.After(now.Round(0)))
}

// takeOff starts a renewal. The mutex is held.
func (k *keyring) takeOff() *obtaining {
	flight := &obtaining{done: make(chan struct{})}
	k.flight = flight
	k.renewal.Go(func() {
		ctx, cancel := context.WithTimeout(k.life, obtainTimeout)
		defer cancel()
		flight.creds, flight.err = k.obtain(ctx)
		k.land(flight)
	})
	return flight
}

// land takes what a renewal brought.
func (k *keyring) land(flight *obtaining) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(flight.done)
	k.flight = nil
	now := k.now()
	if flight.err != nil {
		if k.valid(now) {
			k.log.Warn("the AWS credentials could not be renewed; those at hand are used until they expire",
				"expire", k.held.Expires, "reason", string(credential.ReasonOf(flight.err)), "error", flight.err.Error())
			k.renewFrom = now.Add(renewAgain)
		}
		return
	}
	// Also if they have expired by this machine's clock: AWS decides, and the clock may be wrong.
	k.held = flight.creds
	k.renewFrom = renewTime(flight.creds, now)
}

// renewTime is when credentials should be renewed: ahead of their end, but not in the first half of the time they have left.
func renewTime(creds aws.Credentials, now time.Time) time.Time {
	if !creds.CanExpire {
		return now.Add(100 * 365 * 24 * time.Hour)
	}
	ahead := renewAhead + rand.N(renewAhead)
	return creds.Expires.Add(-min(ahead, creds.Expires.Sub(now)/2))
}

// current returns what is held, if it is valid, without obtaining anything.
func (k *keyring) current() (aws.Credentials, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held, k.valid(k.now())
}

// drop throws used away, which AWS has called expired, and says whether trying again may help.
func (k *keyring) drop(used aws.Credentials) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held.AccessKeyID != used.AccessKeyID || k.held.SessionToken != used.SessionToken {
		return true // somebody else was quicker
	}
	now := k.now()
	if !k.dropped.IsZero() && now.Sub(k.dropped) < dropInterval {
		return false
	}
	k.dropped = now
	k.held = aws.Credentials{}
	return true
}

// close ends a renewal that is under way and waits for it.
func (k *keyring) close() {
	k.end()
	k.renewal.Wait()
}

// waitedInVain is the error of a caller whose time was up before there were AWS credentials.
func waitedInVain(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return credential.Errorf(credential.Cancelled, "the call was cancelled while it waited for AWS credentials")
	}
	return credential.Errorf(credential.DeadlineExceeded, "the time was up before there were AWS credentials").With("stage", stageCredentials)
}
