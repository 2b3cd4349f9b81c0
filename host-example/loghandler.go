package main

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// logHandler lets packages that log to slog write to the worker's log. Lines that are written with a job's context go to
// the job's logger, so that they have its id.
type logHandler struct {
	log    hclog.Logger
	prefix string // of the names, from the groups that are open
	args   []any
}

// Enabled implements slog.Handler.
func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.log.GetLevel() <= levelOf(level)
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	log := h.log
	if own := hclog.FromContext(ctx); own != hclog.L() { // the default, which stands for none
		log = own
	}
	args := h.args
	record.Attrs(func(attr slog.Attr) bool {
		args = h.appended(args, attr)
		return true
	})
	log.Log(levelOf(record.Level), record.Message, args...)
	return nil
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, attr := range attrs {
		h.args = h.appended(h.args, attr)
	}
	return h
}

// WithGroup implements slog.Handler. hclog has no groups: a member is named group.member.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.prefix += name + "."
	}
	return h
}

// appended returns a copy of args with one more, or with the members of a group.
func (h logHandler) appended(args []any, attr slog.Attr) []any {
	value := attr.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if attr.Key != "" {
			h.prefix += attr.Key + "."
		}
		for _, member := range value.Group() {
			args = h.appended(args, member)
		}
		return args
	}
	if attr.Equal(slog.Attr{}) {
		return args
	}
	return append(args[:len(args):len(args)], h.prefix+attr.Key, value.Any())
}

func levelOf(level slog.Level) hclog.Level {
	switch {
	case level < slog.LevelDebug:
		return hclog.Trace
	case level < slog.LevelInfo:
		return hclog.Debug
	case level < slog.LevelWarn:
		return hclog.Info
	case level < slog.LevelError:
		return hclog.Warn
	}
	return hclog.Error
}
