//go:build unix

package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// daemon leaves a process in its own session, whose parent has ended and whose environment is empty.
func daemon() {
	cmd := exec.Command("/bin/sh", "-c", "cd / && exec /usr/bin/env -i /bin/sleep 61.5 </dev/null >/dev/null 2>&1 &")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	_ = cmd.Run()
}

// childUntilShutdown has a child that ends at Shutdown only.
var childUntilShutdown = func() specimen {
	var mu sync.Mutex
	var child *exec.Cmd
	return specimen{
		answers: onGet(func(*credentialv1.Credential) {
			mu.Lock()
			defer mu.Unlock()
			if child == nil {
				child = spawn("", "60s")
			}
		}),
		atShutdown: func() {
			mu.Lock()
			defer mu.Unlock()
			if child != nil {
				_ = child.Process.Kill()
				_ = child.Wait()
			}
		},
	}
}()

// tiring does something from some read on, where no other check looks: at the level error.
func tiring(after int32, act func(*credentialv1.Credential)) grpc.UnaryServerInterceptor {
	var count atomic.Int32
	return onGet(func(c *credentialv1.Credential) {
		if os.Getenv(wire.EnvLogLevel) == "error" && count.Add(1) > after {
			act(c)
		}
	})
}

var kept struct {
	sync.Mutex
	all [][]byte
}

func keep() {
	kept.Lock()
	defer kept.Unlock()
	kept.all = append(kept.all, []byte(strings.Repeat("x", 128<<10)))
}

func keepSlow(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	if in.GetCredentialId() == "slow" {
		keep()
	}
	return next()
}

// caching remembers the first answer for one id, wrong or right.
func caching(id string) grpc.UnaryServerInterceptor {
	var mu sync.Mutex
	var first *getAnswer
	var failure error
	return on(func(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
		if in.GetCredentialId() != id || in.GetVersion() != nil {
			return next()
		}
		mu.Lock()
		defer mu.Unlock()
		if reason, _ := wellFormed(failure); first != nil || reason == credential.CredentialNotFound {
			return first, failure
		}
		out, err := next()
		first, failure = out, err
		return out, err
	})
}

// sessionless doesn't sign in again.
func sessionless() grpc.UnaryServerInterceptor {
	var file atomic.Value
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		switch in := request.(type) {
		case *credentialv1.ConfigureRequest:
			if path, ok := in.GetSettings().AsMap()["state"].(string); ok {
				file.Store(path)
			}
		case *getRequest:
			path, _ := file.Load().(string)
			if text, _ := os.ReadFile(path); strings.TrimSpace(string(text)) == "session" {
				return nil, refused(credential.BackendUnauthenticated)
			}
		}
		return handler(ctx, request)
	}
}

// hangs doesn't notice when a backend doesn't answer.
func hangs(id string) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
		out, err := next()
		if reason, _ := wellFormed(err); in.GetCredentialId() == id && (reason == credential.DeadlineExceeded) {
			time.Sleep(20 * time.Second)
		}
		return out, err
	})
}

// writes writes a file with the answer, and may remove it again.
func writes(name string, removed bool) func(*credentialv1.Credential) {
	return func(c *credentialv1.Credential) {
		file := filepath.Join(os.TempDir(), name)
		_ = os.WriteFile(file, []byte(c.GetExtra()["enable_password"]), 0o600)
		if removed {
			time.Sleep(100 * time.Millisecond) // a busy machine looks that seldom
			_ = os.Remove(file)
		}
	}
}

func logMuch() {
	if os.Getenv(wire.EnvLogLevel) == "debug" {
		for range 20 {
			fmt.Fprintf(os.Stderr, `{"@level":"debug","@message":"%s","@timestamp":"x"}`+"\n", strings.Repeat("x", 1000))
		}
	}
}

var notFound = &errdetails.ErrorInfo{Domain: wire.Domain, Reason: "CREDENTIAL_NOT_FOUND"}

func paddedLine(address string, cert tls.Certificate) string {
	text := base64Raw(cert)
	return "1|1|unix|" + address + "|grpc|" + text + strings.Repeat("=", 4-len(text)%4)
}

func base64Raw(cert tls.Certificate) string {
	return base64.RawStdEncoding.EncodeToString(cert.Certificate[0])
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// certificate is one like the contract's, on a curve.
func certificate(curve elliptic.Curve) tls.Certificate {
	template := must(x509.ParseCertificate(must(wire.NewCertificate()).Certificate[0]))
	template.SignatureAlgorithm, template.PublicKey = 0, nil
	key := must(ecdsa.GenerateKey(curve, rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// detailed is a status with details.
func detailed(code codes.Code, message string, details ...protoadapt.MessageV1) error {
	return must(status.New(code, message).WithDetails(details...)).Err()
}
