package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
	"github.com/tom-worker/credential-provider/shared/text"
)

const (
	// maxPinned bounds an executable whose digest is checked, in bytes: it is read as a whole.
	maxPinned = 256 << 20
	// maxInterpreters is how many interpreters one after the other are followed; Linux follows five.
	maxInterpreters = 5
	// maxShebang is how much of a script's first line is read, in bytes; Linux reads 256.
	maxShebang = 256
)

// executable is the file of a provider. It is checked anew at each start.
type executable struct {
	// origin is the path as it was found.
	origin string
	// search is PATH as the provider gets it: a script may have its interpreter looked up there.
	search string
	// copy is what is executed if the file is pinned, and else nil.
	copy *pinnedCopy
}

// prepare checks the file at path and, if there is a digest, pins it: what is executed is a copy that was hashed while it was
// made, at every start.
func prepare(ctx context.Context, path, digest, search string) (*executable, error) {
	exe := &executable{origin: path, search: search}
	checked, err := exe.check()
	if err != nil {
		return nil, err
	}
	defer checked.close()
	if digest == "" {
		return exe, nil
	}
	digits, _, _ := strings.Cut(strings.TrimSpace(digest), " ")
	want, err := hex.DecodeString(digits)
	if err != nil || len(want) != sha256.Size {
		return nil, credential.Errorf(credential.ProviderRefused, "the checksum of provider %s must be %d hexadecimal digits", path, 2*sha256.Size).
			WithHelp("print it with: sha256sum %s", path)
	}
	program, err := readPinned(ctx, checked.path)
	if err != nil {
		return nil, credential.Errorf(credential.ProviderRefused, "read provider %s for its checksum: %w", path, err)
	}
	if got := sha256.Sum256(program); subtle.ConstantTimeCompare(got[:], want) != 1 {
		return nil, credential.Errorf(credential.ProviderRefused, "provider %s has checksum %x, not %x as the settings demand", path, got, want).
			WithHelp("if the file was replaced on purpose, update credential_plugin_sha256; otherwise find out who changed it")
	}
	exe.copy, err = makeCopy(path, filepath.Base(checked.path), program)
	return exe, err
}

// readPinned reads a file of bounded size.
func readPinned(ctx context.Context, path string) ([]byte, error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var program bytes.Buffer
	program.Grow(int(min(info.Size(), maxPinned)) + bytes.MinRead)
	for ctx.Err() == nil {
		n, err := io.CopyN(&program, file, 1<<20)
		switch {
		case program.Len() > maxPinned:
			return nil, fmt.Errorf("it has more than %d MiB", maxPinned>>20)
		case errors.Is(err, io.EOF):
			return program.Bytes(), nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, io.ErrNoProgress
		}
	}
	return nil, ctx.Err()
}

// discard removes the copy.
func (exe *executable) discard() {
	if exe != nil && exe.copy != nil {
		exe.copy.discard()
	}
}

// runnable is what one start executes: it was checked a moment ago.
type runnable struct {
	path string // to execute
	name string // for the process, as argv[0]
	// files are kept open until the process has been started. inherit is one that it needs itself, as its descriptor 3.
	files   []*os.File
	inherit *os.File
}

func (r *runnable) close() {
	for _, file := range r.files {
		_ = file.Close()
	}
}

// open checks what is about to be executed, and keeps hold of it.
func (exe *executable) open() (*runnable, error) {
	if exe.copy != nil {
		return exe.copy.open(exe)
	}
	return exe.check()
}

// check refuses a file that another user could have put there or could change, and the same of a script's interpreter.
func (exe *executable) check() (*runnable, error) {
	refuse := func(format string, args ...any) *credential.Error {
		return credential.Errorf(credential.ProviderRefused, "provider %s is not launched: %s", exe.origin, fmt.Sprintf(format, args...))
	}
	if !filepath.IsAbs(exe.origin) {
		return nil, refuse("its path is not absolute")
	}
	run, err := openChecked("it", exe.origin, refuse)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, credential.Errorf(credential.ProviderNotFound, "provider %s does not exist", exe.origin)
		}
		return nil, err
	}
	if err := exe.checkInterpreters(run, refuse); err != nil {
		run.close()
		return nil, err
	}
	return run, nil
}

// checkInterpreters checks the interpreter of a script, and that one's, as the file itself: who can change one of them decides
// what is executed.
func (exe *executable) checkInterpreters(run *runnable, refuse func(string, ...any) *credential.Error) error {
	path, script := run.path, false
	for range maxInterpreters {
		line := shebang(run.head(path))
		if line == "" {
			run.script(script)
			return nil
		}
		script = true
		programs, problem := exe.interpreters(line)
		if problem != "" {
			return refuse("%s", problem).WithHelp("write the interpreter's whole path after #! in the first line of %s, and end that with a line feed alone", path)
		}
		for _, program := range programs {
			checked, err := openChecked("its interpreter "+program, program, refuse)
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return refuse("its interpreter %s, which its first line names after #!, does not exist", program).WithHelp("install it, or change the first line of %s", path)
				}
				return err
			}
			path = checked.name
			checked.close()
		}
	}
	return refuse("it has more than %d interpreters, each the next one's script", maxInterpreters)
}

// shebang is what follows #! in the first line; empty if the file is no script.
func shebang(head []byte) string {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	after, ok := bytes.CutPrefix(line, []byte("#!"))
	if !ok {
		return ""
	}
	return strings.Trim(string(after), " \t")
}

// interpreters are the programs that the first line of a script has executed: the one that it names, and what that one, if it
// is env, looks up. problem is why that can't be known: the system starts a relative path at the working directory, and env has
// options that change where it looks.
func (exe *executable) interpreters(line string) (programs []string, problem string) {
	if strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		return nil, "its first line, which names its interpreter, holds a carriage return or another control character"
	}
	fields := strings.Fields(line)
	if !filepath.IsAbs(fields[0]) {
		return nil, fmt.Sprintf("its first line names its interpreter by a relative path, %s", text.Quote(fields[0], 80))
	}
	programs = fields[:1:1]
	if filepath.Base(fields[0]) != "env" {
		return programs, ""
	}
	for _, field := range fields[1:] {
		switch {
		case field == "-S" || field == "-i":
			continue
		case strings.HasPrefix(field, "-"), strings.HasPrefix(field, "PATH="):
			return nil, fmt.Sprintf("its first line has env look up its interpreter with %s", text.Quote(field, 80))
		case strings.Contains(field, "="):
			continue
		case filepath.IsAbs(field):
			return append(programs, field), ""
		case strings.Contains(field, "/"):
			return nil, fmt.Sprintf("its first line names its interpreter by a relative path, %s", text.Quote(field, 80))
		}
		for _, dir := range filepath.SplitList(exe.search) {
			if !filepath.IsAbs(dir) {
				return nil, "its interpreter is looked up in the working directory: PATH has a relative directory"
			}
			if path := filepath.Join(dir, field); mayExecute(path) {
				return append(programs, path), ""
			}
		}
		break // env itself says that there is none
	}
	return programs, ""
}
