//go:build unix

package host

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/metadata"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// traced is a provider with every ability, that logs each call with the call's own logger.
type traced struct{}

var tracedDefinition = provider.Definition[struct{}, traced]{
	Name:        "memory",
	Version:     "1.2.3",
	Description: "logs what it is asked",
	New:         func(struct{}, hclog.Logger) (traced, error) { return traced{}, nil },
}

// Get ends the process, if the id is the path of a file that it can still make.
func (traced) Get(ctx context.Context, r credential.Request) (*credential.Credential, error) {
	hclog.FromContext(ctx).Info("called", "call", "Get", "pid", os.Getpid())
	if filepath.IsAbs(r.ID) {
		if file, err := os.OpenFile(r.ID, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = file.Close()
			os.Exit(3)
		}
	}
	return made(r.ID, "password"), nil
}

func (traced) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	hclog.FromContext(ctx).Info("called", "call", "GetBatch")
	results := make([]credential.Result, len(requests))
	for i, r := range requests {
		results[i].Credential = made(r.ID, "password")
	}
	return results, nil
}

func (traced) List(ctx context.Context, _ int, _ string) (credential.Page, error) {
	hclog.FromContext(ctx).Info("called", "call", "List")
	return credential.Page{}, nil
}

func (traced) Validate(ctx context.Context, _ string) (credential.Report, error) {
	hclog.FromContext(ctx).Info("called", "call", "Validate")
	return credential.Report{}, nil
}

// What the caller put into ctx for the provider arrives there, with every call and every attempt.
func TestMetadataOfTheCaller(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	options := memoryOptions(t)
	options.Environ = append(options.Environ, envBehave+"=traced")
	options.Logger = jsonLogger(&lines)
	p := start(t, options)
	crashes := filepath.Join(t.TempDir(), "crashed")
	for i, test := range []struct {
		name, call string
		attempts   int
		do         func(context.Context) error
	}{
		{"get", "Get", 1, func(ctx context.Context) error {
			_, err := p.Get(ctx, credential.Request{ID: "lab"})
			return err
		}},
		{"get, repeated after a crash", "Get", 2, func(ctx context.Context) error {
			_, err := p.Get(ctx, credential.Request{ID: crashes})
			return err
		}},
		{"batch", "GetBatch", 1, func(ctx context.Context) error {
			_, err := p.GetBatch(ctx, []credential.Request{{ID: "lab"}})
			return err
		}},
		{"list", "List", 1, func(ctx context.Context) error {
			_, err := p.List(ctx, 0, "")
			return err
		}},
		{"validate", "Validate", 1, func(ctx context.Context) error {
			_, err := p.Validate(ctx, "")
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			trace := fmt.Sprintf("%032x", i+1)
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("traceparent", "00-"+trace+"-00f067aa0ba902b7-01"))
			if err := test.do(ctx); err != nil {
				t.Fatal(err)
			}
			pids := map[any]bool{}
			eventually(t, 5*time.Second, "each attempt has a line with the trace's id", func() bool {
				n := 0
				for line := range strings.Lines(lines.String()) {
					var fields map[string]any
					if json.Unmarshal([]byte(line), &fields) == nil && fields["trace_id"] == trace && fields["call"] == test.call {
						pids[fields["pid"]] = true
						n++
					}
				}
				return n == test.attempts
			})
			if len(pids) != test.attempts {
				t.Errorf("the lines are of %d processes, want %d: %s", len(pids), test.attempts, lines.String())
			}
		})
	}
}
