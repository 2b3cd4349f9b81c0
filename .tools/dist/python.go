package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// pythonPackage is where the package tom-credential lies.
const pythonPackage = "host-example/python"

// python makes the wheel and the sdist of the package, with the Python that the environment variable PYTHON names, else python3.
// Where there is none that can, it says so: the executables need no Python.
func (r *release) python() error {
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import flit_core.buildapi").Run(); err != nil {
		fmt.Printf("the wheel and sdist of tom-credential are left out: they need a Python with flit_core (pip install flit_core): %s: %v\n", python, err)
		return nil
	}
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	source, err := r.pythonSource()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(source) }()
	for _, build := range []string{"build_wheel", "build_sdist"} {
		command := exec.Command(python, "-c", "import sys; from flit_core import buildapi; print(buildapi."+build+"(sys.argv[1]))", out)
		command.Dir = source
		command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.when.Unix(), 10), "PYTHONDONTWRITEBYTECODE=1")
		command.Stderr = os.Stderr
		name, err := command.Output()
		if err != nil {
			return fmt.Errorf("%s of tom-credential: %w", build, err)
		}
		file := string(name[:max(0, len(name)-1)])
		content, err := os.ReadFile(filepath.Join(out, file))
		if err := errors.Join(err, os.Chmod(filepath.Join(out, file), 0o644)); err != nil { // flit's wheels are their owner's alone
			return err
		}
		r.sums.add(file, content)
		fmt.Printf("%s  %.1f MB\n", file, float64(len(content))/1e6)
	}
	return nil
}

// packageVersion is the line of the package that says its version.
var packageVersion = regexp.MustCompile(`(?m)^__version__ = ".*"$`)

// pythonSource copies the package, with the release's version in it.
func (r *release) pythonSource() (string, error) {
	source, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(source, os.DirFS(filepath.Join(r.source, filepath.FromSlash(pythonPackage)))); err != nil {
		return source, err
	}
	path := filepath.Join(source, "tom_credential", "__init__.py")
	content, err := os.ReadFile(path)
	if err != nil {
		return source, err
	}
	if !packageVersion.Match(content) {
		return source, fmt.Errorf("%s has no version", path)
	}
	return source, os.WriteFile(path, packageVersion.ReplaceAll(content, []byte(`__version__ = "`+pythonVersion(r.version)+`"`)), 0o644)
}

// described is what git describe says: the last tag, and how many commits after it which one comes.
var described = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(-[0-9A-Za-z.]+?)?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)

// pythonVersion is a version in the form that Python's package tools order (PEP 440). What follows no tag comes before all releases.
func pythonVersion(version string) string {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "0.0.0+" + strings.Trim(regexp.MustCompile(`[^0-9a-z]+`).ReplaceAllString(strings.ToLower(version), "."), ".")
	}
	public, local := m[1]+m[2], []string(nil)
	if m[3] != "" {
		public, local = public+".post"+m[3], append(local, "g"+m[4])
	}
	if m[5] != "" {
		local = append(local, "dirty")
	}
	if len(local) == 0 {
		return public
	}
	return public + "+" + strings.Join(local, ".")
}
