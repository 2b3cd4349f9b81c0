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
// where port (22), timeout and shell (false) may be left out. timeout is a text such as "30s", or a number of seconds; it
// bounds the work, not the waiting for the device's turn. A device that has been shown a password is waited for all the same,
// until it has accepted or refused it. Its result is
//
//	{"id":"1","line":1,"status":"ok","outputs":[{"command":"show version","output":"..."}],"credential_version":"...",
//	 "attempts":1,"error":null,"duration":0.21}
//
// Every line that isn't blank gets exactly one result, in the order in which jobs end. line counts the lines of the input
// from 1, so that a result can be found even for a line that was no job. status is "ok"; "failed", with the outputs of the
// commands before the failure; "invalid", when the line is no job; or "not_started". attempts is how often a login was tried,
// duration is the seconds from when the line was read to the result, waiting included. error has a gRPC code, a reason
// to decide by, and a message for people.
//
// Jobs at one device come one after the other, and in no order that could be relied on: commands that belong together are
// one job.
package job
