//go:build unix

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// jobAtIOS types a command behind "$ " at a device that behaves like IOS, and holds what is printed to what the block shows;
// "..." stands for anything.
func jobAtIOS(t *testing.T, r *reader, text string) {
	router := &devicetest.IOS{Name: "r1", Enable: "open sesame"}
	d, err := devicetest.Start(devicetest.Options{Username: "admin", Password: "your-password", Terminal: router.Serve})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r.write(t, "creds.yml", "lab: {username: admin, password: your-password, enable_password: open sesame}\n")
	r.write(t, "known_hosts", d.KnownHost())
	r.write(t, "acme.jsonl", fmt.Sprintf(`{"id":"3","host":"127.0.0.1","port":%d,"credential_id":"lab","device_type":"acme_os","commands":["show version"]}`+"\n", d.Port()))
	text = strings.ReplaceAll(text, "PORT", fmt.Sprint(d.Port()))
	typed, shown, _ := strings.Cut(strings.TrimPrefix(text, "$ "), "\n")
	got := r.sh(t, "", typed, "TOM_WORKER_CREDENTIAL_PLUGIN=yaml", "TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE=creds.yml", "TOM_WORKER_SSH_KNOWN_HOSTS=known_hosts", "TOM_WORKER_LOG_LEVEL=error")
	rest := got
	for part := range strings.SplitSeq(strings.TrimSpace(shown), "...") {
		_, after, found := strings.Cut(rest, strings.TrimSpace(part))
		if !found {
			t.Fatalf("it prints\n%s\nwithout\n%s", got, part)
		}
		rest = after
	}
}

// jobThroughAnother is a job; the tests of package device go through another one.
func jobThroughAnother(t *testing.T, _ *reader, text string) {
	j, err := job.Parse([]byte(strings.TrimSpace(text)))
	if err != nil || j.Jump == nil || j.Jump.Host != "bastion.example.net" {
		t.Errorf("got %+v, %v", j, err)
	}
}
