//go:build unix

package redisledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// listener keeps what is sent.
type listener struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (l *listener) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	return heard{c, l}, err
}

type heard struct {
	net.Conn
	l *listener
}

func (h heard) Write(b []byte) (int, error) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.l.sent.Write(b)
	return h.Conn.Write(b)
}

// constant is a source of one credential, and the version before it.
type constant struct{}

func (c constant) Get(ctx context.Context, id string) (store.Result, error) {
	return c.RecheckVersion(ctx, credential.Request{ID: id}, time.Time{})
}

func (constant) RecheckVersion(_ context.Context, r credential.Request, _ time.Time) (store.Result, error) {
	c := &credential.Credential{ID: r.ID, Username: "netops-4711", Password: credential.Password("made-up-4711"), VersionID: "version-4711"}
	if r.VersionLabel != "" {
		c.Password, c.VersionID = credential.Password("earlier-4711"), "version-4710"
	}
	return store.Result{Credential: c}, nil
}

// G7: Redis is sent no id, no device, no version and nothing of the login material, nor digests that can be made without the key.
func TestRedisSeesDigestsOnly(t *testing.T) {
	server := miniredis.RunT(t)
	traffic := func(key string) []byte {
		var l listener
		ledger := New(Options{Address: server.Addr(), dial: l.dial})
		defer func() { _ = ledger.Close() }()
		g, err := guard.New(constant{}, guard.Options{Ledger: ledger, Key: []byte(key), PreviousVersionLabel: "LABEL-4711"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = g.Close() }()
		for _, answer := range []error{nil, guard.ErrRefused} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_ = g.Login(ctx, "lab/id-4711", "switch-4711", func(ctx context.Context, a *guard.Attempt) error {
				if _, err := a.Present(ctx); err != nil {
					return err
				}
				if answer != nil {
					cancel() // else it waits for other material
				}
				return answer
			})
		}
		_ = g.Forget(t.Context(), "lab/id-4711")
		l.mu.Lock()
		defer l.mu.Unlock()
		return bytes.Clone(l.sent.Bytes())
	}
	first, second := traffic("one key of thirty-two bytes or so"), traffic("another key of thirty-two bytes..")
	all := append(append([]byte(server.Dump()), first...), second...)
	if len(first) < 1000 {
		t.Fatalf("only %d bytes were sent", len(first))
	}
	for _, secret := range []string{"netops-4711", "made-up-4711", "earlier-4711", "version-4711", "version-4710", "id-4711", "lab/id-4711", "switch-4711", "LABEL-4711"} {
		sum := sha256.Sum256([]byte(secret))
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)), hex.EncodeToString(sum[:8]), base64.RawURLEncoding.EncodeToString(sum[:])[:12]} {
			if bytes.Contains(all, []byte(form)) {
				t.Errorf("%s is seen as %s", secret, form)
			}
		}
	}
	digests := regexp.MustCompile(`(?:[md]:|\n)([A-Za-z0-9_-]{22})\r\n`)
	seen := make(map[string]bool)
	for _, m := range digests.FindAllSubmatch(first, -1) {
		seen[string(m[1])] = true
	}
	if len(seen) < 5 {
		t.Fatalf("digests seen: %v", seen)
	}
	for _, m := range digests.FindAllSubmatch(second, -1) {
		if seen[string(m[1])] && string(m[1]) != (guard.Digest{}).String() {
			t.Errorf("%s is the same under another key", m[1])
		}
	}
}
