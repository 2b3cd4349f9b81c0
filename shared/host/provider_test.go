package host

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestGet(t *testing.T) {
	p := start(t, memoryOptions(t))
	if got := password(t, p, "lab"); got != "password of lab" {
		t.Errorf("password %q", got)
	}
	_, err := p.Get(t.Context(), credential.Request{ID: "missing:x"})
	var e *credential.Error
	if !errors.As(err, &e) || e.Reason != credential.CredentialNotFound || len(e.Help) != 1 {
		t.Errorf("error %#v", err)
	}
	if !errors.Is(err, credential.CredentialNotFound) {
		t.Errorf("errors.Is doesn't find the reason in %v", err)
	}
}

func TestKilledProcessIsReplacedAndTheCallRepeated(t *testing.T) {
	p := start(t, memoryOptions(t))
	for range 3 {
		before := password(t, p, "pid")
		process := p.reloaded()
		if err := process.child.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := password(t, p, "pid"); after == before {
			t.Errorf("the same process %s answered", after)
		}
	}
}

func TestMetadata(t *testing.T) {
	m, err := Describe(t.Context(), memoryOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "memory" || m.Version != "1.2.3" || !m.Can(credential.CapabilityList) || m.Can(credential.CapabilityBatch) {
		t.Errorf("metadata %+v", m)
	}
	_ = os.Args
	_ = strings.Contains
	_ = time.Second
}
