package job_test

import (
	"net"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
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
		{"a platform", with(`,"device_type":"cisco_ios"`), whole(func(j *job.Job) { j.DeviceType, j.Shell = "cisco_ios", true })},
		{"a platform without a terminal", with(`,"device_type":"cisco_ios","shell":false`), whole(func(j *job.Job) { j.DeviceType = "cisco_ios" })},
		{"configuration", strings.Replace(with(`,"enable":true`), "commands", "config", 1), whole(func(j *job.Job) {
			j.Commands, j.Config, j.Enable, j.Shell = nil, []string{"show version"}, true, true
		})},
		{"answers", with(`,"answers":[{"prompt":"y/n","send":"y"}],"errors":["^%"]`), whole(func(j *job.Job) {
			j.Answers, j.Errors, j.Shell = []device.Answer{{Prompt: regexp.MustCompile("y/n"), Send: "y"}}, []*regexp.Regexp{regexp.MustCompile("^%")}, true
		})},
		{"a jump", with(`,"jump":"Bastion"`), whole(func(j *job.Job) { j.Jump = &job.Jump{Host: "bastion", Port: 22, CredentialID: "lab"} })},
		{"a jump with a credential", with(`,"jump":{"host":"b","port":2,"credential_id":"c"}`), whole(func(j *job.Job) { j.Jump = &job.Jump{Host: "b", Port: 2, CredentialID: "c"} })},
		{"commands that may run again", with(`,"repeatable":true`), whole(func(j *job.Job) { j.Repeatable = true })},
		{"a byte-order mark", "\ufeff" + with(""), whole(nil)},
		{"nulls", with(`,"timeout":null,"port":null`), whole(nil)},
		{"one device, one name", strings.Replace(with(""), "sw1", "SW1.Example.Net.", 1), whole(func(j *job.Job) { j.Host = "sw1.example.net" })},
		{"one device, one name, with all its dots", strings.Replace(with(""), "sw1", "sw1..", 1), whole(nil)},
		{"one address, one name", strings.Replace(with(""), "sw1", "2001:DB8:0:0::1", 1), whole(func(j *job.Job) { j.Host = "2001:db8::1" })},
		{"one address, one name, in a zone that means nothing", strings.Replace(with(""), "sw1", "::1%lo", 1), whole(func(j *job.Job) { j.Host = "::1" })},
		{"one address, one name, in a zone by number", strings.Replace(with(""), "sw1", "fe80::1%1", 1), whole(func(j *job.Job) { j.Host = "fe80::1%" + interfaceName(t, 1) })},
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
		line := []string{`"id":` + members["id"]} // first, as most write it
		for name, value := range members {
			if name != "id" {
				line = append(line, `"`+name+`":`+value)
			}
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
		{"an unknown member", with("comands", `"`+canary+`"`), "1", `there is no member "comands"; did you mean commands?`},
		{"a member in capitals", with("Host", `"`+canary+`"`), "1", `there is no member "Host"`},
		{"a host of the wrong type", with("host", "7"), "1", "host must be a string"},
		{"commands that are one text", with("commands", `"`+canary+`"`), "1", "commands must be a list of strings"},
		{"a command that is a number", with("commands", `["show version",7]`), "1", "commands must be a list of strings"},
		{"a port that is a string", with("port", `"22"`), "1", "port must be a whole number"},
		{"a credential id that is a list", with("credential_id", `["`+canary+`"]`), "1", "credential_id must be a string"},
		{"a shell that is a string", with("shell", `"yes"`), "1", "shell must be true or false"},
		{"no id", with("id", `""`), "", "id must have"},
		{"an id that is a number", with("id", "7"), "", "id must be a string"},
		{"no host", with("host", `""`), "1", "host must be"},
		{"a host of dots", with("host", `".."`), "1", "host must be"},
		{"a host with a port", with("host", `"sw1:22"`), "1", "host must not have a port"},
		{"a host with a user", with("host", `"admin@sw1"`), "1", "host must be"},
		{"a host with a space", with("host", `"sw1 "`), "1", "host must be"},
		{"port 0", with("port", "0"), "1", "port must be"},
		{"a port too many", with("port", "65536"), "1", "port must be"},
		{"a jump with a user", with("jump", `"me@b"`), "1", "jump: host must be"},
		{"a jump that is a number", with("jump", `7`), "1", "jump must be a host"},
		{"a jump with another member", with("jump", `{"host":"b","x":1}`), "1", "jump must be a host"},
		{"an answer without a prompt", with("answers", `[{"send":"y"}]`), "1", "answers: prompt of number 1"},
		{"an answer whose prompt is no expression", with("answers", `[{"prompt":"(","send":"y"}]`), "1", "answers: prompt of number 1"},
		{"an answer that is a string", with("answers", `["y"]`), "1", "answers must be a list of objects"},
		{"errors that are no expressions", with("errors", `["("]`), "1", "errors: number 1"},
		{"a line of configuration with a line feed", with("config", `["a\nb"]`), "1", "config: number 1"},
		{"enable without a terminal", strings.Replace(with("enable", "true"), "}", `,"shell":false}`, 1), "1", "shell must not be false"},
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
		{"a surrogate alone", with("commands", `["show \ud800"]`), "1", "isn't valid JSON in UTF-8"},
		{"a surrogate alone in the id", with("id", `"a\udfff"`), "a\ufffd", "isn't valid JSON in UTF-8"},
		{"a deep list", with("timeout", strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)), "1", "isn't valid JSON"},
		{"a list that is deep enough", with("timeout", strings.Repeat("[", 200)+strings.Repeat("]", 200)), "1", "timeout must be a time"},
		{"a NUL", with("host", "\"sw1\x00\""), "1", "isn't valid JSON"},
		{"a NUL in an escape", with("commands", `["show\u0000"]`), "1", "commands: number 1 must be a string of one line, without control characters"},
		{"a control character of Latin 1", with("commands", `["show\u0085reload"]`), "1", "without control characters"},
		{"an escape sequence", with("config", `["\u001b[2J"]`), "1", "config: number 1 must be a string of one line, without control characters"},
		{"a tab as it is", with("commands", "[\"a\tb\"]"), "1", "isn't valid JSON"},
		{"UTF-16", "\xff\xfe{\x00", "", "isn't valid JSON"},
		{"null", "null", "", "must be a JSON object"},
		{"a string", `"` + canary + `"`, "", "must be a JSON object"},
		{"an empty object", "{}", "", "id must have"},
		{"a comma at the end", `{"id":"7",}`, "7", "isn't valid JSON"},
		{"a comment", `{"id":"7" /* ` + canary + ` */}`, "7", "isn't valid JSON"},
		{"single quotes", "{'id':'" + canary + "'}", "", "isn't valid JSON"},
		{"a command that is null", with("commands", "[null]"), "1", "commands: number 1 must be a string"},
		{"commands that are null", with("commands", "null"), "1", "commands must have at least one string"},
		{"too many commands", with("commands", "["+strings.Repeat(`"a",`, 1000)+`"a"]`), "1", "at most 1000"},
		{"a port of many digits", with("port", "99999999999999999999999"), "1", "port must be a whole number"},
		{"a port with an exponent", with("port", "22e1"), "1", "port must be"},
		{"a port below 0", with("port", "-22"), "1", "port must be from 1"},
		{"a timeout below all numbers", with("timeout", "1e-12"), "1", "timeout must be"},
		{"a timeout that is true", with("timeout", "true"), "1", "timeout must be"},
		{"a timeout longer than a day", with("timeout", `"24h1ns"`), "1", "at most a day"},
		{"a negative timeout with a unit", with("timeout", `"-5s"`), "1", "timeout must be"},
		{"an empty timeout", with("timeout", `""`), "1", "timeout must be"},
		{"a jump with a member twice", with("jump", `{"host":"b","host":"`+canary+`"}`), "1", "twice"},
		{"an empty jump", with("jump", `{}`), "1", "jump: host must be"},
		{"a jump to port 0", with("jump", `{"host":"b","port":0}`), "1", "jump: port must be"},
		{"an answer with a member more", with("answers", `[{"prompt":"x","sned":"`+canary+`"}]`), "1", `answers: there is no member "sned"; an answer has prompt, send`},
		{"an answer with a control character", with("answers", `[{"prompt":"x","send":"\u0003"}]`), "1", "answers: send of number 1"},
		{"an answer whose prompt is long", with("answers", `[{"prompt":"`+strings.Repeat("x", 1001)+`"}]`), "1", "answers: prompt of number 1"},
		{"an expression that repeats without end", with("errors", `["((a{900}){900}){900}"]`), "1", "errors: number 1"},
		{"errors that are one string", with("errors", `"^%"`), "1", "errors must be a list of strings"},
		{"enable that is a string", with("enable", `"yes"`), "1", "enable must be true or false"},
		{"a host in another script", with("host", `"münchen"`), "1", "host must be"},
		{"a host with an option", with("host", `"sw1 -oProxyCommand=x"`), "1", "host must be"},
		{"a long id", with("id", `"`+strings.Repeat("é", 200)+`"`), strings.Repeat("é", 200), "id must have 1 to 256 bytes"},
		{"a long id, and an unknown member", `{"id":"` + strings.Repeat("7", 200) + `","x":1}`, strings.Repeat("7", 200), "there is no member"},
		{"a device_type that is a list", with("device_type", `["cisco_ios"]`), "1", "device_type must be a string"},
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

// interfaceName is the name of this machine's interface of a number.
func interfaceName(t *testing.T, number int) string {
	t.Helper()
	found, err := net.InterfaceByIndex(number)
	if err != nil {
		t.Skip("this machine has no interface of that number")
	}
	return found.Name
}
