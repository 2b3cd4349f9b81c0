// Package job has a worker's jobs: lines of JSON that come in, lines of JSON that go out, and what happens in between, less
// the devices.
//
//	queue := job.Queue{Worker: worker, Concurrency: 10, Timeout: time.Minute, Grace: 30 * time.Second}
//	err := queue.Run(stop, abort, os.Stdin, os.Stdout)
//
// A job is
//
//	{"id":"1","host":"10.0.0.1","port":22,"credential_id":"lab","commands":["show version"],"timeout":"30s","shell":false}
//
// where port (22), timeout and shell (false) may be left out. timeout is a string such as "30s", or a number of seconds; it
// bounds the work, not the waiting for the device's turn. A device that has been shown a password is waited for nevertheless,
// until it has accepted or refused it. These members may be there too:
//
//	"device_type": "cisco_ios"                        the platform: paging off, enable, configuration mode, rejected commands
//	"enable": true                                    get privileges with the credential's enable_password
//	"config": ["interface Gi0/1", "shutdown"]         lines for configuration mode, before the commands
//	"answers": [{"prompt": "confirm", "send": "y"}]   for questions of the device; prompt is a regular expression
//	"errors": ["^% "]                                 regular expressions of lines that reject a command
//	"jump": {"host": "bastion", "credential_id": "b"} the device that this one is reached through
//	"repeatable": true                                an engine that has lost a worker may run the commands again
//
// With config, enable, device_type or answers, shell is true unless the job says otherwise. The result is
//
//	{"id":"1","line":1,"status":"ok","outputs":[{"command":"show version","output":"..."}],"credential_version":"...",
//	 "attempts":1,"error":null,"duration":0.21}
//
// Every line that isn't blank gets exactly one result, in the order in which jobs end. line counts the lines of the input
// from 1, so that a result can be found even for a line that was no job. status is "ok"; "failed", with the outputs of the
// commands before the failure; "invalid", when the line is no job; or "not_started". attempts is how often a login was tried,
// duration is the seconds from when the line was read to the result, waiting included. error has a gRPC code, a reason
// to decide by, a message for people, and help: what to do.
//
// Jobs start in the order of the input, but for those whose device is busy or whose credential takes its time. Jobs at one
// device come one after the other; commands that belong together are one job. What is read ahead is bounded: sixteen jobs
// for each that may run, and 16 MiB of lines.
package job
