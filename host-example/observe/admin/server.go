package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
)

// farewell is how long requests under way may go on when the server is closed.
const farewell = 2 * time.Second

// Server listens at an address. [Listen] makes one.
type Server struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{}
}

// Listen serves handler at a TCP address, such as "127.0.0.1:9464" or ":9464" for all interfaces; with port 0 the system
// chooses one. At most 64 connections are open at a time; those beyond are closed at once. Its error is that of net.Listen.
// [Server.Close] ends it.
func Listen(address string, handler http.Handler, log hclog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		listener: listener,
		done:     make(chan struct{}),
		http: &http.Server{
			Handler:           http.MaxBytesHandler(handler, 16<<10), // a form with an id is all that comes
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(limit(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics and health are no longer served", "address", s.Address(), "error", err)
		}
	}()
	return s, nil
}

// Address is where it listens, with the port that it has.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close lets requests under way finish, for two seconds at most. Nothing of the server is left after that.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}
