package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// These are about surroundings that differ from those of the provider's own tests.
var robustChecks = []check{
	{Info: Info{"CP-ROBUST-001", Must, "fields that it doesn't know are ignored",
		"Versions: within v1 there are only additions: fields, reasons, and calls behind a new capability"},
		after: "CP-GET-001", run: checkUnknownFields},
	{Info: Info{"CP-ROBUST-002", Must, "a traceparent that isn't one is ignored",
		"Duties: a traceparent in the gRPC metadata is passed on to log lines; nothing else depends on it"},
		after: "CP-GET-001", run: checkOddTraces},
	{Info: Info{"CP-ROBUST-003", Must, "it works in any directory, and as a copy of its file",
		"Launch: a host starts the executable, or a copy that it has pinned, wherever the host happens to be"},
		after: "CP-GET-001", run: checkElsewhere},
}

// withUnknown adds fields that no version of the contract has.
func withUnknown[M proto.Message](message M) M {
	var more []byte
	more = protowire.AppendTag(more, 1900, protowire.VarintType)
	more = protowire.AppendVarint(more, 4711)
	more = protowire.AppendTag(more, 1901, protowire.BytesType)
	more = protowire.AppendString(more, "of the future")
	message.ProtoReflect().SetUnknown(more)
	return message
}

func checkUnknownFields(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	id := e.anyID()
	calls := []func(context.Context) error{
		func(ctx context.Context) error {
			response, err := i.provider.GetCredential(ctx, withUnknown(&credentialv1.GetCredentialRequest{CredentialId: id}))
			if err == nil {
				err = compare(response.GetCredential(), e.options.Fixtures.Credentials[id])
			}
			return succeed("GetCredential with unknown fields", err)
		},
		func(ctx context.Context) error {
			_, err := i.provider.Validate(ctx, withUnknown(&credentialv1.ValidateRequest{}))
			return succeed("Validate with unknown fields", err)
		},
		func(ctx context.Context) error {
			_, err := i.provider.GetMetadata(ctx, withUnknown(&credentialv1.GetMetadataRequest{}))
			return succeed("GetMetadata with unknown fields", err)
		},
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		calls = append(calls, func(ctx context.Context) error {
			request := withUnknown(batchOf(id))
			withUnknown(request.Requests[0])
			response, err := i.provider.BatchGetCredentials(ctx, request)
			if err == nil && (len(response.GetResults()) != 1 || compare(response.GetResults()[0].GetCredential(), e.options.Fixtures.Credentials[id]) != nil) {
				err = errors.New("the answer is another")
			}
			return succeed("BatchGetCredentials with unknown fields", err)
		})
	}
	if able, _ := e.can(ctx, credential.CapabilityList); able {
		calls = append(calls, func(ctx context.Context) error {
			_, err := i.provider.ListCredentials(ctx, withUnknown(&credentialv1.ListCredentialsRequest{}))
			return succeed("ListCredentials with unknown fields", err)
		})
	}
	for _, call := range calls {
		if err := withTime(ctx, call); err != nil {
			return err
		}
	}
	return nil
}

// oddTraces are headers that are no W3C Trace Context.
var oddTraces = [][]string{
	{""}, {"-"}, {"---"}, {"00"}, {"garbage"}, {"00-4bf92f3577b34da6a3ce929d0e0e4736"}, {"00--00f067aa0ba902b7-01"}, {"zz-zz-zz-zz"},
	{"00-00000000000000000000000000000000-0000000000000000-00"}, {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"}, {"%s%n%x"}, {`"{}\`}, {strings.Repeat("0", 2000)},
	{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
}

func checkOddTraces(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	id := e.anyID()
	for _, values := range oddTraces {
		outgoing := ctx
		for _, value := range values {
			outgoing = metadata.AppendToOutgoingContext(outgoing, "traceparent", value)
		}
		got, err := i.get(outgoing, id)
		if err == nil {
			err = compare(got, e.options.Fixtures.Credentials[id])
		}
		if err != nil {
			return succeed("GetCredential with the traceparent "+shown(values[0]), err)
		}
	}
	return nil
}

// checkElsewhere launches it in an empty directory and, if it is a program of one file, as a copy of that.
func checkElsewhere(ctx context.Context, e *exam) error {
	options := hosted()
	options.alone = true
	copied, err := e.copyOf()
	if err != nil {
		return err
	}
	if copied != "" {
		defer removeAll(filepath.Dir(copied))
		options.plugin = copied
	}
	i, err := e.fresh(ctx, options)
	if err != nil {
		return fmt.Errorf("in another directory: %w", errors.Unwrap(err))
	}
	if err := e.configureWell(ctx, i, e.absolute()); err != nil {
		return fmt.Errorf("in another directory: %w", errors.Unwrap(err))
	}
	for _, id := range e.ids() {
		got, err := i.get(ctx, id)
		if err == nil {
			err = compare(got, e.options.Fixtures.Credentials[id])
		}
		if err != nil {
			return succeed(fmt.Sprintf("in another directory: GetCredential of %q", id), err)
		}
	}
	return nil
}

// copyOf copies the executable to its own directory; empty for a script, which may belong to other files.
func (e *exam) copyOf() (_ string, err error) {
	in, err := os.Open(e.options.Plugin)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	mark := make([]byte, 2)
	if _, err := io.ReadFull(in, mark); err != nil || string(mark) == "#!" {
		return "", nil // it is no program
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "tom-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(e.options.Plugin))
	return path, regular.WriteExecutable(path, in, 0o700)
}
