package job_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestParse(t *testing.T) {
	whole := func(change func(*job.Job)) *job.Job {
		j := &job.Job{ID: "1", Host: "sw1", Port: 22, CredentialID: "lab", Commands: []string{"show version"}}
		if change != nil {
			change(j)
		}
		return j
	}
	with := func(members string) string {
		return `{"id":"1","host":"sw1","credential_id":"lab","commands":["show version"]` + members + `}`
	}
	for _, test := range []struct {
		name, line string
		want       *job.Job
	}{
		{"the least", with(""), whole(nil)},
		{"everything", with(`,"port":2022,"timeout":"90s","shell":true`), whole(func(j *job.Job) { j.Port, j.Timeout, j.Shell = 2022, 90*time.Second, true })},
		{"a timeout in seconds", with(`,"timeout":1.5`), whole(func(j *job.Job) { j.Timeout = 1500 * time.Millisecond })},
		{"a byte-order mark", "\ufeff" + with(""), whole(nil)},
		{"nulls", with(`,"timeout":null,"port":null`), whole(nil)},
		{"one device, one name", strings.Replace(with(""), "sw1", "SW1.Example.Net.", 1), whole(func(j *job.Job) { j.Host = "sw1.example.net" })},
		{"one device, one name, with all its dots", strings.Replace(with(""), "sw1", "sw1..", 1), whole(nil)},
		{"one address, one name", strings.Replace(with(""), "sw1", "2001:DB8:0:0::1", 1), whole(func(j *job.Job) { j.Host = "2001:db8::1" })},
		{"one address, one name, in a zone", strings.Replace(with(""), "sw1", "FE80:0:0::1%Eth0", 1), whole(func(j *job.Job) { j.Host = "fe80::1%Eth0" })},
		{"one address, one name, in either form", strings.Replace(with(""), "sw1", "::FFFF:10.0.0.1", 1), whole(func(j *job.Job) { j.Host = "10.0.0.1" })},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := job.Parse([]byte(test.line))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v (%v)\nwant %+v", got, err, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const canary = "hunter2canary"
	with := func(member, value string) string {
		members := map[string]string{"id": `"1"`, "host": `"sw1"`, "credential_id": `"lab"`, "commands": `["show version"]`}
		members[member] = value
		var line []string
		for name, value := range members {
			line = append(line, `"`+name+`":`+value)
		}
		return "{" + strings.Join(line, ",") + "}"
	}
	for _, test := range []struct{ name, line, id, want string }{
		{"no JSON", canary, "", "isn't valid JSON"},
		{"a list", `["` + canary + `"]`, "", "must be a JSON object"},
		{"half an object", `{"id":"7","host":"` + canary, "7", "isn't valid JSON"},
		{"two objects", with("id", `"7"`) + `{"x":"` + canary + `"}`, "7", "isn't valid JSON"},
		{"not UTF-8", "{\"id\":\"7\",\"host\":\"\xff\"}", "7", "isn't valid JSON in UTF-8"},
		{"a member twice", `{"id":"7","host":"a","host":"` + canary + `"}`, "7", "twice"},
		{"an unknown member", with("comands", `"`+canary+`"`), "1", `there is no member "comands"; a job has id, host, port, credential_id, commands, timeout and shell`},
		{"a member in capitals", with("Host", `"`+canary+`"`), "1", `there is no member "Host"`},
		{"a host of the wrong type", with("host", "7"), "1", "host must be a text"},
		{"commands that are one text", with("commands", `"`+canary+`"`), "1", "commands must be a list of texts"},
		{"a command that is a number", with("commands", `["show version",7]`), "1", "commands must be a list of texts"},
		{"a port that is a text", with("port", `"22"`), "1", "port must be a whole number"},
		{"a credential id that is a list", with("credential_id", `["`+canary+`"]`), "1", "credential_id must be a text"},
		{"a shell that is a text", with("shell", `"yes"`), "1", "shell must be true or false"},
		{"no id", with("id", `""`), "", "id must have"},
		{"an id that is a number", with("id", "7"), "", "id must be a text"},
		{"no host", with("host", `""`), "1", "host must be"},
		{"a host of dots", with("host", `".."`), "1", "host must be"},
		{"a host with a port", with("host", `"sw1:22"`), "1", "host must not have a port"},
		{"a host with a user", with("host", `"admin@sw1"`), "1", "host must be"},
		{"a host with a space", with("host", `"sw1 "`), "1", "host must be"},
		{"port 0", with("port", "0"), "1", "port must be"},
		{"a port too many", with("port", "65536"), "1", "port must be"},
		{"half a port", with("port", "22.5"), "1", "port must be a whole number"},
		{"no credential", with("credential_id", `""`), "1", "credential_id must have"},
		{"no commands", with("commands", "[]"), "1", "commands must have"},
		{"an empty command", with("commands", `["show version"," "]`), "1", "number 2"},
		{"two commands in one", with("commands", `["show version\nreload"]`), "1", "number 1"},
		{"a timeout without a unit", with("timeout", `"30"`), "1", "timeout must be"},
		{"a negative timeout", with("timeout", "-1"), "1", "timeout must be"},
		{"no time", with("timeout", `"0s"`), "1", "timeout must be"},
		{"a timeout beyond all numbers", with("timeout", "1e300"), "1", "timeout must be"},
		{"a timeout that is a list", with("timeout", "[1]"), "1", "timeout must be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := job.Parse([]byte(test.line))
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			if credential.ReasonOf(err) != job.Invalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			if got.ID != test.id {
				t.Errorf("its id is %q, not %q", got.ID, test.id)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error quotes a value: %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"1","host":"sw1","port":22,"credential_id":"lab","commands":["show version"],"timeout":"30s"}`))
	f.Add([]byte(`{"id":7,"host":null}`))
	f.Add([]byte(`{"id":"1","id":{"id":"2"},"timeout":1e99}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		j, err := job.Parse(line)
		if j == nil {
			t.Fatal("no job")
		}
		if err == nil && (j.ID == "" || j.Host == "" || j.Port < 1 || j.CredentialID == "" || len(j.Commands) == 0 || j.Timeout < 0) {
			t.Errorf("accepted %+v", j)
		}
	})
}
