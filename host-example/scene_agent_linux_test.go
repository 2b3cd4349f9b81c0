package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// crashAgent has an agent hand out the password, for a login and without one, looks at its processes, and has it abort.
func (s *scene) crashAgent(t *testing.T) {
	t.Helper()
	socket := filepath.Join(s.directory, "agent.sock")
	command := s.command(t, "agent", "--socket", socket, "--log-level", "trace")
	command.Env = append(command.Env, "TOM_WORKER_METRICS_ADDRESS=127.0.0.1:0")
	p := &process{t: t, cmd: command}
	command.Stderr = &p.log
	p.start()
	p.until("it serves", func() bool { return strings.Contains(p.log.String(), "the agent serves") })
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	provider, logins := credentialv1.NewCredentialProviderClient(conn), credentialv1.NewLoginGuardClient(conn)

	got, err := provider.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "c0"})
	if err != nil || got.GetCredential().GetPassword() != canary {
		t.Fatalf("the agent gave another password: %v", err)
	}
	for _, id := range []string{"malformed", "text"} {
		_, err := provider.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: id})
		_, _ = fmt.Fprintln(&s.printed, "--- the agent's error:", err)
		if err == nil {
			t.Errorf("%s was read", id)
		}
	}
	for i, answer := range []credentialv1.LoginAnswer{credentialv1.LoginAnswer_LOGIN_ANSWER_REFUSED, credentialv1.LoginAnswer_LOGIN_ANSWER_ACCEPTED} {
		id := []byte(fmt.Sprintf("made-up login %02d", i))
		login, err := logins.Present(t.Context(), &credentialv1.PresentRequest{LoginId: id, CredentialId: "c0", Device: fmt.Sprintf("192.0.2.%d:22", i)})
		if err != nil || login.GetCredential().GetPassword() != canary {
			t.Fatalf("the agent gave another password for a login: %v", err)
		}
		if holdsCanary(login.GetPermit()) {
			t.Error("the password is in the permit")
		}
		if _, err := logins.Report(t.Context(), &credentialv1.ReportRequest{Login: &credentialv1.ReportRequest_Permit{Permit: login.GetPermit()}, Answer: answer}); err != nil {
			t.Error(err)
		}
	}
	agent := command.Process.Pid
	look(t, append(children(t, agent), agent))
	s.visit(t, p.log.String())
	s.searchFiles(t)
	if err := syscall.Kill(agent, syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	p.ends()
	s.printed.WriteString(p.log.String())
	if !strings.Contains(p.log.String(), "SIGABRT") {
		t.Errorf("the agent didn't crash:\n%s", p.log.String())
	}
}
