package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/relay"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Options are what an agent serves, and how.
type Options struct {
	// Metadata is that of the provider. Required.
	Metadata func() host.Metadata
	// Provider lists and validates, Store reads. Required.
	Provider observe.Provider
	Store    *store.Store
	// Guard decides about logins, on a ledger that [Ledger] has returned. Both are required.
	Guard  *guard.Guard
	Ledger guard.Ledger
	// Rules say who may do what. nil: the agent's own user everything, others nothing.
	Rules Rules
	// Audit gets a line for each credential that is handed out or withheld. Required.
	Audit *audit.Log
	// Observe is called with each credential that a client was given, or with the error. nil: nothing is.
	Observe func(store.Result, error)
	// Around is called for each call, and may call the next one with another context. nil: nothing is.
	Around grpc.UnaryServerInterceptor
	// LoginTimeout is the guard's. Clients get a second less, for the report's way. 0: 30 s, as the guard's.
	LoginTimeout time.Duration
	// Grace is how long open permits may still be reported on when the agent ends. 0: not at all.
	Grace time.Duration
	// Linger has the agent end when it had no connection for so long. 0: it doesn't.
	Linger time.Duration
	// Key seals permits, at least 32 bytes; see [Socket.Key]. nil: a random one, so that no other agent knows the permits.
	Key []byte
	// Logger gets refused connections and the end. nil: nothing is logged.
	Logger hclog.Logger
}

// Server serves credentials and logins. [New] makes one.
type Server struct {
	options Options
	door    *doorkeeper
	grpc    *grpc.Server
	seal    seal
	logins  logins
	gate    gate
	calls   limiter

	ending context.Context // done when the agent has been told to end
	end    context.CancelFunc
}

// New makes a server that [Server.Serve] starts.
func New(options Options) *Server {
	if options.LoginTimeout <= 0 {
		options.LoginTimeout = 30 * time.Second
	}
	if options.Logger == nil {
		options.Logger = hclog.NewNullLogger()
	}
	if options.Observe == nil {
		options.Observe = func(store.Result, error) {}
	}
	if options.Around == nil {
		options.Around = func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			return handler(ctx, request)
		}
	}
	if options.Key == nil {
		options.Key = make([]byte, 32)
		_, _ = rand.Read(options.Key)
	}
	options.Rules = options.Rules.resolved()
	s := &Server{options: options, door: newDoorkeeper(options.Rules, options.Logger), seal: seal{options.Key}}
	s.ending, s.end = context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(append(relay.ServerOptions(options.Logger, s.limited),
		grpc.Creds(s.door),
		grpc.MaxRecvMsgSize(256<<10), // the largest request is a batch of 100 ids
		grpc.MaxConcurrentStreams(1000),
		grpc.NumStreamWorkers(16), // a new goroutine for each call would grow its stack anew; calls that find none free get one
		grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(5*time.Second),
		// A client that was stopped, or that is gone without a word, is found.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)...)
	relay.Register(s.grpc, relay.Provider{Metadata: options.Metadata, Source: &source{s}})
	credentialv1.RegisterLoginGuardServer(s.grpc, &loginGuard{server: s})
	return s
}

// limited bounds what a user has under way, and calls what is around a call.
func (s *Server) limited(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	client, err := peerOf(ctx)
	if err != nil {
		return nil, err
	}
	leave, err := s.calls.enter(client.UID)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.options.Around(ctx, request, info, handler)
}

// Connections returns how many clients are connected, and how many connections were refused since the start: of users without a
// rule, and those over the bounds.
func (s *Server) Connections() (open int, refused int64) {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	return s.door.count, s.door.refused
}

// Serve serves on a listener until ctx is done, or until there was no connection for Options.Linger. Then it closes the
// listener, ends logins that wait, and lets open permits be reported on for Options.Grace. Abort ends that earlier. Nothing of
// the server is left when it returns. It may be called once.
func (s *Server) Serve(ctx, abort context.Context, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(listener) }()
	idle, cancel := context.WithCancel(ctx)
	var lingering sync.WaitGroup
	defer lingering.Wait()
	defer cancel()
	if s.options.Linger > 0 {
		lingering.Go(func() { s.linger(idle, cancel) })
	}
	select {
	case err := <-served:
		s.finish(abort)
		return err
	case <-idle.Done():
	}
	_ = listener.Close() // at once: a client that comes now finds the next agent
	s.finish(abort)
	if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// linger calls leave when there was no connection for a time.
func (s *Server) linger(ctx context.Context, leave func()) {
	for {
		count, changed := s.door.connections()
		var quiet <-chan time.Time
		var timer *time.Timer
		if count == 0 {
			timer = time.NewTimer(s.options.Linger)
			quiet = timer.C
		}
		select {
		case <-changed:
		case <-quiet:
			s.options.Logger.Info("the agent ends: nothing is connected", "linger", s.options.Linger.String())
			leave()
			return
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// errEnding is the error of logins that wait when the agent ends. Its client asks the next agent.
func errEnding() error {
	e := credential.Errorf(credential.BackendUnavailable, "the agent is exiting").With("stage", "agent")
	e.RetryDelay = 200 * time.Millisecond
	return e
}

// finish ends everything: first what waits, then, after the grace, what has a permit.
func (s *Server) finish(abort context.Context) {
	s.end()
	grace, cancel := context.WithTimeout(abort, s.options.Grace)
	defer cancel()
	for _, l := range s.logins.all() {
		l.stop(false)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.logins.wait.Wait()
	}()
	select {
	case <-over:
	case <-grace.Done():
		for _, l := range s.logins.all() {
			l.stop(true)
		}
		<-over
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-time.After(time.Second): // a client that keeps its connection, or a call that goes on
		s.grpc.Stop()
		<-stopped
	}
}

// stop ends a login that nothing of is with the client, or any login.
func (l *login) stop(any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.last(); any || p == nil || p.answer != 0 {
		l.cancel(errEnding())
	}
}
