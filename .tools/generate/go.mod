// The code generators, in a module of their own: buf needs a newer protobuf than the runtime that the product ships with, and the generator must match the runtime.
module github.com/tom-worker/credential-provider/.tools/generate

go 1.26

tool (
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
	google.golang.org/protobuf/cmd/protoc-gen-go
)

require (
	google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
