// Program dist makes a release: an archive for each system with the worker, its providers and the licences of all that is
// linked into them, the package for Python, and SHA256SUMS. The same commit and the same version of Go give the same bytes: paths are trimmed, times
// are the commit's, owners are nobody's, and files are in order.
//
//	dist -source . -out dist -version v1.2.3
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// product is the name that archives start with.
const product = "tom-credential-provider"

// targets are the systems that a release is for.
const targets = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

// programs are what is built: where an executable lies in the archive, and the package that it is made from.
var programs = []struct{ name, pkg string }{
	{"host-example", "./host-example"},
	{"plugins/tom-credential-aws_secrets_manager", "./plugin-awssm"},
	{"plugins/tom-credential-yaml", "./host-example/providers/yaml"},
	{"plugins/tom-credential-vault", "./host-example/providers/vault"},
}

// documents go into the archive as they are, a directory with all that is in it: the path in the repository, and the directory
// in the archive.
var documents = []struct{ path, under string }{
	{"README.md", ""}, {"CHANGELOG.md", ""}, {"LICENSE", ""}, {"host-example/deploy", ""},
	{"host-example/README.md", "manual"}, {"plugin-awssm/README.md", "manual/aws"}, {"host-example/providers/vault/README.md", "manual/vault"},
}

func main() {
	r := release{}
	var systems string
	flag.StringVar(&r.source, "source", ".", "`folder` of the repository")
	flag.StringVar(&r.out, "out", "dist", "`folder` to write to; it is emptied first")
	flag.StringVar(&r.version, "version", "dev", "the release's `version`")
	flag.StringVar(&systems, "targets", targets, "systems, as `os/arch,os/arch`; none: only the package for Python is made")
	flag.Parse()
	if err := r.make(strings.FieldsFunc(systems, func(c rune) bool { return c == ',' })); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// release is one release that is being made.
type release struct {
	source, out, version string
	when                 time.Time // of every file in the archives
	sums                 sums
}

func (r *release) make(systems []string) error {
	var err error
	if r.when, err = commitTime(r.source); err != nil {
		return err
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, system := range systems {
		goos, goarch, ok := strings.Cut(system, "/")
		if !ok {
			return fmt.Errorf("%q is no system; write it as os/arch, such as linux/amd64", system)
		}
		if err := r.archive(goos, goarch); err != nil {
			return fmt.Errorf("%s: %w", system, err)
		}
	}
	if err := r.python(); err != nil {
		return err
	}
	return r.sums.write(filepath.Join(r.out, "SHA256SUMS"))
}

// archive builds for one system and packs it.
func (r *release) archive(goos, goarch string) error {
	name := fmt.Sprintf("%s_%s_%s_%s", product, strings.TrimPrefix(r.version, "v"), goos, goarch)
	built, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(built) }()

	p := packing{root: name, when: r.when}
	for _, program := range programs {
		file := program.name
		if goos == "windows" {
			file += ".exe"
		}
		path := filepath.Join(built, filepath.FromSlash(file))
		if err := r.build(goos, goarch, program.pkg, path); err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r.sums.add(name+"/"+file, content)
		p.add(file, content, true)
	}
	for _, document := range documents {
		if err := p.addTree(r.source, document.path, document.under); err != nil {
			return err
		}
	}
	if err := r.addLicences(&p, goos, goarch); err != nil {
		return err
	}
	packed, file, err := p.pack(goos)
	if err != nil {
		return err
	}
	r.sums.add(file, packed)
	fmt.Printf("%s  %.1f MB\n", file, float64(len(packed))/1e6)
	return os.WriteFile(filepath.Join(r.out, file), packed, 0o644)
}

// build makes one static executable.
func (r *release) build(goos, goarch, pkg, path string) error {
	// Whether Go notes the commit shall not depend on the machine's settings.
	vcs := "-buildvcs=false"
	if _, err := os.Stat(filepath.Join(r.source, ".git")); err == nil {
		vcs = "-buildvcs=true"
	}
	_, err := r.goTool(goos, goarch, "build", "-trimpath", vcs, "-ldflags", "-s -w -X main.version="+r.version, "-o", path, pkg)
	return err
}

// goTool runs the go command for a system. Levels such as GOAMD64 are those that run everywhere, whatever is set here.
func (r *release) goTool(goos, goarch string, args ...string) (string, error) {
	command := exec.Command("go", args...)
	command.Dir = r.source
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off")
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, failed.Stderr)
	}
	return string(out), err
}

// commitTime is SOURCE_DATE_EPOCH if it is set, else when the last commit was made, else 1980: the first time that a zip
// file knows.
func commitTime(source string) (time.Time, error) {
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		command := exec.Command("git", "log", "-1", "--format=%ct")
		command.Dir = source
		if out, err := command.Output(); err == nil {
			seconds = strings.TrimSpace(string(out))
		}
	}
	if seconds == "" {
		return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	epoch, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH must be seconds since 1970, not %q", seconds)
	}
	return time.Unix(epoch, 0).UTC(), nil
}
