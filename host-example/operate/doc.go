// Package operate has the HTTP address at which people and their tools look at a worker that runs, and lift quarantines.
//
//	quarantines := operate.NewQuarantines(logger)
//	mux := http.NewServeMux()
//	mux.Handle("GET /metrics", ...)
//	quarantines.Routes(mux)
//	server, err := operate.Listen("127.0.0.1:9464", mux, logger)
//	defer server.Close()
//	quarantines.Guard(store)  // as soon as there is one
//
// [Client] is the other side, for a command line.
//
// # Who may do what
//
// The address has neither TLS nor passwords. What it shows to everybody who reaches it (metrics, health) holds no secrets, no
// credential ids and no hosts; what a failed check says may name some, and is shown as quarantines are. Quarantines, which have ids, are for this machine alone: the peer must be a loopback address,
// and so must the Host header, since a web page in a browser on this machine could otherwise have its own name resolved to
// loopback and read the answer. Requests that browsers send for pages of other origins are refused as well.
package operate
