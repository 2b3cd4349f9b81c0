package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// site is a backend, devices and the worker's environment.
type site struct {
	backend *awssmtest.Server
	devices [][]*devicetest.Device // by credential
	plugins string
	environ []string
}

func newSite(t *testing.T, credentials, each int, options func(credential, device int) devicetest.Options) *site {
	t.Helper()
	backend, err := awssmtest.Start(awssmtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	dir := t.TempDir()
	s := &site{backend: backend, plugins: filepath.Join(dir, "plugins")}
	var known strings.Builder
	for c := range credentials {
		var devices []*devicetest.Device
		for i := range each {
			d, err := devicetest.Start(options(c, i))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Close)
			known.WriteString(d.KnownHost())
			devices = append(devices, d)
		}
		s.devices = append(s.devices, devices)
	}
	if err := os.Mkdir(s.plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	// A copy, so that its processes can be told from those of other tests.
	const name = "tom-credential-aws_secrets_manager"
	binary, err := os.ReadFile(filepath.Join(pluginDir, name))
	if err != nil {
		t.Fatal(err)
	}
	knownHosts := filepath.Join(dir, "known_hosts")
	err = errors.Join(regular.WriteExecutable(filepath.Join(s.plugins, name), bytes.NewReader(binary), 0o755), os.WriteFile(knownHosts, []byte(known.String()), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	s.environ = append(backend.Env(), "HOME="+dir, "PATH="+os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true",
		"TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager",
		"TOM_WORKER_CREDENTIAL_PLUGIN_DIRS="+s.plugins,
		"TOM_WORKER_SSH_KNOWN_HOSTS="+knownHosts,
	)
	return s
}

// rotate changes the password of a credential as AWS's rotation does: first the devices', then what is AWSCURRENT. A caller that
// is refused in between finds the new one when it asks again. The other order would have devices refuse the new one.
func (s *site) rotate(c int, password string) {
	for _, d := range s.devices[c] {
		d.SetPassword(password)
	}
	s.backend.PutSecret("tom/credentials/c"+strconv.Itoa(c), fmt.Sprintf(`{"username":"admin","password":%q}`, password))
}

// kill ends the provider's process as hard as can be.
func (s *site) kill(t *testing.T) bool {
	t.Helper()
	process := s.provider(t)
	return process != nil && process.Kill() == nil
}

// provider finds the provider's process; nil if there is none.
func (s *site) provider(t *testing.T) *os.Process {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, s.plugins) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			if err != nil {
				t.Fatal(err)
			}
			process, err := os.FindProcess(pid)
			if err != nil {
				t.Fatal(err)
			}
			return process
		}
	}
	return nil
}

// TestNothingIsLost counts: whatever happens to the provider, the passwords, the devices and the lines, every line has one
// result, every job that can be done is done, and no device is shown the same wrong password twice.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc to find the provider's process")
	}
	const credentials, each, kills, rotations = 5, 4, 10, 5
	jobs := 2000
	if n, err := strconv.Atoi(os.Getenv("TEST_JOBS")); err == nil && n > 0 {
		jobs = n
	}
	s := newSite(t, credentials, each, func(_, device int) devicetest.Options {
		options := devicetest.Options{Username: "admin"}
		switch device {
		case 1:
			options.Delay = 30 * time.Millisecond
		case 2:
			options.Methods = []string{"keyboard-interactive"}
		case 3:
			options.HangsUp = true
		}
		return options
	})
	for c := range credentials {
		s.rotate(c, fmt.Sprintf("first password %d", c))
	}
	s.environ = append(s.environ, "TOM_WORKER_CREDENTIAL_CACHE_TTL=200ms", "TOM_WORKER_CONCURRENCY=16", "TOM_WORKER_LOG_LEVEL=warning")
	gone, err := devicetest.Start(devicetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()

	in, input := io.Pipe()
	output, out := io.Pipe()
	var log bytes.Buffer
	var worker sync.WaitGroup
	status := -1
	worker.Go(func() {
		status = run(t.Context(), []string{"run"}, in, out, &log, s.environ)
		_ = out.Close()
	})
	results := make(chan job.Result, jobs)
	worker.Go(func() {
		defer close(results)
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var result job.Result
			if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
				t.Errorf("%q: %v", lines.Text(), err)
			}
			results <- result
		}
	})

	killed, broken, unreachable, unknown := 0, 0, 0, 0
	for i := range jobs {
		// A process that was killed a moment ago may not have a successor yet.
		if i >= (killed+1)*jobs/(kills+2) && s.kill(t) {
			killed++
		}
		if n := jobs / rotations; i%n == n/3 {
			s.rotate(i/n%credentials, fmt.Sprintf("password of job %d", i))
		}
		c, d := i%credentials, i/credentials%each
		line := fmt.Sprintf(`{"id":"%d","host":"127.0.0.1","port":%d,"credential_id":"c%d","commands":["show version"],"timeout":"40s"}`, i, s.devices[c][d].Port(), c)
		switch i % 40 {
		case 11:
			line, broken = `{"id":"broken","host":`, broken+1
		case 23:
			line = fmt.Sprintf(`{"id":"%d","host":"127.0.0.1","port":%d,"credential_id":"c%d","commands":["show version"]}`, i, gone.Port(), c)
			unreachable++
		case 37:
			line = fmt.Sprintf(`{"id":"%d","host":"127.0.0.1","port":%d,"credential_id":"none","commands":["show version"]}`, i, gone.Port())
			unknown++
		}
		if _, err := io.WriteString(input, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	_ = input.Close()
	worker.Wait()

	if status != statusDone {
		t.Errorf("exit status %d; the log:\n%s", status, log.String())
	}
	seen, reasons := map[int]int{}, map[credential.Reason]int{}
	for result := range results {
		seen[result.Line]++
		if result.Status == job.StatusOK {
			continue
		}
		reasons[result.Error.Reason]++
		switch result.Error.Reason {
		case job.Invalid, device.Unreachable, credential.CredentialNotFound:
		default:
			t.Errorf("line %d: %s: %s", result.Line, result.Error.Reason, result.Error.Message)
		}
	}
	for line := 1; line <= jobs; line++ {
		if seen[line] != 1 {
			t.Errorf("line %d has %d results", line, seen[line])
		}
	}
	t.Logf("%d jobs, %d kills, failed as they should: %v", jobs, killed, reasons)
	if killed < kills {
		t.Errorf("the provider was killed %d times, not %d", killed, kills)
	}
	want := map[credential.Reason]int{job.Invalid: broken, device.Unreachable: unreachable, credential.CredentialNotFound: unknown}
	if !maps.Equal(reasons, want) {
		t.Errorf("failed: %v, want %v", reasons, want)
	}
	for c, devices := range s.devices {
		for d, dev := range devices {
			for password, times := range dev.Refused() {
				if times > 1 {
					t.Errorf("device %d of credential %d was shown %q %d times", d, c, password, times)
				}
			}
			if most := dev.MostSessions(); most > 1 {
				t.Errorf("device %d of credential %d had %d sessions at a time", d, c, most)
			}
		}
	}
	if strings.Contains(log.String(), "password of job") || strings.Contains(log.String(), "first password") {
		t.Error("a password is in the log")
	}
}

// A rotation between two jobs is not noticed but for the second attempt.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 1, func(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} })
	s.rotate(0, "first password")
	in, input := io.Pipe()
	output, out := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var worker sync.WaitGroup
	var log bytes.Buffer
	worker.Go(func() {
		if status := run(ctx, []string{"run"}, in, out, &log, s.environ); status != statusDone {
			t.Errorf("exit status %d; the log:\n%s", status, log.String())
		}
		_ = out.Close()
	})
	lines := bufio.NewScanner(output)
	do := func(id string) job.Result {
		t.Helper()
		_, _ = fmt.Fprintf(input, `{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"c0","commands":["show version"]}`+"\n", id, s.devices[0][0].Port())
		var result job.Result
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &result) != nil {
			t.Errorf("no result; %v", lines.Err())
		}
		return result
	}
	first := do("1")
	s.rotate(0, "second password")
	second := do("2")
	_ = input.Close()
	worker.Wait()
	if first.Status != job.StatusOK || first.Attempts != 1 || second.Status != job.StatusOK || second.Attempts != 2 {
		t.Errorf("got %+v (%+v)\nand %+v (%+v)", first, first.Error, second, second.Error)
	}
	if first.CredentialVersion == second.CredentialVersion || second.CredentialVersion == "" {
		t.Errorf("versions %q and %q", first.CredentialVersion, second.CredentialVersion)
	}
}
