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
	// flightPatience is how long an attempt is waited for before another one is made beside it: the first may hang on a
	// connection that will never answer, while a new one would.
	flightPatience = 1500 * time.Millisecond
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
// gives up, and fails calls that credentials still valid could serve. Here renewals run in the background with a deadline of
// their own, a caller waits for one only if there is nothing valid at hand and only as long as its own deadline allows, a
// renewal that hangs gets another one beside it, and credentials are used until they really expire.
//
// Its methods may be called concurrently.
type keyring struct {
	// obtain gets credentials from their source. Its errors are *credential.Error.
	obtain func(context.Context) (aws.Credentials, error)
	log    hclog.Logger
	now    func() time.Time
	// waitingFor names what the latest renewal asks, for callers whose time is up before it answers. Empty if unknown.
	waitingFor func() string

	life    context.Context // ends with close
	end     context.CancelFunc
	renewal sync.WaitGroup

	mu        sync.Mutex
	held      aws.Credentials // no keys: none yet, or dropped
	heldFrom  time.Time       // when the renewal that brought them began
	renewFrom time.Time       // when to renew what is held
	dropped   time.Time       // when drop last did something
	flight    *obtaining      // the latest renewal under way, or nil
	landed    chan struct{}   // closed and replaced when any renewal has brought credentials
}

// obtaining is one attempt to obtain credentials. The results are set before done is closed.
type obtaining struct {
	began time.Time
	done  chan struct{}
	err   error
}

func newKeyring(obtain func(context.Context) (aws.Credentials, error), log hclog.Logger) *keyring {
	life, end := context.WithCancel(context.Background())
	return &keyring{obtain: obtain, log: log, now: time.Now, waitingFor: func() string { return "" }, life: life, end: end, landed: make(chan struct{})}
}

// Retrieve implements aws.CredentialsProvider.
func (k *keyring) Retrieve(ctx context.Context) (aws.Credentials, error) {
	held, flight, landed := k.ready()
	for latest := flight; latest != nil; {
		patience := time.NewTimer(flightPatience - k.now().Sub(latest.began))
		select {
		case <-landed:
		case <-flight.done:
			if flight.err != nil {
				return aws.Credentials{}, flight.err
			}
		case <-patience.C:
			held, latest, _ = k.ready() // another attempt; if the first one fails, that still is this caller's answer
			continue
		case <-ctx.Done():
			return aws.Credentials{}, waitedInVain(ctx, k.waitingFor())
		}
		// Also if they have expired by this machine's clock: AWS decides, and the clock may be wrong.
		if held, _ = k.current(); held.HasKeys() {
			return held, nil
		}
		held, flight, landed = k.ready()
		latest = flight
	}
	return held, nil
}

// ready returns valid credentials, or the renewal to wait for. It starts one where that is due.
func (k *keyring) ready() (held aws.Credentials, wait *obtaining, landed <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.valid(now) {
		if k.flight == nil && !now.Before(k.renewFrom) {
			k.takeOff(now)
		}
		return k.held, nil, nil
	}
	if k.flight == nil || now.Sub(k.flight.began) >= flightPatience {
		k.takeOff(now)
	}
	return aws.Credentials{}, k.flight, k.landed
}

// valid says whether what is held may sign requests. The mutex is held.
func (k *keyring) valid(now time.Time) bool {
	// Round strips the monotonic clock: a machine that slept must see that time has passed.
	return k.held.HasKeys() && (!k.held.CanExpire || k.held.Expires.After(now.Round(0)))
}

// takeOff starts a renewal. The mutex is held.
func (k *keyring) takeOff(now time.Time) {
	flight := &obtaining{began: now, done: make(chan struct{})}
	k.flight = flight
	k.renewal.Go(func() {
		ctx, cancel := context.WithTimeout(k.life, obtainTimeout)
		defer cancel()
		creds, err := k.obtain(ctx)
		k.land(flight, creds, err)
	})
}

// land takes what a renewal brought.
func (k *keyring) land(flight *obtaining, creds aws.Credentials, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(flight.done)
	if k.flight == flight {
		k.flight = nil
	}
	now := k.now()
	if err != nil {
		flight.err = err
		if k.valid(now) {
			k.log.Warn("the AWS credentials could not be renewed; those at hand are used until they expire",
				"expire", k.held.Expires, "reason", string(credential.ReasonOf(err)), "error", err.Error())
			k.renewFrom = now.Add(renewAgain)
		}
		return
	}
	if flight.began.Before(k.heldFrom) {
		return // a renewal that began later was quicker
	}
	k.held, k.heldFrom = creds, flight.began
	k.renewFrom = renewTime(creds, now)
	close(k.landed)
	k.landed = make(chan struct{})
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
func waitedInVain(ctx context.Context, source string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return credential.Errorf(credential.Cancelled, "the call was cancelled while it waited for AWS credentials")
	}
	from := ""
	if source != "" {
		from = " from " + source
	}
	return credential.Errorf(credential.DeadlineExceeded, "the time was up before there were AWS credentials%s", from).With("stage", stageCredentials).
		WithHelp("see whether that source answers: routes, firewalls and the proxy; a subnet without internet access needs a VPC endpoint for sts")
}
