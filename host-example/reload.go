package main

import (
	"context"
	"reflect"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// reload reads the settings again, and replaces the provider by one of the executable that is there now, with its settings
// of now. If anything is wrong, everything stays as it was. The worker's own settings need a restart.
func (c *cli) reload(ctx context.Context, s *serving) {
	fresh := c.load(c.configFile)
	fresh.log = s.log
	options, err := fresh.prepare(c.environ)
	fresh.logWarnings()
	if err == nil && len(fresh.problems) > 0 {
		err = &config.Error{Problems: fresh.problems}
	}
	if err != nil {
		s.notReloaded(err)
		return
	}
	for _, key := range config.Differences(s.config, fresh.config) {
		s.log.Warn("a setting has changed; restart the worker for it to take effect", "setting", key)
	}
	if fresh.config.CredentialPlugin != s.config.CredentialPlugin {
		s.log.Error("the provider is not reloaded: another one is selected; restart the worker", "provider", fresh.config.CredentialPlugin)
		return
	}
	changed := !reflect.DeepEqual(options.Settings, s.settings)
	if err := s.provider.Reload(ctx, options.Settings); err != nil {
		if ctx.Err() == nil { // else the worker exits, which needs no line
			s.notReloaded(fresh.refused(err))
		}
		return
	}
	s.settings = options.Settings
	s.guard.SetPreviousVersionLabel(s.provider.Metadata().PreviousVersionLabel)
	if changed {
		s.store.Invalidate()
	} else {
		s.store.MarkStale()
	}
	s.observers.health.Recheck()
	s.log.Info("reloaded", "settings_changed", changed)
}

func (l *loaded) notReloaded(err error) {
	e, _ := classify(err)
	reason := e.Reason
	if reason == "" {
		reason = credential.Internal
	}
	l.log.Error("not reloaded, everything stays as it was", "reason", string(reason), "error", text.Printable(e.Error()))
}
