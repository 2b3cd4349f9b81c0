// The program that makes a release's archives. It needs nothing but Go.
module github.com/tom-worker/credential-provider/.tools/dist

go 1.26.0
