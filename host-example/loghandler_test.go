package main

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true, Level: hclog.Info})
	l := slog.New(logHandler{log: log}).With("a", 1).WithGroup("g")
	l.Debug("not written")
	l.With("b", 2).WarnContext(hclog.WithContext(t.Context(), log.With("job", "7")), "of a job", slog.Group("h", "c", 3))
	l.With("d", 4).Info("of no job")
	if got, want := out.String(), "[WARN]  of a job: job=7 a=1 g.b=2 g.h.c=3\n[INFO]  of no job: a=1 g.d=4\n"; got != want {
		t.Errorf("the log has\n%s\nwant\n%s", got, want)
	}
}
