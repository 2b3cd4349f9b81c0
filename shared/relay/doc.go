// Package relay serves the contract for credentials that a host has at hand already: what an agent is made of that lets other
// processes of its machine use the provider it has launched, through its store.
//
//	server := grpc.NewServer(append(relay.ServerOptions(logger), grpc.Creds(peers))...)
//	relay.Register(server, relay.Provider{Metadata: launched.Metadata(), Source: source, Log: logger})
//	err := server.Serve(listener)
//
// Clients are hosts of the contract: they call GetMetadata and the reading calls as with a provider that they have launched,
// less Configure, which answers ALREADY_CONFIGURED. Who may connect, and what each client may ask for, is decided by the
// transport credentials and by the Source: the package knows neither.
//
// # What version 1 promises
//
// Exported names and their documented behaviour stay. [Provider] gets fields only whose zero value changes nothing, and [Source] no
// methods. What clients see is the contract, proto/README.md, and grows as it does. Log lines may change.
package relay
