//go:build unix

package host

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // what a host's other libraries bring with them
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

type getter func(context.Context, string) (*credentialv1.Credential, error)

func init() {
	long := func(n int) string { return strings.Repeat("x", n) }
	get := func(g getter) func() { return func() { serveRaw(&raw{get: g}) } }
	for name, a := range map[string]animal{
		"leaves a daemon that holds its outputs": {live: func() { leaveDaemon(); serveMemory() }},
		"removes its socket once it serves":      {live: get(removeSockets)},
		"logs a line without an end":             {live: func() { go logWithoutEnd(); serveMemory() }, heavy: true},
		"fills its directory":                    {live: func() { fillDirectory(); serveMemory() }},
		"answers with a header of 1 MB":          {live: get(withHeader(grpc.SetHeader, long(1<<20))), get: credential.ProviderMisbehaved},
		"answers with a trailer of 1 MB":         {live: get(withTrailer(long(1 << 20))), get: credential.ProviderMisbehaved},
		"answers a compressed 40 MB":             {live: get(answerCompressed), get: credential.ProviderMisbehaved, heavy: true},
		"gives a host's own reason":              {live: get(failWith("CREDENTIAL_REJECTED", codes.FailedPrecondition)), get: credential.ProviderMisbehaved},
		"says that it crashed":                   {live: get(failWith("PROVIDER_CRASHED", codes.Unavailable)), get: credential.ProviderMisbehaved},
		"gives an unknown reason":                {live: get(failWith("BACKEND_ON_FIRE", codes.Unavailable)), get: credential.ProviderMisbehaved},
		"asks for patience of 292 years":         {live: get(failWith("THROTTLED", codes.ResourceExhausted, durationpb.New(math.MaxInt64))), get: credential.Throttled},
		"answers times that are none":            {live: get(answerTimes)},
		"answers status OK with nothing": {live: get(func(context.Context, string) (*credentialv1.Credential, error) {
			return nil, status.Error(codes.OK, "")
		}), get: credential.ProviderMisbehaved},
		"gives an unknown status code": {live: get(fail(codes.Code(4711))), get: credential.ProviderMisbehaved},
		"has a label of 1 MB":          {live: func() { serveRaw(&raw{label: long(1 << 20)}) }, start: credential.ProviderMisbehaved, says: "previous_version_label"},
		"has a label with an escape":   {live: func() { serveRaw(&raw{label: "\x1b[2J"}) }, start: credential.ProviderMisbehaved, says: "previous_version_label"},
		"has 100,000 capabilities":     {live: func() { serveRaw(&raw{capabilities: strings.Fields(strings.Repeat("X ", 100_000))}) }},
	} {
		zoo[name] = a
	}
	for name, attack := range map[string]func(net.Conn){
		"sends SETTINGS without end":      flooding(frame(4, 0, 0)),
		"sends PING without end":          flooding(frame(6, 0, 0, make([]byte, 8)...)),
		"sends GOAWAY at once":            after(frame(4, 0, 0), frame(7, 0, 0, make([]byte, 8)...)),
		"grants no window":                after(frame(4, 0, 0, 0, 4, 0, 0, 0, 0)),
		"allows no streams":               after(frame(4, 0, 0, 0, 3, 0, 0, 0, 0)),
		"sends half a frame":              after(frame(4, 0, 0)[:5]),
		"sends frames that are none":      flooding([]byte("\x00\x00\x01\xff\xff\x00\x00\x00\x01x")),
		"sends a header without an end":   endlessHeader,
		"announces a message of 4 GiB":    announceMessage(math.MaxUint32, 0),
		"drips a message of 15 MiB":       announceMessage(15<<20, time.Millisecond),
		"resets every stream":             resetting,
		"answers every frame with GOAWAY": goingAway,
	} {
		zoo[name] = animal{live: func() { serveConns(attack) }, start: anyFailure}
	}
}

// anyFailure is for animals whose fault gRPC may see in several ways: what counts is that the start ends in time, with a reason.
const anyFailure credential.Reason = "any"

// leaveDaemon starts a process in another session, which holds standard output and error for some seconds.
func leaveDaemon() {
	cmd := exec.Command("sleep", "8")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

func removeSockets(ctx context.Context, id string) (*credentialv1.Credential, error) {
	_ = os.RemoveAll(os.Getenv(wire.EnvSocketDir))
	return answerFor(id)(ctx, id)
}

func logWithoutEnd() {
	for part := []byte(strings.Repeat("x", 64<<10)); ; {
		_, _ = stderr.Write(part)
	}
}

func fillDirectory() {
	for i := range 5000 {
		dir := filepath.Join(os.Getenv(wire.EnvSocketDir), "d", strings.Repeat("x", 1+i%200))
		_ = os.MkdirAll(dir, 0o700)
		_ = os.WriteFile(filepath.Join(dir, "f"), nil, 0o600)
		_ = os.Chmod(dir, 0)
	}
}

func withHeader(set func(context.Context, metadata.MD) error, value string) getter {
	return func(ctx context.Context, id string) (*credentialv1.Credential, error) {
		if err := set(ctx, metadata.Pairs("x-long", value)); err != nil {
			return nil, err
		}
		return answerFor(id)(ctx, id)
	}
}

func withTrailer(value string) getter {
	return withHeader(grpc.SetTrailer, value)
}

func answerCompressed(ctx context.Context, id string) (*credentialv1.Credential, error) {
	if err := grpc.SetSendCompressor(ctx, "gzip"); err != nil {
		return nil, err
	}
	return answerHuge(ctx, id)
}

// failWith is an error in the contract's form.
func failWith(reason string, code codes.Code, delay ...*durationpb.Duration) getter {
	return func(context.Context, string) (*credentialv1.Credential, error) {
		details := []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.ErrorInfo{Domain: wire.Domain, Reason: reason})}
		for _, d := range delay {
			details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: d}))
		}
		st, err := status.New(code, "no").WithDetails(details...)
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	}
}

func answerTimes(ctx context.Context, id string) (*credentialv1.Credential, error) {
	c, err := answerFor(id)(ctx, id)
	c.VersionCreated = &timestamppb.Timestamp{Seconds: math.MinInt64, Nanos: math.MaxInt32}
	c.MaxCacheAge = &durationpb.Duration{Seconds: math.MaxInt64, Nanos: -1}
	return c, err
}

// frame is one of HTTP/2.
func frame(kind, flags byte, stream uint32, payload ...byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, flags)
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// flooding sends frames for as long as they are taken.
func flooding(frames []byte) func(net.Conn) {
	var many []byte
	for len(many) < 64<<10 {
		many = append(many, frames...)
	}
	return func(raw net.Conn) {
		conn := serverTLS(raw)
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, err := conn.Write(frame(4, 0, 0))
		for err == nil {
			_, err = conn.Write(many)
		}
	}
}

// after sends frames and is silent then.
func after(frames ...[]byte) func(net.Conn) {
	return func(raw net.Conn) {
		conn := serverTLS(raw)
		for _, f := range frames {
			_, _ = conn.Write(f)
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

// onRequest does something at each request's headers.
func onRequest(do func(w io.Writer, stream uint32) error) func(net.Conn) {
	return func(raw net.Conn) {
		conn := serverTLS(raw)
		_, _ = conn.Write(frame(4, 0, 0))
		_, err := io.ReadFull(conn, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
		for head := make([]byte, 9); err == nil; {
			if _, err = io.ReadFull(conn, head); err != nil {
				return
			}
			length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
			if _, err = io.CopyN(io.Discard, conn, length); err == nil && head[3] == 1 {
				err = do(conn, binary.BigEndian.Uint32(head[5:]))
			}
		}
	}
}

func write2(w io.Writer, frames ...[]byte) (err error) {
	for _, f := range frames {
		if err == nil {
			_, err = w.Write(f)
		}
	}
	return err
}

// endlessHeader starts a header and continues it for ever.
func endlessHeader(conn net.Conn) {
	onRequest(func(w io.Writer, stream uint32) error {
		err := write2(w, frame(1, 0, stream, 0x88))
		for err == nil {
			err = write2(w, frame(9, 0, stream, append([]byte{0, 1, 'x', 127, 0x81, 0x7e}, make([]byte, 16_383)...)...))
		}
		return err
	})(conn)
}

// answerHead are the headers of an answer in gRPC: status 200, content-type application/grpc.
var answerHead = append([]byte{0x88, 0x0f, 0x10, 16}, "application/grpc"...)

// announceMessage answers with a message that is said to be so long, and drips it.
func announceMessage(length uint32, each time.Duration) func(net.Conn) {
	return onRequest(func(w io.Writer, stream uint32) error {
		err := write2(w, frame(1, 4, stream, answerHead...), frame(0, 0, stream, binary.BigEndian.AppendUint32([]byte{0}, length)...))
		for err == nil && each > 0 {
			err = write2(w, frame(0, 0, stream, 0))
			time.Sleep(each)
		}
		return err
	})
}

func resetting(conn net.Conn) {
	onRequest(func(w io.Writer, stream uint32) error {
		return write2(w, frame(3, 0, stream, 0, 0, 0, 7)) // REFUSED_STREAM: it may be tried again
	})(conn)
}

func goingAway(conn net.Conn) {
	onRequest(func(w io.Writer, _ uint32) error {
		return write2(w, frame(7, 0, 0, make([]byte, 8)...))
	})(conn)
}
