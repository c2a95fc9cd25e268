package servertls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"boundgate/internal/config"
	"boundgate/internal/seal"
)

// A world is a data directory, a master key and a clock.
type world struct {
	cfg  config.Config
	keys *seal.Keyring
	now  time.Time
	log  bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cfg := config.Config{DataDir: filepath.Join(t.TempDir(), "data"), PublicURL: "https://login.contoso.example",
		DeviceRegistration: config.DeviceRegistration{HostNames: []string{"enterpriseregistration.contoso.example"}},
		TLS:                config.TLS{HostNames: []string{"192.0.2.7"}},
	}
	return &world{cfg: cfg.WithDefaults(), keys: seal.Generate(), now: time.Now()}
}

func (w *world) options() Options {
	return Options{Keys: w.keys, Now: func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
}

func (w *world) open(t *testing.T) *Certificates {
	t.Helper()
	c, err := Open(w.cfg, w.options())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trust returns a client's configuration that trusts a PEM file.
func (w *world) trust(t *testing.T, file, name string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate in %s", file)
	}
	return &tls.Config{RootCAs: pool, ServerName: name, Time: func() time.Time { return w.now }}
}

// handshake connects a client and a server over loopback and returns what each of them saw.
func handshake(t *testing.T, server, client *tls.Config) (seenByServer, seenByClient tls.ConnectionState, err error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			done <- err
			return
		}
		defer raw.Close()
		conn := tls.Server(raw, server)
		err = conn.Handshake()
		seenByServer = conn.ConnectionState()
		if err == nil {
			_, err = conn.Write([]byte("x")) // carries the session tickets of TLS 1.3 along
		}
		done <- err
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err != nil {
		<-done
		return seenByServer, seenByClient, err
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Logf("client reads: %v", err)
	}
	return seenByServer, conn.ConnectionState(), errors.Join(<-done)
}

// deviceCertificate is a self-signed certificate such as nobody vouches for.
func deviceCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	pair, err := newAuthority([]string{"device"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{pair.cert.Raw}, PrivateKey: pair.key}
}

func TestTheDevelopmentCertificateServesEveryConfiguredName(t *testing.T) {
	w := newWorld(t)
	c := w.open(t)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "192.0.2.7", "login.contoso.example", "enterpriseregistration.contoso.example"} {
		if _, _, err := handshake(t, c.Main(), w.trust(t, c.CAFile(), name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := handshake(t, c.Main(), w.trust(t, c.CAFile(), "login.fabrikam.example")); err == nil {
		t.Error("the certificate serves a name that was not configured")
	}
}

func TestClientCertificatesAreRequestedOnlyWhereDevicesRegister(t *testing.T) {
	w := newWorld(t)
	c := w.open(t)
	for _, tc := range []struct {
		name   string
		server *tls.Config
		sni    string
		want   int
	}{
		{"the main listener asks for none", c.Main(), "login.contoso.example", 0},
		{"the main listener asks for one under a device's name", c.Main(), "enterpriseregistration.contoso.example", 1},
		{"whatever the case of that name", c.Main(), "EnterpriseRegistration.Contoso.Example", 1},
		{"the listener for devices always asks", c.DeviceRegistration(), "localhost", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := 0
			client := w.trust(t, c.CAFile(), tc.sni)
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked++
				device := deviceCertificate(t)
				return &device, nil
			}
			seen, _, err := handshake(t, tc.server, client)
			if err != nil {
				t.Fatal(err)
			}
			if asked != tc.want || len(seen.PeerCertificates) != tc.want {
				t.Errorf("asked %d times, server sees %d certificates; want %d", asked, len(seen.PeerCertificates), tc.want)
			}
			if len(seen.VerifiedChains) != 0 {
				t.Error("TLS vouches for a device's certificate")
			}
		})
	}
}

func TestAClientWithoutACertificateMayStillRegister(t *testing.T) {
	w := newWorld(t)
	c := w.open(t)
	if seen, _, err := handshake(t, c.DeviceRegistration(), w.trust(t, c.CAFile(), "localhost")); err != nil || len(seen.PeerCertificates) != 0 {
		t.Errorf("%d certificates, %v", len(seen.PeerCertificates), err)
	}
}

// P01: a copied session ticket would stand for a device's key, so there is none.
func TestAConnectionWithAClientCertificateIsNeverResumed(t *testing.T) {
	w := newWorld(t)
	c := w.open(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, tc := range map[string]struct {
			server *tls.Config
			sni    string
			want   bool
		}{
			"main, for a browser":     {c.Main(), "login.contoso.example", true},
			"main, for a device":      {c.Main(), "enterpriseregistration.contoso.example", false},
			"the listener of devices": {c.DeviceRegistration(), "localhost", false},
		} {
			client := w.trust(t, c.CAFile(), tc.sni)
			client.MaxVersion = version
			client.Certificates = []tls.Certificate{deviceCertificate(t)}
			client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
			var seen tls.ConnectionState
			for range 2 {
				var err error
				if seen, _, err = handshake(t, tc.server, client); err != nil {
					t.Fatal(err)
				}
			}
			if seen.DidResume != tc.want {
				t.Errorf("%s, %s: resumed %t, want %t", name, tls.VersionName(version), seen.DidResume, tc.want)
			}
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.open(t)
	for name, server := range map[string]*tls.Config{"main": c.Main(), "devices": c.DeviceRegistration()} {
		client := w.trust(t, c.CAFile(), "localhost")
		client.MinVersion, client.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if _, _, err := handshake(t, server, client); err == nil {
			t.Errorf("%s accepts TLS 1.1", name)
		}
	}
}

func TestTheDevelopmentAuthorityIsKeptAndMayNotSignForOthers(t *testing.T) {
	w := newWorld(t)
	ca := readCertificate(t, w.open(t).CAFile())
	if again := readCertificate(t, w.open(t).CAFile()); !ca.Equal(again) {
		t.Error("a restart makes a new authority: clients would have to trust it anew")
	}
	if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero || !ca.PermittedDNSDomainsCritical {
		t.Errorf("the authority is not constrained: CA %t, path length %d, critical names %t", ca.IsCA, ca.MaxPathLen, ca.PermittedDNSDomainsCritical)
	}
	dev, err := openAuthority(w.cfg.DataDir, devNames(w.cfg), w.options())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bank.example", "contoso.example", "198.51.100.1"} {
		stolen, err := dev.ca.issue([]string{name}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(ca)
		if _, err := stolen.cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: w.now}); err == nil {
			t.Errorf("the authority vouches for %s", name)
		}
	}
}

func readCertificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// P16
func TestKeysOfDevelopmentCertificatesAreSealed(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.open(t).CAFile())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{"ca.pem": 0o644, "server.pem": 0o644, "ca.key.sealed": 0o600, "server.key.sealed": 0o600}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode() != want[entry.Name()] {
			t.Errorf("%s has mode %v, want %v", entry.Name(), info.Mode(), want[entry.Name()])
		}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
				t.Errorf("%s holds a key in the clear", entry.Name())
			}
		}
		delete(want, entry.Name())
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}

	w.keys = seal.Generate()
	_, err = Open(w.cfg, w.options())
	var p *config.Problem
	if !errors.As(err, &p) || !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("another master key: %v", err)
	}
}

// P16: a key that was moved to the place of another is not used.
func TestExchangedKeysOfDevelopmentCertificatesAreNotUsed(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.open(t).CAFile())
	before := readCertificate(t, filepath.Join(dir, "server.pem"))
	text, err := os.ReadFile(filepath.Join(dir, "ca.key.sealed"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.key.sealed"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := w.open(t)
	if readCertificate(t, filepath.Join(dir, "server.pem")).Equal(before) {
		t.Error("the certificate is still used with a key that is not its own")
	}
	if _, _, err := handshake(t, c.Main(), w.trust(t, c.CAFile(), "localhost")); err != nil {
		t.Error(err)
	}
}

func TestADevelopmentCertificateIsRenewedBeforeItEnds(t *testing.T) {
	w := newWorld(t)
	c := w.open(t)
	_, first, err := handshake(t, c.Main(), w.trust(t, c.CAFile(), "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(leafLifetime - renewBefore + time.Minute) // without a restart
	_, second, err := handshake(t, c.Main(), w.trust(t, c.CAFile(), "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	if first.PeerCertificates[0].Equal(second.PeerCertificates[0]) {
		t.Error("the old certificate is still served")
	}
	if !first.PeerCertificates[1].Equal(second.PeerCertificates[1]) {
		t.Error("the authority changed with it")
	}
	if life := second.PeerCertificates[0].NotAfter.Sub(second.PeerCertificates[0].NotBefore); life > 398*24*time.Hour {
		t.Errorf("the certificate lasts %s, longer than browsers accept", life)
	}
}

func TestChangedHostNamesGetACertificateAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	before := readCertificate(t, w.open(t).CAFile())
	w.cfg.TLS.HostNames = nil // fewer names: the authority stays
	if c := w.open(t); !readCertificate(t, c.CAFile()).Equal(before) {
		t.Error("fewer names made a new authority")
	}
	if leaf := readCertificate(t, filepath.Join(w.cfg.DataDir, "tls", "server.pem")); leaf.VerifyHostname("192.0.2.7") == nil {
		t.Error("the certificate keeps a name that was removed")
	}
	w.cfg.TLS.HostNames = []string{"new.contoso.example"}
	c := w.open(t)
	if _, _, err := handshake(t, c.Main(), w.trust(t, c.CAFile(), "new.contoso.example")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(w.log.String(), "trust it anew") {
		t.Errorf("nobody is told that the authority changed: %s", &w.log)
	}
}

// writePair writes a certificate for name and its key as an operator would.
func writePair(t *testing.T, dir, name string, now time.Time) config.TLS {
	t.Helper()
	pair, err := newAuthority([]string{name}, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pair.issue([]string{name}, now)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.TLS{CertificateFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	write(t, cfg.CertificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.cert.Raw}))
	write(t, cfg.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	return cfg
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateFilesAreServedAndReadAgainWhenTheyChange(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.cfg.TLS = writePair(t, dir, "login.contoso.example", w.now)
	c := w.open(t)
	served := func() *x509.Certificate {
		t.Helper()
		cert, err := c.source.certificate()
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	first := served()
	if _, seen, err := handshake(t, c.Main(), &tls.Config{InsecureSkipVerify: true}); err != nil || !seen.PeerCertificates[0].Equal(first) {
		t.Fatalf("the handshake does not use the file: %v", err)
	}
	if c.CAFile() != "" {
		t.Errorf("a development authority beside a real certificate: %s", c.CAFile())
	}

	write(t, w.cfg.TLS.KeyFile, []byte("half a renewal"))
	w.now = w.now.Add(lookAgain)
	if !served().Equal(first) {
		t.Error("a broken pair replaced the good one")
	}
	if !strings.Contains(w.log.String(), "the old one stays in use") {
		t.Errorf("nobody is told: %s", &w.log)
	}

	writePair(t, dir, "login.contoso.example", w.now)
	w.now = w.now.Add(lookAgain)
	if served().Equal(first) {
		t.Error("the renewed certificate is not served")
	}

	second := served()
	if err := os.Remove(w.cfg.TLS.KeyFile); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(lookAgain)
	if !served().Equal(second) {
		t.Error("a missing file took the certificate away")
	}
}

func TestCertificateFilesAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, cfg config.TLS){
		"when the key is missing":         func(t *testing.T, cfg config.TLS) { t.Helper(); must(t, os.Remove(cfg.KeyFile)) },
		"when the certificate is missing": func(t *testing.T, cfg config.TLS) { t.Helper(); must(t, os.Remove(cfg.CertificateFile)) },
		"when the key is of another": func(t *testing.T, cfg config.TLS) {
			t.Helper()
			must(t, os.Rename(writePair(t, t.TempDir(), "x", time.Now()).KeyFile, cfg.KeyFile))
		},
		"when everyone may read the key": func(t *testing.T, cfg config.TLS) { t.Helper(); must(t, os.Chmod(cfg.KeyFile, 0o644)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.TLS = writePair(t, t.TempDir(), "login.contoso.example", w.now)
			spoil(t, w.cfg.TLS)
			_, err := Open(w.cfg, w.options())
			var p *config.Problem
			if !errors.As(err, &p) || p.Remedy == "" {
				t.Errorf("got %v, want a problem with a remedy", err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestACertificateThatDoesNotFitThePublicNameIsReported(t *testing.T) {
	w := newWorld(t)
	w.cfg.TLS = writePair(t, t.TempDir(), "other.example", w.now)
	w.open(t)
	if !strings.Contains(w.log.String(), "login.contoso.example") {
		t.Errorf("the log does not name the host: %s", &w.log)
	}
}
