package servertls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"boundgate/internal/config"
	"boundgate/internal/seal"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	// leafLifetime stays below the 398 days that browsers accept at most.
	leafLifetime = 397 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = 30 * 24 * time.Hour
	// backdate lets clients with a slow clock accept a new certificate.
	backdate = time.Hour
)

// An authority is the development certificate authority and the certificate that it issued to this server. Their
// certificates are public files in the directory "tls" of the data directory; their keys lie beside them, sealed.
//
// Its certificate is constrained to the names of this server (RFC 5280 section 4.2.1.10): whoever trusts it trusts it for
// nothing else, whatever becomes of its key.
type authority struct {
	dir   string
	names []string
	opts  Options

	mu   sync.Mutex
	ca   *issued
	leaf *issued
}

// An issued certificate with its private key.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// openAuthority loads or makes the authority and a certificate for names.
func openAuthority(dataDir string, names []string, opts Options) (*authority, error) {
	a := &authority{dir: filepath.Join(dataDir, "tls"), names: names, opts: opts}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return nil, &config.Problem{Where: "data_dir", What: "the directory of the development certificates cannot be made", Cause: err,
			Remedy: "Set data_dir to a directory that the server may write, or set [tls] certificate_file and key_file."}
	}
	var err error
	if a.ca, err = a.load("ca"); err != nil {
		return nil, err
	}
	if a.leaf, err = a.load("server"); err != nil {
		return nil, err
	}
	return a, a.renew()
}

func (a *authority) caFile() string { return filepath.Join(a.dir, "ca.pem") }

// certificate answers a handshake, with a new certificate when the old one is near its end.
func (a *authority) certificate() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.renew(); err != nil {
		return nil, err
	}
	// The authority's certificate goes along: harmless, and it lets a client show what it has to trust.
	return &tls.Certificate{Certificate: [][]byte{a.leaf.cert.Raw, a.ca.cert.Raw}, PrivateKey: a.leaf.key, Leaf: a.leaf.cert}, nil
}

// renew replaces the authority and the certificate where they do not serve any more.
func (a *authority) renew() error {
	now := a.opts.Now()
	if !a.authorityServes(now) {
		if a.ca != nil {
			a.opts.Log.Warn("a new development certificate authority is made, because the old one is near its end or may not sign for the configured host names; clients have to trust it anew",
				"file", a.caFile(), "host_names", a.names)
		}
		ca, err := newAuthority(a.names, now)
		if err != nil {
			return err
		}
		if err := a.store("ca", ca); err != nil {
			return err
		}
		a.ca = ca
	}
	if a.leafServes(now) {
		return nil
	}
	leaf, err := a.ca.issue(a.names, now)
	if err != nil {
		return err
	}
	if err := a.store("server", leaf); err != nil {
		return err
	}
	a.opts.Log.Info("a development certificate was issued", "host_names", a.names, "not_after", leaf.cert.NotAfter)
	a.leaf = leaf
	return nil
}

// authorityServes reports whether the authority lasts and may sign for every name.
func (a *authority) authorityServes(now time.Time) bool {
	if a.ca == nil || !inForce(a.ca.cert, now) || !a.ca.cert.IsCA {
		return false
	}
	dnsNames, addresses := split(a.names)
	for _, name := range dnsNames {
		if !slices.Contains(a.ca.cert.PermittedDNSDomains, name) {
			return false
		}
	}
	for _, ip := range addresses {
		if !slices.ContainsFunc(a.ca.cert.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) }) {
			return false
		}
	}
	return true
}

// leafServes reports whether the certificate lasts, has the configured names and comes from this authority.
func (a *authority) leafServes(now time.Time) bool {
	return a.leaf != nil && inForce(a.leaf.cert, now) && slices.Equal(namesOf(a.leaf.cert), a.names) &&
		a.leaf.cert.CheckSignatureFrom(a.ca.cert) == nil
}

// inForce reports whether cert is valid now and for a while yet.
func inForce(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter.Add(-renewBefore))
}

// newAuthority makes a self-signed authority that may sign for names only.
func newAuthority(names []string, now time.Time) (*issued, error) {
	dnsNames, addresses := split(names)
	template := &x509.Certificate{
		SerialNumber:                newSerial(),
		Subject:                     pkix.Name{Organization: []string{"Boundgate"}, CommonName: "Boundgate development " + now.UTC().Format("2006-01-02 15:04")},
		NotBefore:                   now.Add(-backdate),
		NotAfter:                    now.Add(authorityLifetime),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         dnsNames,
		PermittedIPRanges:           singles(addresses),
	}
	return sign(template, nil)
}

// issue makes a server certificate for names.
func (ca *issued) issue(names []string, now time.Time) (*issued, error) {
	dnsNames, addresses := split(names)
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{Organization: []string{"Boundgate"}, CommonName: "Boundgate development server"},
		NotBefore:    now.Add(-backdate),
		NotAfter:     earlier(now.Add(leafLifetime), ca.cert.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     dnsNames,
		IPAddresses:  addresses,

		BasicConstraintsValid: true,
	}
	return sign(template, ca)
}

// sign makes a key and a certificate for it, signed by ca or, where that is nil, by the key itself.
func sign(template *x509.Certificate, ca *issued) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a certificate's key: %w", err)
	}
	if ca == nil {
		ca = &issued{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back a certificate: %w", err)
	}
	return &issued{cert: cert, key: key}, nil
}

func split(names []string) (dnsNames []string, addresses []net.IP) {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			addresses = append(addresses, ip)
		} else {
			dnsNames = append(dnsNames, name)
		}
	}
	return dnsNames, addresses
}

// singles returns a network of one for each address.
func singles(addresses []net.IP) []*net.IPNet {
	var nets []*net.IPNet
	for _, ip := range addresses {
		if v4 := ip.To4(); v4 != nil {
			ip = v4
		}
		nets = append(nets, &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))})
	}
	return nets
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// newSerial returns a positive number of 127 random bits, RFC 5280 section 4.1.2.2.
func newSerial() *big.Int {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand stops the program instead
	raw[0] &= 0x7f
	raw[15] |= 1
	return new(big.Int).SetBytes(raw[:])
}

// keyPEM is the type of a PEM block that holds a sealed key.
const keyPEM = "BOUNDGATE SEALED KEY"

// place is where a key belongs. Its certificate's serial number is part of it, so that key and certificate stay a pair.
func place(name string, cert *x509.Certificate) seal.AssociatedData {
	return seal.AssociatedData{Table: "tls", Row: name + "/" + cert.SerialNumber.Text(16), Column: "key"}
}

// store writes a certificate, readable by everyone who may enter the directory, and its sealed key in one file each.
func (a *authority) store(name string, pair *issued) error {
	der, err := x509.MarshalECPrivateKey(pair.key)
	if err != nil {
		return fmt.Errorf("encode a certificate's key: %w", err)
	}
	sealed, err := a.opts.Keys.Seal(der, place(name, pair.cert))
	if err != nil {
		return fmt.Errorf("seal a certificate's key: %w", err)
	}
	// The key first: a certificate without its key is one that load leaves out.
	if err := replace(a.keyFile(name), pem.EncodeToMemory(&pem.Block{Type: keyPEM, Bytes: sealed}), 0o600); err != nil {
		return err
	}
	return replace(a.certFile(name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.cert.Raw}), 0o644)
}

func (a *authority) certFile(name string) string { return filepath.Join(a.dir, name+".pem") }
func (a *authority) keyFile(name string) string  { return filepath.Join(a.dir, name+".key.sealed") }

// replace writes a file in one step: others see the old or the new one.
func replace(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", filepath.Base(path), errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, writeErr := f.Write(text)
	if err := errors.Join(writeErr, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// load reads a pair. It returns nil when there is none or the two do not belong together, as after an interrupted store:
// a development certificate is soon made anew. A key that is sealed under another master key is an error.
func (a *authority) load(name string) (*issued, error) {
	cert, err := readPEM(a.certFile(name), "CERTIFICATE")
	if cert == nil || err != nil {
		return nil, err
	}
	sealed, err := readPEM(a.keyFile(name), keyPEM)
	if sealed == nil || err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		return nil, damaged(a.certFile(name), err)
	}
	der, err := a.opts.Keys.Open(sealed, place(name, parsed))
	switch {
	case errors.Is(err, seal.ErrOpen):
		return nil, nil // not a pair
	case err != nil:
		return nil, damaged(a.keyFile(name), err)
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, damaged(a.keyFile(name), err)
	}
	if !key.PublicKey.Equal(parsed.PublicKey) {
		return nil, nil // not a pair
	}
	return &issued{cert: parsed, key: key}, nil
}

// readPEM returns the bytes of a file's only PEM block; nil when there is no file.
func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read development certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, damaged(path, fmt.Errorf("it is not a PEM block of type %s", kind))
	}
	return block.Bytes, nil
}

func damaged(path string, cause error) error {
	return &config.Problem{Where: path, What: "cannot be used", Cause: cause,
		Remedy: "Restore it from the backup of the data directory, or remove the directory " + filepath.Dir(path) + " to have new development certificates made."}
}
