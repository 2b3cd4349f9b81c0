package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/device"
	"github.com/tom-worker/credential-provider/host-example/grant"
	"github.com/tom-worker/credential-provider/host-example/job"
	"github.com/tom-worker/credential-provider/host-example/trace"
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

With metrics_address set, such as 127.0.0.1:9464, the worker serves /metrics for Prometheus, /healthz, /readyz and
/quarantines there; host-example quarantine uses the last one.

Exit status: 0 when every line has its result, whatever became of the jobs; 1 if stdin or stdout failed; 2 if the settings
are wrong, or if the provider's checks find something that only a person can put right.`,
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

// run is the worker. ctx is done with the first signal.
func (c *cli) run(ctx context.Context) error {
	signals := watchSignals()
	defer signals.close()
	abort, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.traces = trace.FromEnvironment(c.environ, program, version)
	defer func() { c.traces.Close(abort) }() // a second signal means that nobody wants to wait
	w := c.load(c.configFile)
	if err := w.observe(); err != nil {
		return err
	}
	defer w.watch.close()
	err := w.start(ctx, c.environ)
	w.logWarnings()
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.openAudit(c.stderr, w.log); err != nil {
		return err
	}
	if err := w.ready(ctx); err != nil {
		return err
	}
	crew, err := w.crew()
	if err != nil {
		return err
	}
	go signals.serveEnd(abort, cancel)
	defer w.watch.checks.Wait()
	var reloads sync.WaitGroup
	defer reloads.Wait() // one that was left to itself would leave a process and its files behind
	keep, leave := context.WithCancel(abort)
	defer leave()
	reloads.Go(func() { signals.serveHangup(keep, func() { w.reopenAudit(); c.reload(keep, w) }) })
	w.watch.keep(keep, w.source)
	defer context.AfterFunc(ctx, w.watch.health.Ending)()
	w.watch.health.Running()

	queue := job.Queue{
		Worker:      w.watch.metrics.Jobs.Worker(crew),
		Observer:    w.watch.metrics.Jobs,
		Concurrency: w.config.Concurrency,
		Timeout:     w.config.JobTimeout,
		Grace:       w.config.ShutdownGrace,
		Logger:      w.log,
		Watch:       c.traces.Watch(),
	}
	if err := queue.Run(ctx, abort, c.stdin, c.stdout); err != nil {
		return credential.Errorf(streamFailed, "%w", err).
			WithHelp("a job without a result may have run all the same: look at its device before it is given again")
	}
	return nil
}

// logged puts the error that ends the worker into its log where that is JSON: whatever collects the log takes each line of
// stderr for an object. The line is written whatever the log's level is, as the text would be.
func (c *cli) logged(err error) error {
	if err == nil || !c.logsJSON {
		return err
	}
	e, _ := classify(err)
	f := failureOf(e)
	log := hclog.New(&hclog.LoggerOptions{Name: program, Level: hclog.Error, Output: c.stderr, JSONFormat: true})
	log.Error("the worker ends: "+f.Message, "code", f.Code, "reason", string(f.Reason), "metadata", f.Metadata, "help", f.Help)
	return reported{err}
}

// unready is a worker that can't do its work until a person has changed something.
type unready struct{ error }

// Unwrap returns what is to be changed.
func (u unready) Unwrap() error { return u.error }

// ready lets the provider check its backend. What may pass by itself is logged, and the worker runs; what won't is an error.
func (w *worker) ready(ctx context.Context) error {
	v := &validation{}
	err := v.backend(ctx, w, "", false)
	switch {
	case err == nil:
		return nil
	case v.failed() == nil: // it could not check
		if ctx.Err() != nil {
			return err
		}
		w.log.Warn("the provider could not check its backend; the worker runs all the same", "reason", string(credential.ReasonOf(err)), "error", printable(err.Error()))
		return nil
	}
	for _, check := range v.checks {
		if check.Status != credential.StatusFailed {
			continue
		}
		if !check.Reason.Transient() {
			return unready{checkError(&check)}
		}
		w.log.Warn("a check of the backend failed, which may pass; the worker runs all the same", "check", check.Name, "reason", string(check.Reason), "message", printable(check.Message))
	}
	return nil
}

// crew is what does the jobs.
func (w *worker) crew() (*crew, error) {
	rules, err := grant.Parse(w.config.SSHCredentialHosts)
	if err != nil {
		return nil, w.refuse("ssh_credential_hosts", err)
	}
	path, err := atHome(w.config.SSHKnownHosts)
	if err != nil {
		return nil, w.homeless("ssh_known_hosts", err)
	}
	hostKeys, err := device.OpenHostKeys(path, w.config.SSHHostKeys == config.HostKeysAcceptNew)
	if err != nil {
		return nil, w.refuse("ssh_known_hosts", err)
	}
	return &crew{
		credentials: w.watch.metrics.Credentials(w.traces.Credentials(w.store)),
		grants:      rules,
		dialer:      &device.Dialer{HostKeys: hostKeys, LegacyAlgorithms: w.config.SSHLegacyAlgorithms, LoginTimeout: w.config.SSHLoginTimeout},
		audit:       w.audit,
	}, nil
}

// refuse is the error of a setting that turned out wrong when it was used.
func (w *worker) refuse(key string, err error) error {
	problem := config.Problem{Place: w.config.Place(key), Key: key, Text: err.Error()}
	switch key {
	case "ssh_known_hosts":
		problem.Remedy = "make the file with ssh-keyscan, and compare what it finds with the devices' own keys"
	case "audit_log":
		problem.Remedy = "make its folder, and let the worker's user write to the file"
	}
	return &config.Error{Problems: []config.Problem{problem}}
}

// homeless is the error of a setting whose path begins in the user's home, where nothing says which folder that is.
func (w *worker) homeless(key string, err error) error {
	return &config.Error{Problems: []config.Problem{{
		Place: w.config.Place(key), Key: key, Text: "its ~ stands for no folder: " + err.Error(),
		Remedy: "set " + key + " to the file's whole path, or HOME in the worker's environment",
	}}}
}

// atHome puts the user's home in the place of ~.
func atHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, rest), nil
}
