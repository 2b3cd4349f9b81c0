// Program contract writes the messages and services that travel between a host and a provider as a FileDescriptorSet, from
// which programs in other languages can make their message classes while they run: the contract itself, gRPC's health
// service, the details of gRPC errors, and the services of go-plugin, whose proto files aren't published.
//
//	go run ./contract FILE
package main

import (
	"fmt"
	"os"

	_ "github.com/hashicorp/go-plugin" // registers its services
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// names are of one message or service of each file that is wanted. What these files import comes along.
var names = []protoreflect.FullName{
	"tom.credential.v1.CredentialProvider",
	"tom.credential.v1.LoginGuard",
	"grpc.health.v1.Health",
	"google.rpc.Status",
	"google.rpc.ErrorInfo",
	"plugin.GRPCController",
	"plugin.GRPCStdio",
	"plugin.GRPCBroker",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: contract FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor) // readers want what is imported first
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	for _, name := range names {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		add(found.ParentFile())
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return err
	}
	return os.WriteFile(path, encoded, 0o644)
}
