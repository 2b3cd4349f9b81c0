package device_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/device/platform"
	"github.com/tom-worker/credential-provider/shared/credential"
)

const enablePassword = "open sesame"

func withEnable(password string) *credential.Credential {
	c := withPassword("correct horse battery")
	if password != "" {
		c.Extra = map[string]credential.Redacted{"enable_password": credential.NewRedacted(password)}
	}
	return c
}

func ios(t *testing.T) *platform.Platform {
	t.Helper()
	all, err := platform.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return all["cisco_ios"]
}

func TestScript(t *testing.T) {
	t.Parallel()
	commands := func(outputs []device.Output) (typed []string) {
		for _, output := range outputs {
			typed = append(typed, output.Command)
		}
		return typed
	}
	for _, test := range []struct {
		name    string
		enable  string // the device's
		has     string // the credential's
		script  device.Script
		answers []device.Answer
		want    credential.Reason
		typed   []string
		config  []string
		last    string // what the last output has
		help    string
	}{
		{name: "commands", script: device.Script{Commands: []string{"show version"}, Shell: true}, typed: []string{"show version"}, last: "Cisco IOS"},
		{name: "a rejected command", script: device.Script{Commands: []string{"show version", "oops", "show version"}, Shell: true},
			want: device.CommandRejected, typed: []string{"show version", "oops"}, last: "% Invalid input"},
		{name: "a command that the job takes for rejected", script: device.Script{Commands: []string{"show version"}, Shell: true, Errors: []*regexp.Regexp{regexp.MustCompile("^uptime")}},
			want: device.CommandRejected, typed: []string{"show version"}, last: "uptime"},
		{name: "enable", enable: enablePassword, has: enablePassword, script: device.Script{Commands: []string{"show running-config"}, Enable: true},
			typed: []string{"show running-config"}, last: "line 59 of the configuration\n"},
		{name: "enable where there are privileges", script: device.Script{Commands: []string{"show running-config"}, Enable: true},
			typed: []string{"show running-config"}, last: "line 59 of the configuration\n"},
		{name: "enable with a wrong password", enable: enablePassword, has: "wrong password", script: device.Script{Commands: []string{"show version"}, Enable: true},
			want: device.EnableRefused, help: "enable_password"},
		{name: "enable without a password", enable: enablePassword, script: device.Script{Commands: []string{"show version"}, Enable: true},
			want: device.EnableRefused, help: "enable_password"},
		{name: "configuration", script: device.Script{Config: []string{"interface Gi0/1", "description uplink"}, Commands: []string{"show version"}},
			typed:  []string{"configure terminal", "interface Gi0/1", "description uplink", "end", "show version"},
			config: []string{"interface Gi0/1", "description uplink"}, last: "Cisco IOS"},
		{name: "configuration after enable", enable: enablePassword, has: enablePassword, script: device.Script{Config: []string{"hostname r2"}, Enable: true},
			typed: []string{"configure terminal", "hostname r2", "end"}, config: []string{"hostname r2"}},
		{name: "a rejected line of configuration", script: device.Script{Config: []string{"interface Gi0/1", "oops", "shutdown"}, Commands: []string{"show version"}},
			want: device.CommandRejected, typed: []string{"configure terminal", "interface Gi0/1", "oops", "end"}, config: []string{"interface Gi0/1"}},
		{name: "configuration without privileges", enable: enablePassword, script: device.Script{Config: []string{"shutdown"}},
			want: device.CommandRejected, typed: []string{"configure terminal"}, last: "% Invalid input"},
		{name: "an answer", script: device.Script{Commands: []string{"write erase", "show version"}, Shell: true},
			answers: []device.Answer{{Prompt: regexp.MustCompile(`\[confirm\]`), Send: "y"}},
			typed:   []string{"write erase", "show version"}, last: "Cisco IOS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			router := &devicetest.IOS{Name: "r1", Enable: test.enable}
			d := start(t, devicetest.Options{Username: "admin", Password: password, Terminal: router.Serve})
			cred := withEnable(test.has)
			session, err := dialer(t, d).Login(t.Context(), device.Target{Address: d.Address(), Expected: cred, Answers: test.answers}, show(cred))
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			test.script.Platform = ios(t)
			outputs, err := session.Run(t.Context(), test.script)
			if credential.ReasonOf(err) != test.want {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if got := commands(outputs); !slices.Equal(got, test.typed) {
				t.Errorf("typed %q, want %q", got, test.typed)
			}
			if !slices.Equal(router.Config(), test.config) {
				t.Errorf("configured %q, want %q", router.Config(), test.config)
			}
			if len(outputs) > 0 && !strings.Contains(outputs[len(outputs)-1].Output, test.last) {
				t.Errorf("the last output is %q", outputs[len(outputs)-1].Output)
			}
			if known, ok := errors.AsType[*credential.Error](err); test.help != "" && (!ok || !strings.Contains(strings.Join(known.Help, " "), test.help)) {
				t.Errorf("no help about %s: %+v", test.help, known)
			}
			if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), enablePassword) || strings.Contains(err.Error(), "wrong password")) {
				t.Errorf("a secret is in the error: %v", err)
			}
			if len(router.Secrets()) > 1 {
				t.Errorf("the enable password was typed %d times", len(router.Secrets()))
			}
		})
	}
}

// A job's time is up while a command runs, or a question waits: the error says which wait that was, and what the device shows.
func TestWaitIsNamed(t *testing.T) {
	t.Parallel()
	router := &devicetest.IOS{Name: "r1"}
	d := start(t, devicetest.Options{Username: "admin", Password: password, Terminal: router.Serve})
	session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	outputs, err := session.Run(ctx, device.Script{Commands: []string{"show version", "write erase"}, Shell: true})
	if err == nil || !strings.Contains(err.Error(), `the prompt after "write erase"`) || !strings.Contains(err.Error(), "Continue? [confirm]") {
		t.Errorf("got %v", err)
	}
	if len(outputs) != 2 || !strings.Contains(outputs[0].Output, "Cisco IOS") {
		t.Errorf("got %+v", outputs)
	}
}
