package device_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// Prompts for something else never get the password, and the guard hears that nothing was shown.
func TestPromptsForSomethingElse(t *testing.T) {
	t.Parallel()
	for _, prompt := range []string{"Verification code: ", "Enter a NEW password for admin: ", "PIN: ", "Passcode: ", "One-time password: ", "(current) UNIX password: ", "Token: ", ""} {
		t.Run(prompt, func(t *testing.T) {
			t.Parallel()
			d := start(t, devicetest.Options{Username: "admin", Password: password, Methods: []string{"keyboard-interactive"}, Prompts: []devicetest.Prompt{{Text: prompt}}})
			asked := 0
			material := show(withPassword(password))
			_, err := dialer(t, d).Login(t.Context(), device.Target{Address: d.Address(), Expected: withPassword(password)}, func(ctx context.Context) (*credential.Credential, error) {
				asked++
				return material(ctx)
			})
			if credential.ReasonOf(err) != device.LoginUnsupported || errors.Is(err, guard.ErrRefused) || !errors.Is(err, guard.ErrNotShown) {
				t.Errorf("got %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), strings.TrimSpace(prompt)) {
				t.Errorf("the prompt is not in %v", err)
			}
			if asked > 0 || len(d.Refused()) > 0 || d.Logins() > 0 {
				t.Errorf("the credential was asked for %d times, the device was shown %d passwords", asked, len(d.Refused()))
			}
		})
	}
}

// A job's answers go into the prompts that they are for, beside the password.
func TestLoginAnswers(t *testing.T) {
	t.Parallel()
	d := start(t, devicetest.Options{Username: "admin", Password: password, Methods: []string{"keyboard-interactive"}, Prompts: []devicetest.Prompt{{Text: "Password: "}, {Text: "Domain [local]: ", Echo: true}}})
	target := device.Target{Address: d.Address(), Expected: withPassword(password), Answers: []device.Answer{{Prompt: regexp.MustCompile("^Domain"), Send: "local\n"}}}
	session, err := dialer(t, d).Login(t.Context(), target, show(withPassword(password)))
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
}

// The credential is asked for when the device asks, and one with another user name gets its own connection.
func TestMaterialIsAskedForLate(t *testing.T) {
	t.Parallel()
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	worker := dialer(t, d)
	conn, err := worker.Connect(t.Context(), device.Target{Address: d.Address(), Expected: withPassword("")})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Refused())+d.Logins() > 0 {
		t.Error("something was shown before the login")
	}
	session, err := conn.Login(t.Context(), show(withPassword(password)))
	if err != nil {
		t.Fatal(err)
	}
	session.Close()

	conn, err = worker.Connect(t.Context(), device.Target{Address: d.Address(), Expected: withPassword("")})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()

	other := withPassword("wrong")
	other.Username = "former"
	session, err = worker.Login(t.Context(), device.Target{Address: d.Address(), Expected: other}, show(withPassword(password)))
	if err != nil || len(d.Refused()) > 0 {
		t.Fatalf("got %v, refused %v", err, d.Refused())
	}
	session.Close()

	failed := errors.New("no permit")
	_, err = worker.Login(t.Context(), device.Target{Address: d.Address(), Expected: withPassword(password)}, func(context.Context) (*credential.Credential, error) { return nil, failed })
	if !errors.Is(err, failed) || !errors.Is(err, guard.ErrNotShown) {
		t.Errorf("got %v", err)
	}
}

// A device that ends the first connection gets one more, before anything was shown.
func TestOneMoreTry(t *testing.T) {
	t.Parallel()
	for _, refusals := range []int{1, 2} {
		d := start(t, devicetest.Options{Username: "admin", Password: password, Busy: refusals})
		session, err := login(t, dialer(t, d), d.Address(), withPassword(password))
		if (err == nil) != (refusals == 1) {
			t.Errorf("%d refusals: %v", refusals, err)
		}
		if err == nil {
			session.Close()
		} else if credential.ReasonOf(err) != device.Unreachable || !errors.Is(err, guard.ErrNotShown) {
			t.Errorf("got %v", err)
		}
	}
}

// Through another device the host key is checked too.
func TestThroughAnotherDevice(t *testing.T) {
	t.Parallel()
	inner := start(t, devicetest.Options{Name: "inner", Username: "admin", Password: password})
	outer := start(t, devicetest.Options{Name: "outer", Username: "admin", Password: "of the bastion", Forwards: true})
	closed := start(t, devicetest.Options{Name: "closed", Username: "admin", Password: "of the bastion"})
	worker := dialer(t, inner, outer, closed)
	run := func(bastion *devicetest.Device, worker *device.Dialer) (string, error) {
		through, err := login(t, dialer(t, outer, closed), bastion.Address(), withPassword("of the bastion"))
		if err != nil {
			t.Fatal(err)
		}
		target := device.Target{Address: inner.Address(), Expected: withPassword(password), Through: through}
		session, err := worker.Login(t.Context(), target, show(withPassword(password)))
		if err != nil {
			return "", err
		}
		defer session.Close()
		outputs, err := session.Run(t.Context(), device.Script{Commands: []string{"show version"}})
		if err != nil {
			return "", err
		}
		return outputs[0].Output, nil
	}
	if got, err := run(outer, worker); err != nil || got != "version of inner\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := run(outer, dialer(t, outer)); credential.ReasonOf(err) != device.HostKeyUnknown {
		t.Errorf("an unknown host key behind a bastion: %v", err)
	}
	if _, err := run(closed, worker); credential.ReasonOf(err) != device.Unreachable || !strings.Contains(err.Error(), closed.Address()) {
		t.Errorf("a bastion that doesn't connect: %v", err)
	}
}
