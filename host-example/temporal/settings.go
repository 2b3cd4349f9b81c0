package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/credential"
)

const usage = `A worker on Temporal: it runs commands on devices, for jobs that are submitted as workflows.

  temporal-worker --agent-socket /run/tom-agent/agent.sock
  temporal-worker --agent-socket /run/tom-agent/agent.sock --address temporal.example.net:7233 --namespace network

A job is the input of a workflow of type "job", in the JSON of "host-example run"; the workflow's result is the job's:

  temporal workflow execute --type job --task-queue tom --workflow-id backup-17 --input \
    '{"id":"17","host":"10.0.0.1","credential_id":"lab_creds","commands":["show version"]}'

Credentials come from an agent of this machine: host-example agent --socket /run/tom-agent/agent.sock

The worker's own settings are those of host-example (tom_worker_config.yaml, TOM_WORKER_*): concurrency, job_timeout,
shutdown_grace, ssh_*, device_platforms, log_level, log_format. Temporal's are its own (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
TEMPORAL_API_KEY, TEMPORAL_TLS_*, TEMPORAL_PROFILE and its configuration file); flags go before both.

SIGTERM and Ctrl-C end it: jobs whose commands have started may go on for shutdown_grace, all others go to other workers. A second
signal breaks off what runs.

Exit status: 0 when it was told to end, 1 if it can't reach Temporal or can't go on, 2 if the command line or the settings are
wrong.

`

// options are the command line and the settings.
type options struct {
	temporal client.Options
	queue    string
	socket   string
	lease    time.Duration
	config   *config.Config
}

// parse returns nil options where help was asked for, which it has printed then.
func parse(args, environ []string, stdout io.Writer) (*options, error) {
	var o options
	var address, namespace, file string
	flags := flag.NewFlagSet("temporal-worker", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&address, "address", "", "the Temporal server's `host:port` (TEMPORAL_ADDRESS, or localhost:7233)")
	flags.StringVar(&namespace, "namespace", "", "the `name` of the namespace (TEMPORAL_NAMESPACE, or default)")
	flags.StringVar(&o.queue, "task-queue", "tom", "the `name` of the task queue")
	flags.StringVar(&o.socket, "agent-socket", "", "the `path` of the agent's socket (TOM_AGENT_SOCKET)")
	flags.DurationVar(&o.lease, "lease", 10*time.Second, "how `long` a worker may be silent before its job is taken for lost, from 1s on")
	flags.StringVar(&file, "config", "", "the `path` of the settings' YAML file")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return nil, nil
	} else if err != nil {
		return nil, usagef("%v", err)
	}
	if flags.NArg() > 0 {
		return nil, usagef("there is no argument %q", flags.Arg(0))
	}
	if o.lease < time.Second || o.queue == "" {
		return nil, usagef("--lease must be at least 1s, and --task-queue must have a name")
	}
	env := environment(environ)
	if o.socket == "" {
		o.socket, _ = env.LookupEnv("TOM_AGENT_SOCKET")
	}
	if o.socket == "" {
		return nil, usagef("where is the agent? --agent-socket PATH, or TOM_AGENT_SOCKET")
	}
	var err error
	if o.temporal, err = envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: env}); err != nil {
		return nil, usagef("Temporal's settings: %v", err)
	}
	o.temporal.HostPort = cmp.Or(address, o.temporal.HostPort, client.DefaultHostPort)
	o.temporal.Namespace = cmp.Or(namespace, o.temporal.Namespace, client.DefaultNamespace)
	o.config, err = config.Load(config.Source{File: file, Environ: environ})
	return &o, err
}

// environment implements envconfig.EnvLookup.
type environment []string

// Environ implements envconfig.EnvLookup.
func (e environment) Environ() []string { return e }

// LookupEnv implements envconfig.EnvLookup.
func (e environment) LookupEnv(name string) (string, bool) {
	for _, one := range e {
		if key, value, _ := strings.Cut(one, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// logger is the worker's log.
func (o *options) logger(stderr io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "temporal-worker", Level: o.config.LogLevel, Output: stderr, JSONFormat: o.config.LogFormat == "json"})
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format+"; --help has examples", args...)}
}

// statusOf is the exit status of an error.
func statusOf(err error) int {
	if errors.As(err, new(usageError)) || errors.As(err, new(*config.Error)) || credential.ReasonOf(err) == credential.SettingsInvalid {
		return 2
	}
	return 1
}

// helpOf are the steps that an error advises.
func helpOf(err error) []string {
	var help []string
	var invalid *config.Error
	var known *credential.Error
	switch {
	case errors.As(err, &invalid):
		for _, problem := range invalid.Problems {
			if problem.Remedy != "" {
				help = append(help, problem.Remedy)
			}
		}
	case errors.As(err, &known):
		help = known.Help
	}
	return help
}
