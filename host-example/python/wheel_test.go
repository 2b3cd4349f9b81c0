//go:build unix

package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWheel builds the wheel and the sdist of a release, and installs the wheel into an empty virtual environment.
func TestWheel(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	if output, err := exec.Command(interpreter, "-c", "import flit_core.buildapi, pip").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: %s", err, output)
		}
		t.Skip("a wheel needs a Python with flit_core and pip")
	}
	directory := t.TempDir()
	run := func(name string, arguments ...string) string {
		t.Helper()
		command := exec.Command(name, arguments...)
		command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PYTHONPATH=")
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, arguments, err, output)
		}
		return strings.TrimSpace(string(output))
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// As git describe has it, and as Python does.
	versions := []struct{ described, want string }{
		{"1f3a2b4", "0.0.0+1f3a2b4"}, {"v1.2.0-rc.1", "1.2.0rc1"}, {"v1.0.0", "1.0.0"}, {"v1.2.0-14-g1f3a2b4-dirty", "1.2.0.post14+g1f3a2b4.dirty"},
	}
	var wheel, sdist string
	for _, version := range versions {
		run("go", "-C", "../../.tools/dist", "run", ".", "-source", top, "-out", directory, "-targets", "", "-version", version.described)
		wheel, sdist = "tom_credential-"+version.want+"-py3-none-any.whl", "tom_credential-"+version.want+".tar.gz"
		for _, file := range []string{wheel, sdist} {
			info, err := os.Stat(filepath.Join(directory, file))
			if err != nil {
				t.Fatalf("the release %s: %v", version.described, err)
			}
			if info.Mode().Perm() != 0o644 {
				t.Errorf("%s has mode %v: in an image others must read it too", file, info.Mode())
			}
		}
	}
	files := run(interpreter, "-c", "import sys, tarfile, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), *tarfile.open(sys.argv[2]).getnames(), sep='\\n')",
		filepath.Join(directory, wheel), filepath.Join(directory, sdist))
	for _, file := range []string{"tom_credential/py.typed", "tom_credential/contract.binpb", "tom_credential/tom/__main__.py", "tom_credential/local.py"} {
		if strings.Count(files, file) != 2 {
			t.Errorf("%s isn't in both:\n%s", file, files)
		}
	}
	if strings.Contains(files, "test") || strings.Contains(files, ".go") || strings.Contains(files, "tom_worker") {
		t.Errorf("what is for tests is in a release:\n%s", files)
	}

	environment := filepath.Join(directory, "venv")
	run(interpreter, "-m", "venv", "--without-pip", environment)
	installed := filepath.Join(environment, "bin", "python")
	run(interpreter, "-m", "pip", "--python", installed, "install", "--quiet", "--no-index", "--no-deps", filepath.Join(directory, wheel))
	// The libraries are those of the test's Python.
	libraries := run(interpreter, "-c", "import grpc, os; print(os.path.dirname(os.path.dirname(grpc.__file__)))")
	site := run(installed, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
	if err := os.WriteFile(filepath.Join(site, "libraries.pth"), []byte(libraries+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	from := run(installed, "-I", "-c", "from tom_credential import agent, host, local, provider; print(agent.__file__)")
	if !strings.HasPrefix(from, site) {
		t.Errorf("the package came from %s", from)
	}
	run(installed, "-I", "-m", "tom_credential", "--help")
	last := versions[len(versions)-1].want
	if got := run(installed, "-I", "-c", "import importlib.metadata, tom_credential; print(importlib.metadata.version('tom-credential'), tom_credential.__version__)"); got != last+" "+last {
		t.Errorf("the installed package has the version %s, not %s", got, last)
	}
}
