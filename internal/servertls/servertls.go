// Package servertls gives the listeners their certificates: the operator's own from files, or those of a development
// certificate authority that is made on the first start. There is no listener without TLS.
//
// The two listeners differ in one thing. Devices prove their keys with client certificates, so the listener for device
// registration requests one; the main listener requests none, because a browser would prompt its user, except for the
// server names that are set aside for devices. TLS does not judge the certificate that a client shows: that is device
// registration's business. Such connections are never resumed, so that every one is opened with the device's key and a
// copied session ticket is worth nothing.
package servertls

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"boundgate/internal/config"
	"boundgate/internal/seal"
)

// A source is where certificates come from. It is asked at each handshake and keeps them current.
type source interface {
	certificate() (*tls.Certificate, error)
}

// Certificates are the certificates of a running server. It is safe for concurrent use.
type Certificates struct {
	source      source
	deviceNames []string
	caFile      string
}

// Options are what Open needs beside the configuration. All but Keys have defaults.
type Options struct {
	Keys *seal.Keyring    // seals the keys of the development certificates
	Now  func() time.Time // time.Now when nil
	Log  *slog.Logger     // of renewals and failed reloads; slog.Default() when nil
}

// Open loads the certificate that cfg names, or makes one under a development certificate authority in cfg.DataDir.
// What an operator can cure comes back as *config.Problem.
func Open(cfg config.Config, opts Options) (*Certificates, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	c := &Certificates{deviceNames: cfg.DeviceRegistration.HostNames}
	var err error
	if cfg.TLS.CertificateFile != "" {
		c.source, err = openFiles(cfg.TLS, publicHosts(cfg), opts)
	} else {
		var dev *authority
		dev, err = openAuthority(cfg.DataDir, devNames(cfg), opts)
		if err == nil {
			c.source, c.caFile = dev, dev.caFile()
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// CAFile returns the path of the development certificate authority's certificate, which clients have to trust; "" when
// the server uses the operator's certificate.
func (c *Certificates) CAFile() string { return c.caFile }

// Main returns the configuration of the main listener.
func (c *Certificates) Main() *tls.Config {
	main, devices := c.config(), c.DeviceRegistration()
	main.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
		if slices.Contains(c.deviceNames, name) {
			return devices, nil
		}
		return nil, nil // main itself
	}
	return main
}

// DeviceRegistration returns the configuration of the listener that requests client certificates. A client may answer
// with none or with any: the handler looks at http.Request.TLS.PeerCertificates and judges. The handshake has proven
// that the client holds the key of the first one, and nothing else.
func (c *Certificates) DeviceRegistration() *tls.Config {
	devices := c.config()
	devices.ClientAuth = tls.RequestClientCert
	devices.SessionTicketsDisabled = true
	return devices
}

func (c *Certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.source.certificate() },
	}
}

// publicHosts are the names that clients are told to use.
func publicHosts(cfg config.Config) []string {
	var hosts []string
	for _, text := range []string{cfg.PublicURL, cfg.DeviceRegistration.URL} {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	return append(hosts, cfg.DeviceRegistration.HostNames...)
}

// devNames are the names of the development certificate, sorted, each once.
func devNames(cfg config.Config) []string {
	names := slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, publicHosts(cfg), cfg.TLS.HostNames)
	for i, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			names[i] = ip.String() // one spelling of an address
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesOf returns the names of a certificate in the order of devNames.
func namesOf(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return names
}
