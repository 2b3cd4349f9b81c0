package host

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// What Find returns is a file of that very name in one of the directories, whatever the name.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{"vault", "", "../x", "a/b", "a\x00b", "vault.exe", "tom-credential-vault", strings.Repeat("a", 300), "ä"} {
		f.Add(seed)
	}
	dir := f.TempDir()
	writeFile(f, filepath.Join(dir, wire.ExecutablePrefix+"vault"+executableSuffix()))
	writeFile(f, filepath.Join(filepath.Dir(dir), wire.ExecutablePrefix+"outside"))
	f.Fuzz(func(t *testing.T, name string) {
		path, err := Find(name, []string{filepath.Join(dir, "nothing"), dir})
		if (err == nil) != (name == "vault") {
			t.Fatalf("name %q: path %q, error %v", name, path, err)
		}
		if err == nil && filepath.Dir(path) != dir {
			t.Errorf("name %q leads to %q", name, path)
		}
	})
}

// A handshake line that is taken leads to this machine, and to the directory that was made for the socket.
func FuzzCheckHandshake(f *testing.F) {
	cert := strings.Repeat("QUJD", 20)
	for _, seed := range []string{
		"1|1|unix|/run/tom/plugin1|grpc|" + cert, "1|1|unix|/run/tom/../x|grpc|" + cert, "1|1|tcp|127.0.0.1:1234|grpc|" + cert,
		"1|1|tcp|[::1]:1|grpc|" + cert, "1|1|tcp|0.0.0.0:1|grpc|" + cert, "1|1|tcp|localhost:1|grpc|" + cert, "1|2|unix|x|grpc|", "", "|||||||",
		"1|1|unix|/run/tom/plugin1|grpc|" + cert + "|true",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if checkHandshake(line, "/run/tom") != nil {
			return
		}
		fields := strings.Split(line, "|")
		switch fields[2] {
		case "unix":
			if filepath.Dir(filepath.Clean(fields[3])) != "/run/tom" {
				t.Errorf("%q leads out of the directory", line)
			}
		case "tcp":
			host, _, err := net.SplitHostPort(fields[3])
			if err != nil || !net.ParseIP(host).IsLoopback() {
				t.Errorf("%q leads to another machine", line)
			}
		default:
			t.Errorf("%q is taken", line)
		}
		if fields[0] != "1" || fields[1] != "1" || fields[4] != "grpc" || len(fields[5]) < 50 {
			t.Errorf("%q is taken", line)
		}
	})
}
