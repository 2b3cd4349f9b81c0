package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func (c *cli) runCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run",
		Short: "Run jobs: commands on devices",
		Long: `Read jobs from stdin, one JSON object a line, run their commands on devices over SSH, and write their results to
stdout, one JSON object a line, in the order in which they end. A job:

  {"id":"1","host":"10.0.0.1","port":22,"credential_id":"lab_creds","commands":["show version"],"timeout":"30s"}

port and timeout may be left out. "shell": true has the commands typed into a terminal, for devices that have no other
way or allow one command a connection. Every line gets exactly one result:

  {"id":"1","line":1,"status":"ok","outputs":[{"command":"show version","output":"..."}],"credential_version":"...",
   "attempts":1,"error":null,"duration":0.21}

status is ok, failed, invalid (the line is no job) or not_started; error has code, reason and message.

A device's host key must be in the known_hosts file (ssh_known_hosts), unless ssh_host_keys is accept-new; then
ssh_credential_hosts must say which hosts may receive which credential.

The end of stdin ends the worker when all jobs have their results. SIGTERM and Ctrl-C end it earlier: jobs that run may go
on for shutdown_grace, all others are answered as not started. A second signal breaks off what runs. SIGHUP reads the
provider's settings and its executable again.

With metrics_address set, such as 127.0.0.1:9464, the worker serves /metrics for Prometheus, /healthz, /readyz, and for its own
machine /quarantines, which host-example quarantine uses, and / with the fleet at a glance, for a browser.

Exit status: 0 when every line has its result, whatever became of the jobs; 1 if stdin or stdout failed; 2 if the settings
are wrong, or if the provider's checks find something that only a change by the operator can correct.`,
		Example: `  host-example run < jobs.jsonl > results.jsonl`,
		Args:    cobra.NoArgs,
	}
	c.attachFlag(command)
	command.RunE = c.action(func(ctx context.Context, _ []string) error {
		err := c.run(ctx)
		if ctx.Err() != nil && credential.ReasonOf(err) == credential.Cancelled {
			err = credential.Errorf(credential.Cancelled, "the worker was told to end while it was starting, and has read no jobs")
		}
		return c.logged(err)
	})
	return command
}

// run does the jobs. ctx is done with the first signal to end.
func (c *cli) run(ctx context.Context) error {
	return c.serve(ctx, kindWorker, func(s *serving) (func(context.Context) error, error) {
		handler, err := s.handler()
		if err != nil {
			return nil, err
		}
		return func(abort context.Context) error { return c.runJobs(ctx, abort, s, handler) }, nil
	})
}

func (c *cli) runJobs(ctx, abort context.Context, s *serving, handler *handler) error {
	queue := job.Queue{
		Worker:      s.observers.metrics.Jobs.Worker(handler),
		Observer:    s.observers.metrics.Jobs,
		Concurrency: s.config.Concurrency,
		Timeout:     s.config.JobTimeout,
		Grace:       s.config.ShutdownGrace,
		Logger:      s.log,
		Code:        codeOf,
		Check:       handler.devices.Check,
		Watch:       c.traces.Watch(),
	}
	if err := queue.Run(ctx, abort, c.stdin, c.stdout); err != nil {
		return credential.Errorf(streamFailed, "%w", err).
			WithHelp("a job without a result may have run nevertheless: look at its device before it is given again")
	}
	return nil
}
