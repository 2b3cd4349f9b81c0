//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
)

// What a side has taken: of the clock, and of the processors.
type taken struct{ wall, cpu time.Duration }

// Jobs a second and processor time a job, whole processes from start to end, as ratios to netmiko, scrapli and asyncssh on the
// same devices, with the sides in random order. A job is a login and a command. In a terminal the platform is cisco_ios, whose
// preparation netmiko and scrapli type too; commands without a terminal are beside asyncssh, the fastest peer. The design's
// budget is 2.5 times the jobs a second of asyncssh.
func BenchmarkJobs(b *testing.B) {
	const concurrency, devices, jobs = 20, 20, 200
	interpreter := benchPython(b)
	worker, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	for _, shape := range []struct {
		name, job, expected string
		peers               []string
		terminal            bool
	}{
		{"terminal", `,"device_type":"cisco_ios"`, "uptime is 3 weeks", []string{"netmiko", "scrapli"}, true},
		{"exec", "", "version of r", []string{"asyncssh"}, false},
	} {
		b.Run(shape.name, func(b *testing.B) {
			dir := b.TempDir()
			var known, lines strings.Builder
			var ports []string
			for i := range devices {
				options := devicetest.Options{Name: "r" + strconv.Itoa(i), Username: "admin", Password: "your-password"}
				if shape.terminal {
					options.Terminal = (&devicetest.IOS{Name: options.Name}).Serve
				}
				d, err := devicetest.Start(options)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(d.Close)
				known.WriteString(d.KnownHost())
				ports = append(ports, strconv.Itoa(d.Port()))
			}
			for i := range jobs {
				port := ports[i%devices]
				_, _ = fmt.Fprintf(&lines, `{"id":"%d","host":"127.0.0.1","port":%s,"credential_id":"lab","commands":["show version"]%s}`+"\n", i, port, shape.job)
			}
			for len(ports) < jobs {
				ports = append(ports, ports[:devices]...)
			}
			files := map[string]string{"creds.yml": "lab: {username: admin, password: your-password}\n", "known_hosts": known.String()}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			sides := map[string]func() *exec.Cmd{"ours": func() *exec.Cmd {
				c := exec.Command(worker, "run", "--log-level", "error")
				c.Dir, c.Stdin = dir, strings.NewReader(lines.String())
				c.Env = []string{
					"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TOM_WORKER_CREDENTIAL_PLUGIN=yaml", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir,
					"TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE=" + filepath.Join(dir, "creds.yml"), "TOM_WORKER_SSH_KNOWN_HOSTS=known_hosts",
					"TOM_WORKER_CONCURRENCY=" + strconv.Itoa(concurrency), "TOM_WORKER_LOGIN_LOCKOUT_BUDGET=0",
				}
				return c
			}}
			names := []string{"ours"}
			for _, peer := range shape.peers {
				names = append(names, peer)
				sides[peer] = func() *exec.Cmd {
					return exec.Command(interpreter, "testdata/jobs.py", peer, "your-password", strconv.Itoa(concurrency), strings.Join(ports[:jobs], ","), shape.expected)
				}
			}
			total := map[string]taken{}
			for b.Loop() {
				rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
				for _, name := range names {
					c := sides[name]()
					var stdout, stderr bytes.Buffer
					c.Stdout, c.Stderr = &stdout, &stderr
					started := time.Now()
					if err := c.Run(); err != nil {
						b.Fatalf("%s: %v\n%s", name, err, &stderr)
					}
					if done := strings.Count(stdout.String(), shape.expected); name == "ours" && done != jobs {
						b.Fatalf("%d of %d jobs were done\n%s", done, jobs, &stdout)
					}
					side := total[name]
					side.wall += time.Since(started)
					side.cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
					total[name] = side
				}
			}
			b.ReportMetric(0, "ns/op")
			done := float64(b.N * jobs)
			b.ReportMetric(done/total["ours"].wall.Seconds(), "jobs/s")
			b.ReportMetric(1000*total["ours"].cpu.Seconds()/done, "cpu-ms/job")
			for _, peer := range shape.peers {
				b.ReportMetric(total[peer].wall.Seconds()/total["ours"].wall.Seconds(), "jobs/s-of-"+peer)
				b.ReportMetric(total["ours"].cpu.Seconds()/total[peer].cpu.Seconds(), "cpu-of-"+peer)
			}
		})
	}
}

func benchPython(b *testing.B) string {
	path := os.Getenv("PYTHON")
	if path == "" {
		path = "python3"
	}
	if out, err := exec.Command(path, "-c", "import netmiko, scrapli, asyncssh").CombinedOutput(); err != nil {
		b.Skipf("no netmiko, scrapli and asyncssh (pip install netmiko scrapli asyncssh, or name an interpreter in PYTHON): %s", out)
	}
	return path
}
