package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// descriptors are what this process has open, by what each one is.
func descriptors() string {
	var open []string
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			open = append(open, target)
		}
	}
	return strings.Join(open, " ")
}

// What a host has itself inherited, without the flag that Go gives to its own files, doesn't reach its provider.
func TestInheritedDescriptors(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "inherited"))
	must(t, err)
	defer func() { _ = file.Close() }()
	inherited, err := unix.Dup(int(file.Fd())) // without close-on-exec
	must(t, err)
	defer func() { _ = unix.Close(inherited) }()
	if got := password(t, start(t, memoryOptions(t)), "descriptors"); strings.Contains(got, "inherited") || !strings.Contains(got, "pipe:") {
		t.Errorf("the provider has %s", got)
	}
}

// Wherever a start runs out of descriptors, it says so and what to do, in time, and leaves nothing behind.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehave+"=out of descriptors", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// beOutOfDescriptors starts providers with room for more and more descriptors.
func beOutOfDescriptors() {
	options := Options{Name: "memory", Path: os.Args[0], Environ: append(os.Environ(), envBehave+"=memory"), PassEnv: []string{envBehave, "GORACE"}}
	begin := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		p, err := Start(ctx, options)
		if err == nil {
			_ = p.Close()
		}
		return err
	}
	if err := begin(); err != nil { // what is opened once is open
		fmt.Println(describe(err))
		os.Exit(1)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	before := strings.Count(descriptors(), " ")
	failures, bad := 0, 0
	for room := 1; ; room++ {
		low := limit
		low.Cur = uint64(before + room)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			panic(err)
		}
		err := begin()
		if again := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); again != nil {
			panic(again)
		}
		if err == nil {
			break
		}
		failures++
		var e *credential.Error
		if !errors.As(err, &e) || !strings.Contains(strings.Join(e.Help, " "), "ulimit -n") {
			fmt.Printf("with room for %d: %s\n", room, describe(err))
			bad++
		}
	}
	if after := strings.Count(descriptors(), " "); after > before || failures < 5 {
		fmt.Printf("%d failures; %d descriptors, %d before: %s\n", failures, after, before, descriptors())
		bad++
	}
	if bad > 0 {
		os.Exit(1)
	}
}
