package awscreds

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	// Patience is how long a renewal is waited for before another one is started beside it: the first may hang on a connection
	// that will never answer, while a new one would. A credential process has as long as it may take.
	Patience = 1500 * time.Millisecond
	// renewAhead is how long before they expire credentials are renewed, at the latest; a random part of as much again is
	// added, so that many workers don't all renew at once.
	renewAhead = 30 * time.Second
	// renewAgain is how long a failed renewal is left alone while the credentials at hand still work.
	renewAgain = 5 * time.Second
	// dropInterval is how often credentials that AWS calls expired are dropped. More often can't help: an expired session that
	// a source keeps handing out is renewed by whatever feeds that source.
	dropInterval = 30 * time.Second
)

// Source obtains AWS credentials. Chain is one.
type Source interface {
	// Obtain gets credentials. Its errors are *credential.Error. It bounds its own time.
	Obtain(ctx context.Context) (aws.Credentials, error)
	// Asking names what the latest Obtain asks, empty if nothing, and how long that is waited for before another one is
	// started beside it.
	Asking() (named string, patience time.Duration)
}

// Keyring holds the AWS credentials that sign requests, and renews them. Its methods may be called concurrently.
//
// It takes the place of the SDK's CredentialsCache, which lets a stalled renewal hold every later call until that one renewal
// gives up, and fails calls that credentials still valid could serve. Here renewals run in the background with deadlines of
// their source; a caller waits for one only if nothing valid is at hand, and only as long as its own deadline allows; beside a
// renewal that hangs another one is started; and credentials are used until they expire.
type Keyring struct {
	source Source
	log    hclog.Logger
	now    func() time.Time

	life    context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup // the renewals under way

	mu        sync.Mutex
	held      aws.Credentials // no keys: none yet, or dropped
	heldFrom  time.Time       // when the renewal that brought them started
	renewFrom time.Time       // when to renew what is held
	dropped   time.Time       // when drop last did something
	latest    *renewal        // the latest renewal under way, or nil
	brought   chan struct{}   // closed and replaced when any renewal has brought credentials
}

// renewal is one attempt to obtain credentials. err is set before done is closed.
type renewal struct {
	started time.Time
	done    chan struct{}
	err     error
}

// NewKeyring returns a keyring that is empty until the first Retrieve. Close it when done.
func NewKeyring(source Source, log hclog.Logger) *Keyring {
	life, end := context.WithCancel(context.Background())
	return &Keyring{source: source, log: log, now: time.Now, life: life, end: end, brought: make(chan struct{})}
}

// Retrieve implements aws.CredentialsProvider.
func (k *Keyring) Retrieve(ctx context.Context) (aws.Credentials, error) {
	held, first, brought := k.ready()
	for latest := first; latest != nil; {
		_, patience := k.source.Asking()
		timer := time.NewTimer(patience - k.now().Sub(latest.started))
		select {
		case <-brought:
		case <-first.done:
			if first.err != nil {
				return aws.Credentials{}, first.err
			}
		case <-timer.C:
			held, latest, _ = k.ready() // another attempt; if the first one fails, that still is this caller's answer
			continue
		case <-ctx.Done():
			named, _ := k.source.Asking()
			return aws.Credentials{}, waitedInVain(ctx, named)
		}
		// Also if they have expired by this machine's clock: AWS decides, and the clock may be wrong.
		if held, _ = k.Current(); held.HasKeys() {
			return held, nil
		}
		held, first, brought = k.ready()
		latest = first
	}
	return held, nil
}

// ready returns valid credentials, or the renewal to wait for. It starts one where that is due.
func (k *Keyring) ready() (held aws.Credentials, wait *renewal, brought <-chan struct{}) {
	_, patience := k.source.Asking()
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.valid(now) {
		if k.latest == nil && !now.Before(k.renewFrom) {
			k.start(now)
		}
		return k.held, nil, nil
	}
	if k.latest == nil || now.Sub(k.latest.started) >= patience {
		k.start(now)
	}
	return aws.Credentials{}, k.latest, k.brought
}

// valid reports whether what is held may sign requests. The mutex is held.
func (k *Keyring) valid(now time.Time) bool {
	// Round strips the monotonic clock: a machine that slept must see that time has passed.
	return k.held.HasKeys() && (!k.held.CanExpire || k.held.Expires.After(now.Round(0)))
}

// start starts a renewal. The mutex is held.
func (k *Keyring) start(now time.Time) {
	r := &renewal{started: now, done: make(chan struct{})}
	k.latest = r
	k.running.Go(func() {
		creds, err := k.source.Obtain(k.life)
		k.finish(r, creds, err)
	})
}

// finish takes what a renewal brought.
func (k *Keyring) finish(r *renewal, creds aws.Credentials, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(r.done)
	if k.latest == r {
		k.latest = nil
	}
	now := k.now()
	if err != nil {
		r.err = err
		if k.valid(now) {
			k.log.Warn("the AWS credentials could not be renewed; those at hand are used until they expire",
				"expire", k.held.Expires, "reason", string(credential.ReasonOf(err)), "error", err.Error())
			k.renewFrom = now.Add(renewAgain)
		}
		return
	}
	if r.started.Before(k.heldFrom) {
		return // a renewal that started later was quicker
	}
	k.held, k.heldFrom = creds, r.started
	k.renewFrom = renewTime(creds, now)
	close(k.brought)
	k.brought = make(chan struct{})
}

// renewTime is when credentials should be renewed: ahead of their end, but not in the first half of the time they have left.
func renewTime(creds aws.Credentials, now time.Time) time.Time {
	if !creds.CanExpire {
		return now.Add(100 * 365 * 24 * time.Hour)
	}
	ahead := renewAhead + rand.N(renewAhead)
	return creds.Expires.Add(-min(ahead, creds.Expires.Sub(now)/2))
}

// Current returns what is held, and whether it is valid, without obtaining anything.
func (k *Keyring) Current() (creds aws.Credentials, valid bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held, k.valid(k.now())
}

// AskAgain reports whether a request that failed with err is worth asking again with other credentials. It drops used, the
// credentials that signed it, if AWS has called them expired; that it does at most every 30 seconds.
func (k *Keyring) AskAgain(err error, used aws.Credentials) bool {
	return isExpired(err) && k.drop(used)
}

func isExpired(err error) bool {
	var api interface{ ErrorCode() string }
	if !errors.As(err, &api) {
		return false
	}
	switch strings.TrimSuffix(api.ErrorCode(), "Exception") {
	case "ExpiredToken", "UnrecognizedClient":
		return true
	}
	return false
}

// drop drops used, and reports whether asking again may help.
func (k *Keyring) drop(used aws.Credentials) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held.AccessKeyID != used.AccessKeyID || k.held.SessionToken != used.SessionToken {
		return true // another caller was quicker
	}
	now := k.now()
	if !k.dropped.IsZero() && now.Sub(k.dropped) < dropInterval {
		return false
	}
	k.dropped = now
	k.held = aws.Credentials{}
	return true
}

// Close ends a renewal that is under way and waits for it.
func (k *Keyring) Close() {
	k.end()
	k.running.Wait()
}

// WaitedInVain is the error of a caller whose time was up while it waited for what AWS credentials need.
func WaitedInVain(ctx context.Context) error { return waitedInVain(ctx, "") }

func waitedInVain(ctx context.Context, source string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return credential.Errorf(credential.Cancelled, "the call was cancelled while it waited for AWS credentials")
	}
	from := ""
	if source != "" {
		from = " from " + source
	}
	return credential.Errorf(credential.DeadlineExceeded, "the time was up before there were AWS credentials%s", from).With("stage", StageCredentials).
		WithHelp("see whether that source answers: routes, firewalls and the proxy; a subnet without internet access needs a VPC endpoint for sts")
}
