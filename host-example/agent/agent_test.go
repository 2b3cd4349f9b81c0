//go:build linux || darwin

package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/tom-worker/credential-provider/host-example/agent"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

func TestCredentialProvider(t *testing.T) {
	s := start(t)
	metadata, err := s.GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{})
	if err != nil || metadata.GetName() != "made_up" || len(metadata.GetCapabilities()) != 2 {
		t.Errorf("metadata %v, %v", metadata.GetName(), err)
	}
	if _, err := s.Configure(t.Context(), &credentialv1.ConfigureRequest{}); code(err) != codes.FailedPrecondition {
		t.Errorf("Configure: %v", err)
	}
	for range 10 {
		got, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "lab"})
		if err != nil || got.GetCredential().GetPassword() != "right" || got.GetCredential().GetVersionId() != "v-right" {
			t.Fatalf("lab: %v", err)
		}
	}
	if s.backend.reads != 1 {
		t.Errorf("%d reads of the backend", s.backend.reads)
	}
	if _, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "absent"}); code(err) != codes.NotFound {
		t.Errorf("absent: %v", err)
	}
	if _, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "a\x00b"}); code(err) != codes.InvalidArgument {
		t.Errorf("an id with NUL: %v", err)
	}
	if _, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "lab", Version: &credentialv1.GetCredentialRequest_VersionId{VersionId: "x"}}); code(err) != codes.Unimplemented {
		t.Errorf("a version: %v", err)
	}
	batch, err := s.BatchGetCredentials(t.Context(), &credentialv1.BatchGetCredentialsRequest{Requests: []*credentialv1.GetCredentialRequest{{CredentialId: "core"}, {CredentialId: "absent"}, {CredentialId: "lab"}}})
	if err != nil || len(batch.GetResults()) != 3 || batch.GetResults()[0].GetCredential().GetPassword() != "other" ||
		batch.GetResults()[1].GetError().GetReason() != "CREDENTIAL_NOT_FOUND" || batch.GetResults()[2].GetCredential().GetPassword() != "right" {
		t.Errorf("batch: %v", err)
	}
	list, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{})
	if err != nil || len(list.GetCredentials()) != 2 {
		t.Errorf("list: %v, %v", list, err)
	}
	if checks, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{}); err != nil || len(checks.GetChecks()) != 1 {
		t.Errorf("validate: %v", err)
	}
	want := fmt.Sprintf(`"uid":%d,"pid":%d`, os.Getuid(), os.Getpid())
	if log := s.log.String(); strings.Count(log, want) != 14 || strings.Contains(log, `"right"`) {
		t.Errorf("the audit log has %d lines with %s:\n%s", strings.Count(log, want), want, log)
	}
}

func TestRules(t *testing.T) {
	own := fmt.Sprint(os.Getuid())
	rules, err := agent.ParseRules([]string{own + "=get:l?b", own + "=list", "1=all"})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *agent.Options) { o.Rules = rules })
	if _, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "lab"}); err != nil {
		t.Errorf("lab: %v", err)
	}
	if _, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "core"}); code(err) != codes.PermissionDenied {
		t.Errorf("core: %v", err)
	}
	batch, err := s.BatchGetCredentials(t.Context(), &credentialv1.BatchGetCredentialsRequest{Requests: []*credentialv1.GetCredentialRequest{{CredentialId: "core"}, {CredentialId: "lab"}}})
	if err != nil || batch.GetResults()[0].GetError().GetReason() != "ACCESS_DENIED" || batch.GetResults()[1].GetCredential() == nil {
		t.Errorf("batch: %v, %v", batch.GetResults()[0].GetError(), err)
	}
	if _, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{}); err != nil {
		t.Errorf("list: %v", err)
	}
	if _, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{}); code(err) != codes.PermissionDenied {
		t.Errorf("validate: %v", err)
	}
	if _, err := s.logins.Present(t.Context(), ask(newID(), "d1")); code(err) != codes.PermissionDenied {
		t.Errorf("Present: %v", err)
	}
	for _, item := range []string{"", "tom", "no-such-user-here=all", own + "=", own + "=write", own + "=get+", "-1=all", "4294967296=get"} {
		if _, err := agent.ParseRules([]string{item}); err == nil {
			t.Errorf("%q is taken for a rule", item)
		}
	}
}

// A user without a rule hears nothing, not even HTTP/2.
func TestStrangers(t *testing.T) {
	rules, err := agent.ParseRules([]string{fmt.Sprint(os.Getuid()+1) + "=all"})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *agent.Options) { o.Rules = rules })
	conn := s.raw()
	_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("it was told %d bytes, %v", n, err)
	}
	if open, refused := s.server.Connections(); open != 0 || refused != 1 {
		t.Errorf("%d connections, %d refused", open, refused)
	}
}

func TestLogin(t *testing.T) {
	s := start(t)
	id := newID()
	first := s.present(id, "d1")
	if first.GetCredential().GetPassword() != "right" || first.GetReportWithin().AsDuration() > 10*time.Second || s.open() != 1 {
		t.Fatalf("got %v left, %d permits", first.GetReportWithin().AsDuration(), s.open())
	}
	if again := s.present(id, "d1"); !bytes.Equal(again.GetPermit(), first.GetPermit()) || s.open() != 1 {
		t.Error("the same login_id gets another permit")
	}
	if _, err := s.logins.Present(t.Context(), ask(id, "d2")); code(err) != codes.InvalidArgument {
		t.Errorf("the same login_id for another device: %v", err)
	}
	for range 2 {
		if s.report(on(first.GetPermit(), accepted)) {
			t.Error("other material after a success")
		}
	}
	s.until("the permit is free", func() bool { return s.open() == 0 })
	if _, err := s.logins.Present(t.Context(), ask(id, "d1")); code(err) != codes.InvalidArgument {
		t.Errorf("a login that has ended: %v", err)
	}
	forged := bytes.Clone(first.GetPermit())
	forged[len(forged)-1] ^= 1
	for name, request := range map[string]*credentialv1.ReportRequest{
		"nothing":                      {Answer: accepted},
		"no answer":                    on(first.GetPermit(), 0),
		"an answer of a later version": on(first.GetPermit(), 99),
		"a forged permit":              on(forged, accepted),
		"no permit":                    on(nil, accepted),
		"a login that isn't known":     onLogin(newID(), accepted),
		"a login_id of another length": onLogin([]byte("short"), notPresented),
	} {
		if _, err := s.logins.Report(t.Context(), request); code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// After a refusal the backend is asked, and other material is given in the same login.
func TestOtherMaterial(t *testing.T) {
	s := start(t)
	id := newID()
	first := s.present(id, "d1")
	s.backend.set("rotated")
	if !s.report(on(first.GetPermit(), refused)) {
		t.Fatal("no other material, though it was rotated")
	}
	if !s.report(on(first.GetPermit(), refused)) {
		t.Error("the report, repeated, has another answer")
	}
	second := s.present(id, "d1")
	if second.GetCredential().GetPassword() != "rotated" || bytes.Equal(second.GetPermit(), first.GetPermit()) {
		t.Fatal("not the new material, or not its own permit")
	}
	s.report(onLogin(id, accepted))
	s.until("no permit is out", func() bool { return s.open() == 0 })

	// Without other material the next login at the device fails at once. This client doesn't wait for what the backend has.
	s.refuse(s.present(newID(), "d2"))
	if _, err := s.logins.Present(t.Context(), ask(newID(), "d2")); code(err) != codes.FailedPrecondition {
		t.Errorf("a device that has refused it gets it again: %v", err)
	}
}

// The guard's budget holds for all clients: two failed logins in a row close the material.
func TestBudget(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, device := range []string{"d1", "d2"} { // devices that are known to accept it don't wait after a refusal
		s.report(on(s.present(newID(), device).GetPermit(), accepted))
	}
	for _, device := range []string{"d1", "d2"} {
		s.refuse(s.present(newID(), device))
	}
	s.until("the material is closed", func() bool {
		known, err := s.guard.Snapshot(t.Context(), "lab")
		return err == nil && len(known) == 1 && known[0].Closed > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := s.logins.Present(ctx, ask(newID(), "d9")); err == nil {
		t.Error("a third login gets material")
	}
}

// A client that is cancelled at any moment leaves nothing behind if it reports so.
func TestCancelled(t *testing.T) {
	s := start(t)
	s.report(on(s.present(newID(), "d0").GetPermit(), accepted))
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			id, ctx := newID(), t.Context()
			if i%2 == 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*200*time.Microsecond)
				defer cancel()
			}
			got, err := s.logins.Present(ctx, ask(id, fmt.Sprint("d", i)))
			if err != nil {
				s.report(onLogin(id, notPresented))
				if i%2 == 1 {
					t.Errorf("a login that wasn't cancelled: %v", err)
				}
				return
			}
			s.report(on(got.GetPermit(), accepted))
		})
	}
	all.Wait()
	s.until("no permit is out", func() bool { return s.open() == 0 })
	if n := s.guard.Counters().Unanswered; n != 0 {
		t.Errorf("%d logins without an answer", n)
	}
}

// A report that comes before its login has that end when it arrives.
func TestGivenUpBeforeItArrives(t *testing.T) {
	s := start(t)
	id := newID()
	s.report(onLogin(id, notPresented))
	if _, err := s.logins.Present(t.Context(), ask(id, "d1")); code(err) != codes.InvalidArgument && code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if s.open() != 0 {
		t.Error("it has a permit")
	}
}

// A client that is gone with its permit counts as one that may have shown it, when its time is over.
func TestClientThatIsGone(t *testing.T) {
	s := start(t, func(o *agent.Options) { o.LoginTimeout = 2 * time.Second })
	conn := s.dial()
	id := newID()
	got, err := credentialv1.NewLoginGuardClient(conn).Present(t.Context(), ask(id, "d1"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if s.open() != 1 {
		t.Error("its permit is free at once")
	}
	s.until("its time is over", func() bool { return s.open() == 0 })
	if n := s.guard.Counters().Unanswered; n != 1 {
		t.Errorf("%d logins without an answer", n)
	}
	if s.report(on(got.GetPermit(), refused)) { // late
		t.Error("other material, though there is none")
	}
}

// Others are served while some crash, flood and speak garbage.
func TestClientsThatMisbehave(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, text := range []string{"", "\x00", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x04\x00\x00\x00\x00\x00", strings.Repeat("\xff", 1<<16)} {
		conn := s.raw()
		_, _ = io.WriteString(conn, text)
	}
	flood, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		client := credentialv1.NewLoginGuardClient(s.dial())
		for range 400 {
			all.Go(func() { _, _ = client.Present(flood, ask(newID(), "flooded")) })
		}
	}
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := s.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: "lab"}); err != nil {
			t.Fatalf("another client: %v", err)
		}
		cancel()
	}
	stop()
	all.Wait()
	s.until("the flood is over", func() bool { return s.guard.Counters().Waiting == 0 && s.open() == 0 })
}

// The agent that follows at the socket takes reports on permits of the one before.
func TestNextAgent(t *testing.T) {
	s := start(t)
	got := s.present(newID(), "d1")
	s.stop()
	next := startAt(t, s.path, s.backend)
	for range 2 {
		if next.report(on(got.GetPermit(), refused)) {
			t.Error("other material, though there is none")
		}
	}
	if _, err := next.logins.Present(t.Context(), ask(newID(), "d1")); code(err) != codes.FailedPrecondition {
		t.Errorf("the device that has refused it gets it again: %v", err)
	}
	if _, err := agent.Listen(s.path); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second agent at the same socket: %v", err)
	}
}

// An agent that ends lets open permits be reported on, and has what waits ask the next one.
func TestEnd(t *testing.T) {
	s := start(t, func(o *agent.Options) { o.Grace = 20 * time.Second })
	first, second := s.present(newID(), "d1"), make(chan error, 1)
	go func() { // waits: a material that isn't proven has one login at a time
		_, err := s.logins.Present(t.Context(), ask(newID(), "d2"))
		second <- err
	}()
	s.until("the second one waits", func() bool { return s.guard.Counters().Waiting == 1 })
	ended := make(chan struct{})
	go func() { s.stop(); close(ended) }()
	if err := <-second; code(err) != codes.Unavailable {
		t.Errorf("a login that waits: %v", err)
	}
	s.report(on(first.GetPermit(), accepted))
	<-ended
	if _, err := os.Stat(s.path); err == nil {
		t.Error("its socket is still there")
	}
}

func TestLinger(t *testing.T) {
	socket, err := agent.Listen(directory(t) + "/agent.sock")
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.New(agent.Options{Linger: 50 * time.Millisecond}).Serve(t.Context(), t.Context(), socket); err != nil {
		t.Error(err)
	}
}

func TestDirectories(t *testing.T) {
	for mode, fine := range map[os.FileMode]bool{0o700: true, 0o750: true, 0o710: true, 0o755: false, 0o770: false, 0o777: false} {
		dir := directory(t)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		socket, err := agent.Listen(dir + "/agent.sock")
		if (err == nil) != fine {
			t.Errorf("%04o: %v", mode, err)
		}
		if err == nil {
			_ = socket.Close()
		}
	}
	if _, err := agent.Listen(directory(t) + "/absent/agent.sock"); err == nil || !strings.Contains(err.Error(), "install -d") {
		t.Errorf("no directory: %v", err)
	}
	if _, err := agent.Listen(directory(t) + "/" + strings.Repeat("x", 120)); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a long path: %v", err)
	}
	dir := directory(t)
	if err := os.WriteFile(dir+"/agent.sock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Listen(dir + "/agent.sock"); err == nil {
		t.Error("a file that is no socket was replaced")
	}
}
