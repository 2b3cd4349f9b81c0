// Program demo shows the worker at work: it starts an AWS Secrets Manager in memory with three device credentials, and two SSH
// devices and a router in this process, and runs the real worker command, which launches the real provider, against them. "make demo"
// builds both and runs it. The argument is the directory that they were built into.
//
// What it prints is the same each time, so that the README can show it.
//
// With -fleet it shows three of Tom's workers instead, with and without the guard: "make demo-fleet", which needs redis-server and a
// Python with the parts of Tom's worker.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

const settings = `credential_plugin: aws_secrets_manager
credential_plugin_dirs: [plugins]
plugin_aws_secrets_manager_region: us-east-1
ssh_known_hosts: known_hosts
`

// The devices' password, and the one that it is rotated to.
const password, nextPassword = "made-up-4711", "made-up-4715"

// The router's password, and the one for its privileges.
const routerPassword, enablePassword = "made-up-4712", "made-up-4713"

// rotated is the secret of the devices after the rotation.
var rotated = secret{"tom/credentials/lab_creds", `{"username": "admin", "password": "` + nextPassword + `"}`, "5d2ab6a0-0000-4000-8000-000000000004"}

// secrets are what is in the Secrets Manager. The passwords were made up for this demonstration.
var secrets = []secret{
	{"tom/credentials/lab_creds", `{"username": "admin", "password": "` + password + `"}`, "5d2ab6a0-0000-4000-8000-000000000001"},
	{"tom/credentials/core_routers", `{"username": "netops", "password": "` + routerPassword + `", "enable_password": "` + enablePassword + `"}`, "5d2ab6a0-0000-4000-8000-000000000002"},
	{"tom/credentials/branch/firewalls", `{"username": "fwadmin", "password": "made-up-4714"}`, "5d2ab6a0-0000-4000-8000-000000000003"},
}

// steps are the commands, each with what it is to show and the exit status that it must have.
var steps = []step{
	{"Which providers are installed beside the worker?", []string{"providers"}, 0},
	{"Are the settings right, and is the backend reached?", []string{"validate"}, 0},
	{"Which credentials are there?", []string{"list"}, 0},
	{"A credential by its id, as a job names it. Secrets are shown only when asked for.", []string{"get", "lab_creds"}, 0},
	{"", []string{"get", "lab_creds", "--reveal"}, 0},
	{"A wrong id says what to do about it.", []string{"get", "lab_cerds"}, 1},
}

func main() {
	ofFleet := flag.Bool("fleet", false, "show a fleet of Tom's workers; run it from the top of the repository")
	flag.Parse()
	bin := cmp.Or(flag.Arg(0), "bin") // what "make build" writes
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *ofFleet {
		err = demonstrateFleet(ctx, os.Stdout, filepath.Join(bin, "host-example"), "host-example", cmp.Or(os.Getenv("PYTHON"), "python3"))
	} else {
		err = demonstrate(ctx, os.Stdout, filepath.Join(bin, "host-example"), filepath.Join(bin, "plugins"))
	}
	stop()
	var lacks errParts
	if errors.As(err, &lacks) {
		fmt.Fprintln(os.Stderr, "demo-fleet:", err)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demonstrate runs the steps in their own directory.
func demonstrate(ctx context.Context, out io.Writer, worker, plugins string) error {
	// A well-known port first, since it is seen in the output.
	backend, err := awssmtest.Start(awssmtest.Options{Addr: "127.0.0.1:4566"})
	if err != nil {
		backend, err = awssmtest.Start(awssmtest.Options{})
	}
	if err != nil {
		return err
	}
	defer backend.Close()
	if err := fill(ctx, backend, secrets); err != nil {
		return err
	}

	devices, err := startDevices("lab-sw1", "lab-sw2")
	defer func() { devices.close() }()
	if err != nil {
		return err
	}
	router, err := startRouter()
	if err != nil {
		return err
	}
	devices = append(devices, router)
	directory, err := os.MkdirTemp("", "tom-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	if err := install(directory, plugins); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, "known_hosts"), []byte(devices.knownHosts()), 0o600); err != nil {
		return err
	}
	shell, err := newShell(out, directory, worker, backend)
	if err != nil {
		return err
	}
	shell.say("Device passwords are in AWS Secrets Manager (here: one in memory), the worker has only its settings.")
	if err := shell.show("tom_worker_config.yaml"); err != nil {
		return err
	}
	if err := work(ctx, shell, backend, devices); err != nil {
		return err
	}
	for _, step := range steps {
		if err := shell.run(ctx, step); err != nil {
			return err
		}
	}
	if err := configure(ctx, shell, router); err != nil {
		return err
	}
	return fleet(ctx, shell, backend, devices)
}

// install lays out the worker's directory: its settings, and the provider in "plugins".
func install(directory, plugins string) error {
	if err := os.WriteFile(filepath.Join(directory, "tom_worker_config.yaml"), []byte(settings), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(directory, "plugins"), 0o755); err != nil {
		return err
	}
	providers, err := filepath.Glob(filepath.Join(plugins, "tom-credential-aws_secrets_manager*"))
	if err != nil || len(providers) == 0 {
		return fmt.Errorf("there is no provider in %s; build it with: make build", plugins)
	}
	for _, path := range providers {
		program, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(directory, "plugins", filepath.Base(path)), program, 0o755); err != nil {
			return err
		}
	}
	return nil
}
