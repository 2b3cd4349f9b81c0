package servertest

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// What the README shows in Python submits a job.
func TestPython(t *testing.T) {
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import temporalio").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no temporalio: %s", out)
		}
		t.Skip("no Python with temporalio (pip install temporalio)")
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(readme)
	if shown == nil {
		t.Fatal("the README shows no Python")
	}
	f := newFleet(t, 1, nil)
	f.startAgent()
	f.worker(1)
	document := regexp.MustCompile(`job = .*`)
	body := document.ReplaceAllLiteralString(string(shown[1]), "job = json.loads("+quoted(f.document("python", 0, 1, ""))+")")
	body = strings.NewReplacer(`"localhost:7233"`, quoted(server.GetFrontendHostPort())+", namespace="+quoted(server.GetDefaultNamespace()), `"tom"`, quoted(f.queue)).Replace(body)
	script := "import asyncio, json\nfrom temporalio.client import Client\nasync def main():\n    " + strings.ReplaceAll(body, "\n", "\n    ") + "print(json.dumps(result))\nasyncio.run(main())\n"
	out, err := exec.Command(python, "-c", script).Output()
	var got job.Result
	if err != nil || json.Unmarshal(out, &got) != nil || got.ID != "python" || got.Status != job.StatusOK {
		t.Errorf("%v: %s\n%s", err, out, script)
	}
}

func quoted(s string) string {
	line, _ := json.Marshal(s)
	return string(line)
}
