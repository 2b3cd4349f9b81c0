// Package agent serves a credential provider, its store and the guard of logins to other processes of the machine, on a Unix
// socket: a worker in any language gets supervision, cache, stale service and logins without lockouts from it.
//
//	socket, err := agent.Listen("/run/tom-agent/agent.sock") // its directory is 0700, or 0750 for a group
//	logins, err := guard.New(store, guard.Options{Ledger: agent.Ledger(ledger), Key: socket.Key("digests")})
//	server, err := agent.New(agent.Options{Store: store, Provider: source, Metadata: launched.Metadata, Guard: logins, ...})
//	err = server.Serve(ctx, socket)
//
// # Who may do what
//
// The kernel tells who has connected. A user without a [Rule] is refused before any byte of HTTP/2; a rule bounds the calls and
// the credential ids of its user. A process that may open the socket reads what the rules give its user: there is no other
// secret.
//
// # Logins
//
// A permit outlives its client, since a client that got material may have shown it. It ends with the client's report, or as one
// without an answer when its time is over. Permits are sealed with a key that stays beside the socket: a new agent takes the
// reports on permits of the one before.
//
// After a refusal the next permit for the credential goes to another client, if one asks within two seconds: a client that
// reports refusals that no device has made closes only what no other client uses.
//
// Only Linux and macOS are served; elsewhere [Listen] returns UNSUPPORTED.
package agent
