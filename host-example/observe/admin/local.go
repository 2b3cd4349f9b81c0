package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Local reports whether a request comes from this machine and from no web page that has its own name resolved to loopback.
func Local(r *http.Request) bool { return loopback(r.RemoteAddr) && loopback(r.Host) }

// local lets only those in who are on this machine, and no web pages.
func local(handle http.HandlerFunc) http.Handler {
	refuse := func(message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusForbidden, credential.Errorf(NotAllowed, "%s", message).
				WithHelp("on the worker's machine: host-example quarantine list, or quarantine lift ID").
				WithHelp("in a container: docker exec or kubectl exec the same"))
		}
	}
	pages := http.NewCrossOriginProtection()
	pages.SetDenyHandler(refuse("web pages may not do that"))
	checked := pages.Handler(handle)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !loopback(r.RemoteAddr):
			refuse("quarantines are shown and lifted from the worker's own machine only, at a loopback address").ServeHTTP(w, r)
		case !loopback(r.Host):
			refuse("the Host header must be localhost or a loopback address").ServeHTTP(w, r)
		default:
			checked.ServeHTTP(w, r)
		}
	})
}

// loopback reports whether a host, with or without a port, is this machine's loopback by its very name.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
