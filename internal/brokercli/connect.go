package brokercli

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"boundgate/internal/broker"
	"boundgate/internal/tpm"
)

const (
	// maxPassword bounds what is read of a password, in bytes.
	maxPassword = 1024
	// maxCAFile bounds what is read of a file of certificates, in bytes.
	maxCAFile = 1 << 20
	// requestTimeout bounds one request.
	requestTimeout = 30 * time.Second
)

// open opens the broker of --dir.
func (a *app) open() (*broker.Broker, error) {
	client, err := a.httpClient(nil)
	if err != nil {
		return nil, err
	}
	return broker.Open(broker.Options{Dir: a.dir, HTTP: client, Keys: tpm.NewSoftwareStore(filepath.Join(a.dir, "keys"))})
}

// openRegistered opens the broker of a device that is registered, before anyone is asked for a password.
func (a *app) openRegistered(want bool) (*broker.Broker, error) {
	b, err := a.open()
	if err != nil {
		return nil, err
	}
	status, err := b.Status()
	switch {
	case err != nil:
		return nil, err
	case status.Registered && !want:
		return nil, broker.ErrRegistered
	case !status.Registered && want:
		return nil, broker.ErrNotRegistered
	}
	return b, nil
}

// deviceClient returns a client that shows the device's certificate.
func (a *app) deviceClient(certificate []byte, key tpm.Key) (*http.Client, error) {
	return a.httpClient(&tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: crypto.Signer(key)})
}

func (a *app) httpClient(certificate *tls.Certificate) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	if a.caFile != "" {
		pool, err := readAuthorities(a.caFile)
		if err != nil {
			return nil, usageError{err}
		}
		config.RootCAs = pool
	}
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: requestTimeout / 3}
	return &http.Client{Timeout: requestTimeout, Transport: transport}, nil
}

func readAuthorities(path string) (pool *x509.CertPool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read --ca-file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, maxCAFile))
	if err != nil {
		return nil, fmt.Errorf("read --ca-file: %w", err)
	}
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca-file %s has no certificate in PEM", path)
	}
	return pool, nil
}

const passwordStdin = "password-stdin"

func passwordFlag(cmd *cobra.Command) {
	cmd.Flags().Bool(passwordStdin, false, "read the password from standard input")
}

// password comes from standard input, from the environment, or from a prompt; never from an argument, which others can
// read.
func (a *app) password(cmd *cobra.Command) (string, error) {
	if fromStdin, err := cmd.Flags().GetBool(passwordStdin); err == nil && fromStdin {
		return readPassword(a.In)
	}
	if secret := a.getenv("BOUNDGATE_PASSWORD"); secret != "" {
		return secret, nil
	}
	f, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", usageError{errors.New("no password: use --password-stdin, set BOUNDGATE_PASSWORD, or run this in a terminal")}
	}
	fmt.Fprint(a.Err, "Password: ")
	secret, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.Err)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(secret), nil
}

// readPassword reads a password and takes off the line's end, which is not part of it.
func readPassword(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case secret == "":
		return "", usageError{errors.New("there is no password on standard input")}
	case len(secret) > maxPassword:
		return "", usageError{fmt.Errorf("the password on standard input is longer than %d bytes", maxPassword)}
	}
	return secret, nil
}
