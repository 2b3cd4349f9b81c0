// Package admin has the HTTP address at which operators and their tools inspect a running worker and lift quarantines.
//
//	quarantines := admin.NewQuarantines(logger)
//	mux := http.NewServeMux()
//	mux.Handle("GET /metrics", ...)
//	quarantines.Routes(mux)
//	page := admin.NewPage(quarantines, links, logger)
//	page.Routes(mux)
//	server, err := admin.Listen("127.0.0.1:9464", mux, logger)
//	defer server.Close()
//	quarantines.Guard(admin.Logins{Store: credentials, Guard: logins}, lifted)  // as soon as there are any
//	page.Fleet(fleet)
//
// [Client] is the other side, for a command line.
//
// # Who may do what
//
// The address has neither TLS nor passwords. What it shows to everybody who reaches it (metrics, health) holds no secrets, no
// credential ids and no hosts; what a failed check says may name some, and is shown as quarantines are. Quarantines, which have ids, are for this machine alone: the peer must be a loopback address,
// and so must the Host header, since a web page in a browser on this machine could otherwise have its own name resolved to
// loopback and read the answer. Requests that browsers send for pages of other origins are refused as well.
//
// The page of the fleet is a quarantine's list by the same rules. Its form has a token that only this process can make, and only for
// that id: what could send the form in a user's name, past the headers, can't know it. The page runs no script and loads nothing.
package admin
