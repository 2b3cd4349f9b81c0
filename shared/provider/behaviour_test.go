package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// behaviours are the programs that the test binary can be.
var behaviours = map[string]func(){
	"good":    func() { Main(program) },
	"chatty":  func() { Main(chatty()) },
	"mistake": func() { d := program; d.Name = "Bad Name"; Main(d) },
	"panics in New": func() {
		d := program
		d.New = func(options, hclog.Logger) (*process, error) { panic(canary) }
		Main(d)
	},
	"panics at start": func() { panic("no configuration at all") },
}

var program = Definition[options, *process]{
	Name: "fake", Version: "1.2.3", Description: "makes credentials up",
	Defaults: options{Path: "default"},
	New:      func(o options, _ hclog.Logger) (*process, error) { return &process{closing: o.Path}, nil },
}

func chatty() Definition[options, *process] {
	d := program
	d.New = func(options, hclog.Logger) (*process, error) {
		chatter()
		return &process{chatty: true}, nil
	}
	return d
}

func chatter() {
	fmt.Println("fmt.Println")
	_, _ = os.Stdout.WriteString("os.Stdout\n1|1|unix|/somewhere/else|grpc|\n")
	_, _ = fmt.Fprint(os.Stdout, "no line feed")
}

// process is the provider of a process. What it answers is told by the id.
type process struct {
	chatty  bool
	closing string
}

func (p *process) Get(ctx context.Context, r credential.Request) (*credential.Credential, error) {
	if p.chatty {
		chatter()
	}
	text := "password of " + r.ID
	switch r.ID {
	case "panic":
		panic(canary)
	case "hardness":
		text = hardness()
	case "stall":
		fmt.Fprintln(closeTrace, "stalling")
		<-ctx.Done()
		time.Sleep(time.Hour) // a call that never returns, whatever its context says
	}
	return &credential.Credential{ID: r.ID, Username: "admin", Password: credential.Password(text)}, nil
}

// Close does what the setting path says.
func (p *process) Close() error {
	fmt.Fprintln(closeTrace, "closing")
	switch p.closing {
	case "hang":
		select {}
	case "panic":
		panic(canary)
	case "error":
		return errors.New(canary)
	}
	fmt.Fprintln(closeTrace, "closed")
	return nil
}

// closeTrace is standard error as it was at the start: Serve replaces os.Stderr.
var closeTrace = os.Stderr
