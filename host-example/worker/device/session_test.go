package device_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestRun(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line of a long output\n", 60)
	for _, test := range []struct {
		name     string
		device   devicetest.Options
		shell    bool
		commands []string
		outputs  []string
		want     credential.Reason
	}{
		{"commands", devicetest.Options{}, false, []string{"show version", "show clock"}, []string{"version of r1\n", "clock of r1\n"}, ""},
		{"a command fails", devicetest.Options{}, false, []string{"show version", "oops", "show clock"}, []string{"version of r1\n", "% Invalid input detected\n"}, device.CommandFailed},
		{"no exit status", devicetest.Options{NoStatus: true}, false, []string{"show version", "oops"}, []string{"version of r1\n", "% Invalid input detected\n"}, ""},
		{"no exec", devicetest.Options{NoExec: true}, false, []string{"show version"}, []string{""}, device.CommandFailed},
		{"one command a connection", devicetest.Options{OneExec: true, NoStatus: true}, false, []string{"show version", "show clock"}, []string{"version of r1\n"}, device.ConnectionLost},
		{"a terminal", devicetest.Options{NoExec: true}, true, []string{"show version", "show clock"}, []string{"version of r1\n", "clock of r1\n"}, ""},
		{"a terminal with pages", devicetest.Options{}, true, []string{"long", "show clock"}, []string{long, "clock of r1\n"}, ""},
		{"a terminal whose prompt changes", devicetest.Options{}, true, []string{"configure", "show mode", "end", "show mode"}, []string{"", "mode of r1\n", "", "mode of r1\n"}, ""},
		{"a terminal whose prompt is in brackets", devicetest.Options{CommandPrompt: "<r1>", ConfigurePrompt: "[*r1-Vlanif1]"}, true, []string{"show version", "configure", "show mode", "end", "show clock"}, []string{"version of r1\n", "", "mode of r1\n", "", "clock of r1\n"}, ""},
		{"a terminal whose prompt starts with a mark", devicetest.Options{CommandPrompt: "*A:r1# ", ConfigurePrompt: "(r1) *[node] #"}, true, []string{"show version", "configure", "show mode"}, []string{"version of r1\n", "", "mode of r1\n"}, ""},
		{"a terminal with what looks like a prompt", devicetest.Options{}, true, []string{"echo sw9#", "echo r1# and more", "show clock"}, []string{"sw9#\n", "r1# and more\n", "clock of r1\n"}, ""},
		{"a terminal that ends", devicetest.Options{}, true, []string{"exit"}, []string{""}, device.ConnectionLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.device.Name, test.device.Username, test.device.Password = "r1", "admin", password
			d := start(t, test.device)
			session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			results, err := session.Run(ctx, device.Script{Commands: test.commands, Shell: test.shell})
			if got := credential.ReasonOf(err); got != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
			var outputs []string
			for i, result := range results {
				outputs = append(outputs, result.Output)
				if result.Command != test.commands[i] || result.Truncated {
					t.Errorf("output %d is of %q, truncated: %v", i, result.Command, result.Truncated)
				}
			}
			if !slices.Equal(outputs, test.outputs) {
				t.Errorf("got  %q\nwant %q", outputs, test.outputs)
			}
		})
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
	if err != nil {
		t.Fatal(err)
	}
	results, _ := session.Run(t.Context(), device.Script{Commands: []string{"show x", "oops"}, Shell: false})
	if len(results) != 2 || results[0].ExitStatus == nil || *results[0].ExitStatus != 0 || results[1].ExitStatus == nil || *results[1].ExitStatus != 1 {
		t.Errorf("got %+v", results)
	}
}

// What a device prints doesn't fill the memory, however much it is, and the next command has its own output nevertheless.
func TestFlood(t *testing.T) {
	t.Parallel()
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
	if err != nil {
		t.Fatal(err)
	}
	commands := append(slices.Repeat([]string{"flood"}, 5), "show clock")
	results, err := session.Run(t.Context(), device.Script{Commands: commands, Shell: false})
	if err != nil || len(results) != len(commands) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	sum := 0
	for i, result := range results {
		sum += len(result.Output)
		if flooded := commands[i] == "flood"; result.Truncated != flooded || len(result.Output) > device.MaxOutput || !flooded && result.Output != "clock of device\n" {
			t.Errorf("output %d has %d bytes, truncated: %v", i, len(result.Output), result.Truncated)
		}
	}
	if sum < device.MaxOutputs || sum > device.MaxOutputs+64<<10 {
		t.Errorf("%d bytes in all", sum)
	}
}

// The end of the context ends a command that doesn't, in both ways of running it.
func TestRunIsCancelled(t *testing.T) {
	t.Parallel()
	for _, shell := range []bool{false, true} {
		d := start(t, devicetest.Options{Username: "admin", Password: password, Delay: 300 * time.Millisecond})
		session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for len(d.Commands()) == 0 && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if _, err := session.Run(ctx, device.Script{Commands: []string{"show version"}, Shell: shell}); credential.ReasonOf(err) != credential.Cancelled {
			t.Errorf("shell %v: got %v", shell, err)
		}
	}
}

// A command whose observer has ended its context isn't sent, nor is one after it.
func TestObserverEndsCommands(t *testing.T) {
	t.Parallel()
	for _, shell := range []bool{false, true} {
		d := start(t, devicetest.Options{Username: "admin", Password: password})
		dialer := dialer(t, d)
		dialer.ObserveCommands = func(ctx context.Context, number, _ int) (context.Context, func(*int, error)) {
			ctx, cancel := context.WithCancel(ctx)
			if number == 2 {
				cancel()
			}
			return ctx, func(*int, error) { cancel() }
		}
		session, err := login(t, dialer, d.Address(), withPassword(password))
		if err != nil {
			t.Fatal(err)
		}
		outputs, err := session.Run(t.Context(), device.Script{Commands: []string{"show version", "show clock", "show x"}, Shell: shell})
		if credential.ReasonOf(err) != credential.Cancelled || len(outputs) != 1 || !slices.Equal(d.Commands(), []string{"show version"}) {
			t.Errorf("shell %v: %d outputs, %v; the device got %q", shell, len(outputs), err, d.Commands())
		}
	}
}

func TestConnectionLost(t *testing.T) {
	t.Parallel()
	d := start(t, devicetest.Options{Username: "admin", Password: password, Delay: 300 * time.Millisecond})
	session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for len(d.Commands()) == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		d.Disconnect()
	}()
	if _, err := session.Run(t.Context(), device.Script{Commands: []string{"show version"}, Shell: false}); credential.ReasonOf(err) != device.ConnectionLost {
		t.Errorf("got %v", err)
	}
}
