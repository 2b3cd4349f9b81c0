package main

import (
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// shortRole gives a provider that assumes a role whose sessions live for the time given.
func shortRole(t *testing.T, lifetime time.Duration) (*awssmtest.Server, *awsProvider) {
	t.Helper()
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	server.SetSessionLifetime(lifetime)
	useKeys(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	s := atServer(server)
	s.RoleARN = "arn:aws:iam::123456789012:role/tom"
	p, _ := open(t, s)
	return server, p
}

// TestRenewedInTime: sessions that end in mid-run are renewed before a request fails, and before a call has to wait.
func TestRenewedInTime(t *testing.T) {
	server, p := shortRole(t, 3*time.Second)
	ctx := within(t, 30*time.Second)
	var reads int64
	for server.Count("AssumeRole") < 3 {
		if _, err := p.Get(ctx, credential.Request{ID: "lab"}); err != nil {
			t.Fatalf("read %d, after %d sessions: %v", reads, server.Count("AssumeRole"), err)
		}
		reads++
	}
	if n := server.Count("GetSecretValue"); n != reads {
		t.Errorf("%d calls for %d reads: some were refused and made again", n, reads)
	}
}

// TestOutageOfSTS: while STS fails or stalls, calls go on with the session at hand, without waiting; once it has ended the
// trouble is BACKEND_UNAVAILABLE; and once STS is back, so are the calls.
func TestOutageOfSTS(t *testing.T) {
	for name, fault := range map[string]awssmtest.Fault{
		"fails":  {Service: "sts", Code: "ServiceUnavailable", Status: 503},
		"stalls": {Service: "sts", Stall: true},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := shortRole(t, 3*time.Second)
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatal(err)
			}
			outage := server.Inject(fault)
			held, _ := p.plain().connected().keys.Current()
			for time.Until(held.Expires) > 200*time.Millisecond {
				start := time.Now()
				if _, err := get(t, p, "lab"); err != nil {
					t.Fatalf("with %s left: %v", time.Until(held.Expires), err)
				}
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("a call that valid credentials could serve took %s", took)
				}
			}
			if outage.Hits() == 0 {
				t.Fatal("no renewal was tried while the credentials were valid")
			}
			eventually(t, "the session ends", func() bool { return time.Now().After(held.Expires) })

			_, err := get(t, p, "lab")
			e := wantReason(t, err, credential.BackendUnavailable)
			if e.Metadata["stage"] != stageCredentials {
				t.Errorf("metadata = %q", e.Metadata)
			}
			server.SetSessionLifetime(time.Hour)
			outage.Remove()
			start := time.Now()
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatalf("after the outage: %v", err)
			}
			if took := time.Since(start); took > awscreds.Patience+time.Second {
				t.Errorf("the first call after the outage took %s", took)
			}
		})
	}
}
