package provider

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// redirect replaces os.Stdout or os.Stderr by a pipe. What it returns puts the file back, and gives what was written.
func redirect(t *testing.T, file **os.File) func() string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := *file
	*file = write
	written := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(read)
		written <- string(text)
	}()
	return func() string {
		*file = before
		_ = write.Close()
		defer func() { _ = read.Close() }()
		return <-written
	}
}

func TestCompleteHandshake(t *testing.T) {
	cert, err := wire.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	field := base64.RawStdEncoding.EncodeToString(cert.Certificate[0])
	const line = "1|1|unix|/tmp/socket|grpc|\n"
	flood := strings.Repeat(strings.Repeat("x", 1023)+"\n", 1024) // far more than a pipe holds
	for name, test := range map[string]struct {
		printed        []string
		shaken         bool
		stdout, stderr string
	}{
		"as it should be":         {[]string{line}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", ""},
		"seven fields":            {[]string{"1|1|unix|/tmp/socket|grpc||true\n"}, true, "1|1|unix|/tmp/socket|grpc|" + field + "|true\n", ""},
		"in pieces":               {[]string{"1|1|unix|", "/tmp/socket|grpc|", "\n"}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", ""},
		"nothing":                 {nil, false, "", ""},
		"half a line":             {[]string{"1|1|unix"}, false, "", "1|1|unix"},
		"the author before it":    {[]string{"hello\n", line}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", "hello\n"},
		"a flood before it":       {[]string{flood, line}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", flood},
		"the author after it":     {[]string{line, "hello\nand", " more"}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", "hello\nand more"},
		"a flood after it":        {[]string{line, flood}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", flood},
		"a second line like it":   {[]string{line, line}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", line},
		"only the author":         {[]string{"a|b|c|d|e|f\n"}, false, "", "a|b|c|d|e|f\n"},
		"pipes in an author's":    {[]string{"1|2|3\n", line}, true, "1|1|unix|/tmp/socket|grpc|" + field + "\n", "1|2|3\n"},
		"a certificate of others": {[]string{"1|1|unix|/tmp/socket|grpc|abc\n"}, false, "", "1|1|unix|/tmp/socket|grpc|abc\n"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr := redirect(t, &os.Stdout), redirect(t, &os.Stderr)
			shaken, err := completeHandshake(cert)
			if err == nil {
				for _, text := range test.printed {
					fmt.Print(text)
				}
			}
			var got bool
			if err == nil {
				got = shaken()
			}
			out, errs := stdout(), stderr()
			if err != nil {
				t.Fatal(err)
			}
			if got != test.shaken || out != test.stdout || errs != test.stderr {
				t.Errorf("handshake %v, standard output %q, standard error %.80q (%d bytes)", got, out, errs, len(errs))
			}
		})
	}
}
