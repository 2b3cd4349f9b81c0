//go:build linux || darwin

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.yaml.in/yaml/v3"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// composeFile is deploy/docker-compose.yaml, as far as it goes: another key is an error.
type composeFile struct {
	Services map[string]composeService
	Volumes  map[string]struct{}
	Secrets  map[string]struct{ File string }
}

type composeService struct {
	Image, User, Restart string
	Build                struct {
		Context          string
		DockerfileInline string `yaml:"dockerfile_inline"`
	}
	Init                bool
	ReadOnly            bool     `yaml:"read_only"`
	CapDrop             []string `yaml:"cap_drop"`
	SecurityOpt         []string `yaml:"security_opt"`
	Tmpfs               []string
	Entrypoint, Command []string
	Environment         map[string]string
	Volumes             []string
	Secrets             []struct{ Source, Target string }
	Healthcheck         struct {
		Test        []string
		Interval    time.Duration
		StartPeriod time.Duration `yaml:"start_period"`
	}
	StopGracePeriod time.Duration                         `yaml:"stop_grace_period"`
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Deploy          struct{ Replicas int }
}

const composePath = "host-example/deploy/docker-compose.yaml"

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var file composeFile
	decoder := yaml.NewDecoder(strings.NewReader(read(t, composePath)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCompose looks at what docker compose doesn't check: that the containers fit each other, the settings the worker, and what
// is copied a release.
func TestCompose(t *testing.T) {
	t.Parallel()
	file := readCompose(t)
	agent, worker := file.Services["agent"], file.Services["worker"]
	for name, service := range file.Services {
		if !service.Init || service.Restart == "" || service.Image == "" {
			t.Errorf("%s has no init process, restart or image: %+v", name, service)
		}
		for _, mounted := range service.Volumes {
			if volume, _, _ := strings.Cut(mounted, ":"); !has(file.Volumes, volume) {
				t.Errorf("%s mounts %s, which is no volume", name, volume)
			}
		}
		for other, on := range service.DependsOn {
			if on.Condition != "service_healthy" || file.Services[other].Healthcheck.Test == nil {
				t.Errorf("%s waits for %s to be %s", name, other, on.Condition)
			}
		}
	}

	// The socket: where the agent makes it, in a separate directory, which the workers' group may enter.
	socket := agent.Command[len(agent.Command)-1]
	directory := path.Dir(socket)
	if worker.Environment["TOM_AGENT_SOCKET"] != socket || agent.Volumes[0] != "agent-socket:"+directory || worker.Volumes[0] != "agent-socket:"+directory+":ro" {
		t.Errorf("the agent serves at %s in %v, and workers ask %s in %v", socket, agent.Volumes, worker.Environment["TOM_AGENT_SOCKET"], worker.Volumes)
	}
	uid, gid, _ := strings.Cut(agent.User, ":")
	if made := fmt.Sprintf("install -d -o %s -g %s -m 0750 %s\n", uid, gid, directory); !strings.Contains(agent.Build.DockerfileInline, made) {
		t.Errorf("the image doesn't %s", made)
	}
	workerUID, workerGID, _ := strings.Cut(worker.User, ":")
	if workerGID != gid || workerUID == uid || !strings.Contains(agent.Environment["TOM_WORKER_AGENT_CLIENTS"], `"`+workerUID+"=") {
		t.Errorf("workers are user %s, and agent_clients is %s", worker.User, agent.Environment["TOM_WORKER_AGENT_CLIENTS"])
	}
	secret := agent.Secrets[0]
	if key := agent.Environment["TOM_WORKER_LOGIN_GUARD_KEY_FILE"]; key != "/run/secrets/"+secret.Target || file.Secrets[secret.Source].File == "" {
		t.Errorf("the key file %s is no secret of %v", key, file.Secrets)
	}

	// What README and TOM.md say of it.
	document, tom := read(t, "host-example/deploy/README.md"), read(t, "host-example/python/TOM.md")
	for _, setting := range regexp.MustCompile("`(maxmemory-policy \\w+|append\\w+ \\w+)`").FindAllStringSubmatch(document, -1) {
		if !strings.Contains(strings.Join(file.Services["redis"].Command, " "), "--"+setting[1]) {
			t.Errorf("redis isn't started with %s", setting[1])
		}
	}
	dockerfile := regexp.MustCompile("(?s)```dockerfile\n(.*?)```").FindStringSubmatch(tom)[1]
	for line := range strings.Lines(dockerfile) {
		if !strings.Contains(agent.Build.DockerfileInline, line) {
			t.Errorf("the image of TOM.md has %s", line)
		}
	}
	if uidInKey := "chown " + agent.User + " " + path.Base(file.Secrets[secret.Source].File); !strings.Contains(document, uidInKey) {
		t.Errorf("the README doesn't say %s", uidInKey)
	}
	settings, err := config.Load(config.Source{Environ: []string{"TOM_WORKER_CREDENTIAL_PLUGIN=yaml"}})
	if err != nil || agent.StopGracePeriod <= settings.ShutdownGrace {
		t.Errorf("stop_grace_period %v is no longer than shutdown_grace, %v", agent.StopGracePeriod, err)
	}
}

func has[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

// TestComposeAgent runs the agent's command with the agent's settings; what is elsewhere outside a container is replaced. Its health
// check fails before, and passes then.
func TestComposeAgent(t *testing.T) {
	t.Parallel()
	agent := readCompose(t).Services["agent"]
	s := newAgentSite(t)
	redis, backend := miniredis.RunT(t), awssmtest.StartTest(t, awssmtest.Options{})
	s.write("login-guard.key", strings.Repeat("key ", 8))
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = probe.Close()
	here := strings.NewReplacer("/run/tom-agent", s.dir, "/run/secrets", s.dir, agent.Environment["TOM_WORKER_METRICS_ADDRESS"], probe.Addr().String())
	environ := append([]string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + s.dir, "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + pluginDir, "TOM_WORKER_REDIS_PORT=" + redis.Port(),
	}, backend.Env()...)
	agent.Environment["TOM_WORKER_REDIS_HOST"] = redis.Host()
	for name, value := range agent.Environment {
		environ = append(environ, name+"="+here.Replace(value))
	}
	words := func(args []string) (replaced []string) {
		for _, arg := range args {
			replaced = append(replaced, here.Replace(arg))
		}
		return replaced
	}
	healthy := func() int {
		var output bytes.Buffer
		return run(t.Context(), words(agent.Healthcheck.Test[2:]), nil, &output, &output, []string{"HOME=" + s.dir})
	}
	if agent.Healthcheck.Test[1] != agent.Entrypoint[0] || healthy() == statusDone {
		t.Error("it is healthy without an agent")
	}
	p := startProcess(t, s.dir, environ, words(agent.Command)...)
	s.serves(p)
	if status := healthy(); status != statusDone {
		t.Errorf("the health check ends with %d", status)
	}
	if log := p.log.String(); strings.Contains(log, "unknown") || strings.Contains(log, "[WARN]") {
		t.Errorf("it warns of its settings:\n%s", log)
	}
}

// TestComposeConfig has docker compose read the file, where that is.
func TestComposeConfig(t *testing.T) {
	t.Parallel()
	if exec.Command("docker", "compose", "version").Run() != nil {
		t.Skip("docker compose isn't here: TestCompose reads the file")
	}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "login-guard.key"), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "docker-compose.yaml"), []byte(read(t, composePath)), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("docker", "compose", "config", "--quiet")
	command.Dir = directory
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
