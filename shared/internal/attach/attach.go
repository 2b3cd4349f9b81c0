// Package attach is what a provider in debug mode and the host that attaches to it have in common: the file by which the
// the provider describes how to reach it, and where that may be kept.
package attach

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// File describes to a host how to reach a provider that a user started. It holds a private key, with which any process gets
// credentials from that provider for as long as it runs.
type File struct {
	// ContractVersion is the version of the contract that the provider speaks.
	ContractVersion uint `json:"contract_version"`
	// Provider is the provider's name, Executable its file.
	Provider   string `json:"provider"`
	Executable string `json:"executable"`
	ProcessID  int    `json:"process_id"`
	// Socket is the path of a Unix socket.
	Socket string `json:"socket"`
	// ServerCertificate is the provider's; ClientCertificate and ClientKey are the host's. All three are PEM.
	ServerCertificate string `json:"server_certificate"`
	ClientCertificate string `json:"client_certificate"`
	ClientKey         string `json:"client_key"`
}

// New makes both certificates for a provider of this process, and the configuration with which it serves.
func New(provider, socket string) (File, *tls.Config, error) {
	server, err := wire.NewCertificate()
	if err != nil {
		return File{}, nil, err
	}
	client, err := wire.NewCertificate()
	if err != nil {
		return File{}, nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		return File{}, nil, fmt.Errorf("encode the key: %w", err)
	}
	file := File{
		ContractVersion:   wire.Handshake.ProtocolVersion,
		Provider:          provider,
		ProcessID:         os.Getpid(),
		Socket:            socket,
		ServerCertificate: wire.CertificatePEM(server),
		ClientCertificate: wire.CertificatePEM(client),
		ClientKey:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}
	if file.Executable, err = os.Executable(); err != nil {
		return File{}, nil, err
	}
	config, err := wire.ServerTLS(server, file.ClientCertificate)
	return file, config, err
}

// ClientTLS is the host's side of the connection.
func (f File) ClientTLS() (*tls.Config, error) {
	own, err := tls.X509KeyPair([]byte(f.ClientCertificate), []byte(f.ClientKey))
	if err != nil {
		return nil, errors.New("its certificate or key is damaged") // the cause might quote it
	}
	config := wire.ClientTLS(own)
	if !config.RootCAs.AppendCertsFromPEM([]byte(f.ServerCertificate)) {
		return nil, errors.New("the provider's certificate in it is damaged")
	}
	return config, nil
}

// Write puts the file at path, all of it at once, for this user alone.
func (f File) Write(path string) (err error) {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "attach-") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh.Name())
		}
	}()
	_, err = fresh.Write(append(text, '\n'))
	if err := errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), path)
}

// ErrNotPrivate is a file or directory that others can read, or that belongs to another user.
var ErrNotPrivate = errors.New("it is not private")

// Read reads the file at path, if it is this user's own and no other user can read it. The error is ErrNotPrivate, or
// fs.ErrNotExist, or says what is wrong with the content, which it doesn't quote.
func Read(path string) (File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() {
		return File{}, errors.New("it is not a regular file")
	}
	if err := private(info); err != nil {
		return File{}, err
	}
	text, err := regular.Read(path, 1<<20)
	if err != nil {
		return File{}, err
	}
	var file File
	if err := json.Unmarshal(text, &file); err != nil || file.Socket == "" {
		return File{}, errors.New("it is not a file that a provider in debug mode writes")
	}
	return file, nil
}

// Directory makes the directory in which providers in debug mode keep their sockets and files: always the same one, so that a
// provider that is started again is found where it was. No other user may read it.
func Directory() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		dir = os.TempDir()
	}
	directory := filepath.Join(dir, fmt.Sprintf("tom-debug-%d", max(0, os.Geteuid())))
	if err := os.Mkdir(directory, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(directory)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", directory)
	}
	if err := private(info); err != nil {
		return "", fmt.Errorf("directory %s: %w", directory, err)
	}
	return directory, nil
}
