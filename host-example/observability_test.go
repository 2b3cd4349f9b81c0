package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// admins are devices with the user admin.
func admins(int, int) devicetest.Options { return devicetest.Options{Username: "admin"} }

// builtFrom is the commit that the worker's own "version" names. The compiler notes it in the worker, and not in its tests.
func builtFrom(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(path, "version").Output()
	found := regexp.MustCompile(`\(commit ([^,]+),`).FindSubmatch(said)
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, said)
	}
	return string(found[1])
}

// TestMetrics looks at the metrics of a worker that did jobs of all kinds, one of them after its provider had been killed.
func TestMetrics(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc to find the provider's process")
	}
	const password = "canary-5f1c9e"
	s := newSite(t, 2, 2, admins)
	s.rotate(0, password)
	s.rotate(1, password+"-other")
	s.devices[1][0].SetPassword("what is right")
	s.environ = append(s.environ, "TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_ROLE_ARN=arn:aws:iam::123456789012:role/reader")
	p := startWatched(t, s.environ...)
	ok, wrong := s.devices[0], s.devices[1]
	p.until("the worker is ready", func() bool { failing, _ := p.ready(); return len(failing) == 0 })

	for _, id := range []string{"first", "second"} {
		if got := p.job(id, ok[0].Port(), "c0"); got.Error != nil {
			t.Errorf("%+v", got.Error)
		}
	}
	for i, test := range []struct {
		port int
		id   string
		want credential.Reason
	}{
		{wrong[0].Port(), "c1", credential.CredentialRejected},
		{ok[1].Port(), "none", credential.CredentialNotFound},
	} {
		if got := p.job(fmt.Sprint(i), test.port, test.id); got.Error == nil || got.Error.Reason != test.want {
			t.Errorf("%+v, want %s", got, test.want)
		}
	}
	if got := p.do("no job\n"); got.Status != job.StatusInvalid {
		t.Errorf("%+v", got)
	}
	if !s.kill(t) {
		t.Error("no process was killed")
	}
	p.until("another process is up", func() bool {
		now := p.samples()
		return now["tom_credential_provider_restarts_total"] == 1 && now["tom_credential_provider_up"] == 1
	})

	got := p.samples()
	for name, want := range map[string]float64{
		`tom_worker_jobs_total{reason="",status="ok"}`:                         2,
		`tom_worker_jobs_total{reason="CREDENTIAL_REJECTED",status="failed"}`:  1,
		`tom_worker_jobs_total{reason="CREDENTIAL_NOT_FOUND",status="failed"}`: 1,
		`tom_worker_jobs_total{reason="JOB_INVALID",status="invalid"}`:         1,
		`tom_worker_jobs_pending`:                                              0,
		`tom_worker_jobs_running`:                                              0,
		`tom_worker_job_duration_seconds_count{status="ok"}`:                   2,
		`tom_worker_ready`: 1,
		`tom_credential_requests_total{outcome="fresh",reason=""}`:                        2, // c0 and c1, ahead of the logins
		`tom_credential_requests_total{outcome="cached",reason=""}`:                       4, // three logins, and the second job's own
		`tom_credential_requests_total{outcome="error",reason="CREDENTIAL_NOT_FOUND"}`:    1,
		`tom_credential_served_age_seconds_count`:                                         6,
		`tom_credential_read_failures_total{reason="CREDENTIAL_NOT_FOUND"}`:               1,
		`tom_credential_cache_credentials`:                                                2,
		`tom_credential_logins_total`:                                                     3,
		`tom_credential_login_refusals_total`:                                             1,
		`tom_credential_quarantined`:                                                      0,
		`tom_credential_backend_out`:                                                      0,
		`tom_credential_provider_call_duration_seconds_count{call="get",outcome="error"}`: 3, // two are of versions before, which there are none of
		`tom_worker_build_info{commit="` + builtFrom(t) + `",version="` + version + `"}`:  1,
	} {
		if found, there := got[name]; !there || found != want {
			t.Errorf("%s is %v (there: %v), want %v", name, found, there, want)
		}
	}
	now := float64(time.Now().Unix())
	if read := got["tom_credential_last_read_timestamp_seconds"]; read < now-300 || read > now+1 {
		t.Errorf("last read %v, now it is %v", read, now)
	}
	if expire := got["tom_credential_backend_credentials_expire_timestamp_seconds"]; expire < now || expire > now+24*3600 {
		t.Errorf("the provider's credentials expire at %v, now it is %v", expire, now)
	}
	_, metrics := p.get("/metrics")
	if !strings.Contains(metrics, "\ntom_credential_provider_info{name=\"aws_secrets_manager\",version=\"") {
		t.Error("there is no tom_credential_provider_info")
	}

	// Nothing in it that isn't for everybody: no secrets, no ids, no devices.
	_, readiness := p.ready()
	for _, text := range []string{password, "what is right", `"c0"`, `"c1"`, "127.0.0.1", "admin"} {
		if strings.Contains(metrics, text) || strings.Contains(readiness, text) {
			t.Errorf("%q is in the metrics or in the readiness", text)
		}
	}
	p.leave()
}

// TestReadiness is a worker whose backend is down when it starts, comes back, and goes again.
func TestReadiness(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 1, func(int, int) devicetest.Options {
		return devicetest.Options{Username: "admin", Delay: time.Second}
	})
	s.rotate(0, "a password")
	down := awssmtest.Fault{Status: 503}
	s.backend.Inject(down)
	s.environ = append(s.environ, "TOM_WORKER_CREDENTIAL_CACHE_TTL=0s", "TOM_WORKER_CREDENTIAL_CACHE_NEGATIVE_TTL=0s", "TOM_WORKER_CREDENTIAL_PLUGIN_CALL_TIMEOUT=5s", "AWS_MAX_ATTEMPTS=1")

	p := startWatched(t, s.environ...)
	// It answers from the start on.
	if status, body := p.get("/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("status %d: %s", status, body)
	}
	p.until("it is ready but for the backend", func() bool {
		failing, _ := p.ready()
		return slices.Equal(failing, []string{"backend"})
	})
	_, body := p.ready()
	for _, text := range []string{`"reason": "BACKEND_UNAVAILABLE"`, `"remedy": [`, `"message": "check `} {
		if !strings.Contains(body, text) {
			t.Errorf("%s isn't in %s", text, body)
		}
	}
	if p.samples()["tom_worker_ready"] != 0 {
		t.Error("the metrics say that it is ready")
	}

	s.backend.RemoveFaults()
	p.until("it is ready without a request", func() bool { failing, _ := p.ready(); return len(failing) == 0 })
	if p.samples()["tom_worker_ready"] != 1 {
		t.Error("the metrics say that it isn't ready")
	}
	if got := p.job("1", s.devices[0][0].Port(), "c0"); got.Error != nil {
		t.Errorf("%+v", got.Error)
	}

	fault := s.backend.Inject(down)
	if got := p.job("2", s.devices[0][0].Port(), "c0"); got.Error == nil || got.Error.Reason != credential.BackendUnavailable {
		t.Errorf("%+v", got)
	}
	if failing, body := p.ready(); !slices.Equal(failing, []string{"backend"}) {
		t.Error(body)
	}
	fault.Remove()
	// A read that works is evidence, and doesn't wait for the next check.
	if got := p.job("3", s.devices[0][0].Port(), "c0"); got.Error != nil {
		t.Errorf("%+v", got.Error)
	}
	p.until("it is ready again", func() bool { failing, _ := p.ready(); return len(failing) == 0 })

	// A worker that is told to end isn't ready, while its last job goes on.
	_, _ = io.WriteString(p.input, jobLine("4", s.devices[0][0].Port(), "c0"))
	p.until("the job runs", func() bool { return p.samples()["tom_worker_jobs_running"] == 1 })
	if runtime.GOOS == "windows" { // which has no such signals
		return
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.until("it says that it ends", func() bool {
		var failing []string
		failing, body = p.ready()
		return slices.Equal(failing, []string{"worker"})
	})
	if !strings.Contains(body, "it is stopping") {
		t.Error(body)
	}
	if got := p.do(""); got.Error != nil { // the job's result
		t.Errorf("%+v", got.Error)
	}
	p.leave()
}

// TestNothingListensAfterTheEnd is a worker in this process, whose end would not close what it leaves open.
func TestNothingListensAfterTheEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, 0, 0, admins)
	in, input := io.Pipe()
	var log output
	ended := make(chan int)
	go func() {
		ended <- run(t.Context(), []string{"run"}, in, io.Discard, &log, append(s.environ, "TOM_WORKER_METRICS_ADDRESS=127.0.0.1:0"))
	}()
	found := []string(nil)
	for deadline := time.Now().Add(time.Minute); found == nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		found = listensAt.FindStringSubmatch(log.String())
	}
	_ = input.Close()
	if status := <-ended; status != statusDone || found == nil {
		t.Fatalf("status %d; the log:\n%s", status, log.String())
	}
	if conn, err := net.Dial("tcp", found[1]); err == nil {
		_ = conn.Close()
		t.Errorf("a server still listens at %s", found[1])
	}
}

// TestQuarantineIsLifted is a worker with a wrong password, which is right all of a sudden.
func TestQuarantineIsLifted(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, 3, admins)
	const id = "c0"
	s.rotate(0, "one that the devices have not heard of")
	for _, d := range s.devices[0] {
		d.SetPassword("another one")
	}
	p := startWatched(t, s.environ...)
	for i, d := range s.devices[0] {
		if got := p.job(fmt.Sprint(i), d.Port(), id); got.Error == nil || got.Error.Reason != credential.CredentialRejected {
			t.Errorf("%+v", got)
		}
	}
	if got := p.samples()["tom_credential_quarantined"]; got != 1 {
		t.Errorf("%v quarantined", got)
	}

	command := func(want int, args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		args = append([]string{"quarantine"}, append(args, "--address", strings.TrimPrefix(p.url, "http://"))...)
		if status := run(t.Context(), args, nil, &stdout, &stderr, nil); status != want {
			t.Errorf("%v ended with %d: %s%s", args, status, &stdout, &stderr)
		}
		return stdout.String() + stderr.String()
	}
	shown := command(statusDone, "list")
	if lines := strings.Split(shown, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "CREDENTIAL   REFUSED BY   LOGINS") || !strings.HasPrefix(lines[1], "c0           2 devices    none for 3m") {
		t.Errorf("listed:\n%s", shown)
	}
	var listed struct{ Quarantines []admin.Quarantine }
	if err := json.Unmarshal([]byte(command(statusDone, "list", "--output", "json")), &listed); err != nil || len(listed.Quarantines) != 1 || listed.Quarantines[0].CredentialID != id {
		t.Errorf("listed %+v, %v", listed, err)
	}
	if shown := command(statusFailed, "lift", "c1"); !strings.Contains(shown, "reason: NOT_QUARANTINED") {
		t.Errorf("lifted:\n%s", shown)
	}
	if shown := command(statusFailed, "lift", "c1", "--output", "json"); !strings.Contains(shown, `"code": "NOT_FOUND"`) {
		t.Errorf("lifted:\n%s", shown)
	}

	// The devices are put right. They have seen the password, so that only a lift lets them see it again.
	for _, d := range s.devices[0] {
		d.SetPassword("one that the devices have not heard of")
	}
	if got := p.job("before", s.devices[0][0].Port(), id); got.Error == nil || got.Error.Reason != credential.CredentialRejected {
		t.Errorf("%+v", got)
	}
	var completed bytes.Buffer
	if run(t.Context(), []string{"__complete", "quarantine", "lift", "--address", strings.TrimPrefix(p.url, "http://"), ""}, nil, &completed, io.Discard, nil); !strings.HasPrefix(completed.String(), "c0\n") {
		t.Errorf("completion gives %q", &completed)
	}
	if shown := command(statusDone, "lift", id); shown != "lifted: c0 is read again, and tried\n" {
		t.Errorf("lifted: %q", shown)
	}
	for i, d := range s.devices[0] {
		if got := p.job(fmt.Sprint("after", i), d.Port(), id); got.Error != nil || got.Attempts != 1 {
			t.Errorf("%+v, %+v", got, got.Error)
		}
	}
	if shown := command(statusDone, "list"); shown != "no device refuses a credential\n" {
		t.Errorf("listed:\n%s", shown)
	}
	if log := p.log.String(); !strings.Contains(log, "a quarantine was lifted by hand") || !strings.Contains(log, "host-example.audit: quarantine lifted: credential_id=c0 command=\"quarantine lift\" user="+audit.User()) || strings.Contains(log, "have not heard of") {
		t.Errorf("the log:\n%s", log)
	}
	p.leave()
}
