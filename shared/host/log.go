package host

import "github.com/hashicorp/go-hclog"

// quietLogger is the logger that go-plugin gets. Its own remarks about a process ("plugin process exited", "failed to exit
// gracefully") are for debugging: what matters of them the host says itself. The provider's lines pass unchanged.
type quietLogger struct {
	hclog.Logger
	provider string
	lines    hclog.Logger
}

func quiet(log hclog.Logger, provider string) hclog.Logger {
	return &quietLogger{Logger: log.Named("go-plugin"), provider: provider, lines: log.Named(provider)}
}

// Named gives go-plugin the logger for a stream: the provider's own, under its name.
func (q *quietLogger) Named(name string) hclog.Logger {
	if name == q.provider {
		return q.lines
	}
	return &quietLogger{Logger: q.Logger.Named(name), provider: q.provider, lines: q.lines}
}

// Info logs for debugging only.
func (q *quietLogger) Info(message string, args ...any) { q.Debug(message, args...) }

// Warn logs for debugging only.
func (q *quietLogger) Warn(message string, args ...any) { q.Debug(message, args...) }

// Error logs for debugging only.
func (q *quietLogger) Error(message string, args ...any) { q.Debug(message, args...) }
