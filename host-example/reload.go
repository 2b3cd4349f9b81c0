package main

import (
	"context"
	"reflect"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// reload reads the settings again, and replaces the provider by one of the executable that is there now, with its settings
// of now. If anything is wrong, everything stays as it was. The worker's own settings need a restart.
func (c *cli) reload(ctx context.Context, w *worker) {
	fresh := c.load(c.configFile)
	fresh.log = w.log
	options, err := fresh.prepare(c.environ)
	fresh.logWarnings()
	if err == nil && len(fresh.problems) > 0 {
		err = &config.Error{Problems: fresh.problems}
	}
	if err != nil {
		w.notReloaded(err)
		return
	}
	for _, key := range config.Differences(w.config, fresh.config) {
		w.log.Warn("a setting has changed; restart the worker for it to take effect", "setting", key)
	}
	if fresh.config.CredentialPlugin != w.config.CredentialPlugin {
		w.log.Error("the provider is not reloaded: another one is selected; restart the worker", "provider", fresh.config.CredentialPlugin)
		return
	}
	changed := !reflect.DeepEqual(options.Settings, w.settings)
	if err := w.provider.Reload(ctx, options.Settings); err != nil {
		if ctx.Err() == nil { // else the worker ends, and nobody cares
			w.notReloaded(fresh.refused(err))
		}
		return
	}
	w.settings = options.Settings
	w.store.Reload(changed)
	w.watch.health.Recheck()
	w.log.Info("reloaded", "settings_changed", changed)
}

func (w *worker) notReloaded(err error) {
	e, _ := classify(err)
	reason := e.Reason
	if reason == "" {
		reason = credential.Internal
	}
	w.log.Error("not reloaded, everything stays as it was", "reason", string(reason), "error", printable(e.Error()))
}
