package redisledger

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// Ledger is a [guard.Ledger] in Redis. [New] makes one.
type Ledger struct {
	options Options
	client  *redis.Client
	// mirror is what this worker has seen of the ledger.
	mirror *guard.Memory

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	joined  atomic.Pointer[string] // the instance whose heartbeat was sent last

	mu        sync.Mutex
	away      error         // why Redis couldn't be reached last; nil if it could
	tryAt     time.Time     // when to try again
	awaySince time.Time     // when it became so; zero if it isn't
	awayTotal time.Duration // of outages that are over
	pending   []guard.Report
	sending   bool // deliver runs
}

var _ guard.Ledger = (*Ledger)(nil)

var (
	//go:embed rules.lua
	rules string
	//go:embed begin.lua
	beginText string
	//go:embed end.lua
	endText string
	//go:embed forget.lua
	forgetText string
	//go:embed snapshot.lua
	snapshotText string
	//go:embed members.lua
	membersText string

	beginScript    = redis.NewScript(rules + beginText)
	endScript      = redis.NewScript(rules + endText)
	forgetScript   = redis.NewScript(rules + forgetText)
	snapshotScript = redis.NewScript(rules + snapshotText)
	membersScript  = redis.NewScript(rules + membersText)
)

// maxPending is how many reports are kept while Redis is unreachable. Permits of those beyond it run out.
const maxPending = 10000

// quiet keeps the client from writing to standard error: what it says is in the errors that it returns.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silent{}) })

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// New makes a ledger. It connects when it is used, and once in the background, for news. [Ledger.Close] ends it.
func New(options Options) *Ledger {
	options = options.resolved()
	quiet()
	l := &Ledger{
		options: options,
		client: redis.NewClient(&redis.Options{
			Addr: options.Address, DB: options.DB, Username: options.Username, Password: options.Password, TLSConfig: options.TLS,
			DialTimeout: options.Timeout, ReadTimeout: options.Timeout, WriteTimeout: options.Timeout, ContextTimeoutEnabled: true,
			// Operations are repeated by those who know until when that helps.
			MaxRetries: -1, DialerRetries: 1, Protocol: 2, DisableIdentity: true, Dialer: options.dial,
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}, // they need RESP3
		}),
		mirror: guard.NewMemory(),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.running.Go(l.listen)
	return l
}

// Close ends what the ledger has started. Reports that couldn't be delivered are lost.
func (l *Ledger) Close() error {
	l.stop()
	err := l.client.Close()
	l.running.Wait()
	return err
}

// Ping reports whether Redis can be reached and lets this user run scripts, for a check at start.
func (l *Ledger) Ping(ctx context.Context) error {
	_, err := l.Snapshot(ctx)
	return err
}

// keys are the same for all scripts.
func (l *Ledger) keys(current, previous, replaced guard.Digest) []string {
	p, c := l.options.Prefix, current.String()
	before, old := c, c
	if previous != (guard.Digest{}) {
		before = previous.String()
	}
	if replaced != (guard.Digest{}) {
		old = replaced.String()
	}
	return []string{p + "m:" + c, p + "d:" + c, p + "m:" + before, p + "d:" + before, p + "m:" + old, p + "index", p + "news"}
}

// now is the argument that stands for the server's time.
func (l *Ledger) now() string {
	if l.options.now == nil {
		return ""
	}
	return strconv.FormatInt(l.options.now(), 10)
}

// run calls a script. While Redis is known to be away only one caller a second tries; the others fail at once.
func (l *Ledger) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error) {
	if err := l.admit(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	value, err := script.Run(ctx, l.client, keys, args...).Result()
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, l.lost(err)
	}
	if err == nil {
		l.reached()
	}
	return value, err
}

func (l *Ledger) admit() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.away != nil && now.Before(l.tryAt) {
		return fmt.Errorf("%w: redis at %s: %w", guard.ErrUnavailable, l.options.Address, l.away)
	}
	l.tryAt = now.Add(l.options.Timeout + time.Second)
	return nil
}

// lost notes that an operation failed.
func (l *Ledger) lost(err error) error {
	l.mu.Lock()
	first := l.away == nil
	l.away, l.tryAt = err, time.Now().Add(time.Second)
	if first {
		l.awaySince = time.Now()
	}
	l.mu.Unlock()
	if first {
		l.options.Logger.Warn("redis with the ledger of logins is unreachable", "address", l.options.Address, "error", err)
	}
	return fmt.Errorf("%w: redis at %s: %w", guard.ErrUnavailable, l.options.Address, err)
}

// reached notes that an operation succeeded, and delivers what is pending.
func (l *Ledger) reached() {
	l.mu.Lock()
	again := l.away != nil
	if again {
		l.awayTotal += time.Since(l.awaySince)
	}
	l.away, l.awaySince = nil, time.Time{}
	l.send()
	l.mu.Unlock()
	if again {
		l.options.Logger.Info("redis with the ledger of logins can be reached again", "address", l.options.Address)
		l.mirror.Announce()
	}
}

// Begin implements [guard.Ledger].
func (l *Ledger) Begin(ctx context.Context, q guard.Request) (guard.Decision, error) {
	value, err := l.run(ctx, beginScript, l.keys(q.Current, q.Previous, q.Replaced), l.now(), q.Permit.String(), q.Device.String(),
		q.Current.String(), q.ID.String(), q.Version.String(), none(q.Previous), bit(q.PreviousKnown), bit(q.CurrentShown),
		none(q.Replaced), q.Age.Microseconds(), max(q.Budget, 0), q.Pause.Microseconds(), q.Life.Microseconds(), bit(q.PreviousShown))
	if err != nil {
		if l.options.WithoutRedis == Own && ctx.Err() == nil {
			return l.own(ctx, q)
		}
		return guard.Decision{}, err
	}
	d, states, err := decision(value)
	if err != nil {
		return d, err
	}
	for _, line := range states {
		l.learn(line)
	}
	return d, nil
}

// own decides without Redis.
func (l *Ledger) own(ctx context.Context, q guard.Request) (guard.Decision, error) {
	const later = 5 * time.Second
	q.Budget = min(q.Budget, 1)
	unproven := !l.mirror.Look(q).Proven && !q.CurrentShown
	q.CurrentShown = q.CurrentShown || unproven
	d, err := l.mirror.Begin(ctx, q)
	if unproven && d.Verdict == guard.Paused {
		d.Verdict, d.After = guard.Closed, later
	}
	return d, err
}

// Look implements [guard.Ledger]. It knows what this worker has seen.
func (l *Ledger) Look(q guard.Request) guard.Decision { return l.mirror.Look(q) }

// End implements [guard.Ledger].
func (l *Ledger) End(ctx context.Context, report guard.Report) error {
	own := report
	own.Budget = min(own.Budget, 1) // counts only for permits that the mirror has granted
	_ = l.mirror.End(ctx, own)      // never fails
	report.Shown = append([]guard.Shown(nil), report.Shown...)
	if l.end(ctx, report) == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) >= maxPending {
		return fmt.Errorf("%w: redis at %s: too many reports wait for it", guard.ErrUnavailable, l.options.Address)
	}
	l.pending = append(l.pending, report)
	l.send()
	return nil
}

func (l *Ledger) end(ctx context.Context, r guard.Report) error {
	args := []any{l.now(), r.Permit.String(), r.Device.String(), r.Current.String(), r.ID.String(), r.Version.String(), none(r.Previous),
		bit(r.Open), max(r.Budget, 0), r.Pause.Microseconds()}
	for _, s := range r.Shown {
		args = append(args, s.Material.String(), s.Answer.String())
	}
	_, err := l.run(ctx, endScript, l.keys(r.Current, r.Previous, guard.Digest{}), args...)
	return err
}

// send has pending reports delivered. The caller holds the lock.
func (l *Ledger) send() {
	if len(l.pending) > 0 && !l.sending && l.ctx.Err() == nil {
		l.sending = true
		l.running.Go(l.deliver)
	}
}

// deliver reports what couldn't be reported at once, in order, until nothing is left.
func (l *Ledger) deliver() {
	for {
		l.mu.Lock()
		if len(l.pending) == 0 || l.ctx.Err() != nil {
			l.pending, l.sending = nil, false
			l.mu.Unlock()
			return
		}
		next := l.pending[0]
		l.mu.Unlock()
		if l.end(l.ctx, next) != nil {
			select {
			case <-l.ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		l.mu.Lock()
		l.pending = l.pending[1:]
		l.mu.Unlock()
	}
}

// Forget implements [guard.Ledger].
func (l *Ledger) Forget(ctx context.Context, materials ...guard.Digest) error {
	for _, m := range materials {
		if _, err := l.run(ctx, forgetScript, l.keys(m, guard.Digest{}, guard.Digest{}), l.now(), m.String()); err != nil {
			return err
		}
		_ = l.mirror.Forget(ctx, m) // never fails
	}
	return nil
}

// Snapshot implements [guard.Ledger].
func (l *Ledger) Snapshot(ctx context.Context) ([]guard.Record, error) {
	value, err := l.run(ctx, snapshotScript, l.keys(guard.Digest{}, guard.Digest{}, guard.Digest{}), l.now(), l.options.Prefix)
	if err != nil {
		return nil, err
	}
	list, _ := value.([]any)
	records := make([]guard.Record, 0, len(list))
	for _, entry := range list {
		record, line, err := recordOf(entry)
		if err != nil {
			return nil, err
		}
		l.learn(line)
		records = append(records, record)
	}
	return records, nil
}

// Watch implements [guard.Ledger].
func (l *Ledger) Watch(m guard.Digest) <-chan struct{} { return l.mirror.Watch(m) }

// listen takes the news of other workers.
func (l *Ledger) listen() {
	subscription := l.client.Subscribe(l.ctx, l.options.Prefix+"news")
	defer func() { _ = subscription.Close() }()
	for {
		message, err := subscription.Receive(l.ctx)
		switch m := message.(type) {
		case *redis.Subscription: // anew, perhaps: there may have been news in between
			l.mirror.Announce()
			_, _ = l.Snapshot(l.ctx)
		case *redis.Message:
			l.news(m.Payload)
		}
		if l.ctx.Err() != nil {
			return
		}
		if err != nil {
			select {
			case <-l.ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}
}

// news takes one line.
func (l *Ledger) news(line string) {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "suspect":
		text, _, _ := strings.Cut(rest, " ")
		if m, err := guard.ParseDigest(text); err == nil {
			l.mirror.Suspect(m)
		}
	case "forget":
		text, _, _ := strings.Cut(rest, " ")
		if m, err := guard.ParseDigest(text); err == nil {
			_ = l.mirror.Forget(l.ctx, m) // never fails
			l.learn(rest)
		}
	default:
		l.learn(line)
		if m, err := guard.ParseDigest(kind); err == nil {
			l.mirror.Announce(m)
		}
	}
}

// learn takes over a state. It wakes no login: the answer to a login's own request is no news to it.
func (l *Ledger) learn(line string) {
	if s, err := stateOf(line); err == nil {
		l.mirror.Learn(s)
	}
}

func none(d guard.Digest) string {
	if d == (guard.Digest{}) {
		return ""
	}
	return d.String()
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
