package device

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the wire's certificate thumbprint and the name-based GUID are SHA-1; neither protects anything
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/directory"
)

// Secrets keeps sealed secrets by name.
type Secrets interface {
	// Secret returns the secret with this name; false where there is none.
	Secret(ctx context.Context, name string) ([]byte, bool, error)
	// PutSecret keeps value under name unless there is one already, and returns the one that is kept.
	PutSecret(ctx context.Context, name string, value []byte) ([]byte, error)
}

// ErrCertificate means that a certificate is not a device certificate of one of our tenants, or no longer valid.
var ErrCertificate = errors.New("device: not a valid device certificate")

// Lifetimes of certificates. The clock of a device may be behind by backdate.
const (
	authorityYears   = 20
	certificateYears = 10
	backdate         = 5 * time.Minute
)

const authorityBits = 2048

// DefaultRegion is written into device certificates where the Authority does not say.
const DefaultRegion = "EU"

// An Authority is the certificate authority of every tenant: each has a key and a self-signed certificate of its own, made
// when its first device registers and kept among the secrets.
type Authority struct {
	Secrets Secrets
	Region  string // of the tenants, as written into certificates; "" means DefaultRegion

	mu      sync.Mutex // held while an issuer is read or made, so that one request makes the key and the others wait
	issuers map[directory.TenantID]*issuer
}

// An issuer is one tenant's key and certificate.
type issuer struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
	id          uuid.UUID
}

// A CertificateSubject is whom a device certificate is issued to.
type CertificateSubject struct {
	Tenant directory.TenantID
	Device string             // lower-case GUID
	User   directory.ObjectID // "" for a hybrid join
	Trust  TrustType
	Key    *rsa.PublicKey
}

// Issue signs a device certificate, valid from at for ten years.
func (a *Authority) Issue(ctx context.Context, s CertificateSubject, at time.Time) (*x509.Certificate, error) {
	if err := CheckKey(s.Key); err != nil {
		return nil, err
	}
	by, err := a.issuer(ctx, s.Tenant, at)
	if err != nil {
		return nil, fmt.Errorf("certificate authority of tenant %s: %w", s.Tenant, err)
	}
	template, err := a.template(by, s, at)
	if err != nil {
		return nil, fmt.Errorf("device certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, s.Key, by.key)
	if err != nil {
		return nil, fmt.Errorf("sign device certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func (a *Authority) template(by *issuer, s CertificateSubject, at time.Time) (*x509.Certificate, error) {
	tenant, err := uuid.Parse(string(s.Tenant))
	if err != nil {
		return nil, fmt.Errorf("tenant id: %w", err)
	}
	extensions, err := Identity{
		Tenant: s.Tenant, Device: s.Device, User: s.User, Authority: by.id, Domain: tenant,
		Joined: s.Trust != Registered, Region: a.region(),
	}.extensions()
	if err != nil {
		return nil, err
	}
	usage, err := clientAuthentication()
	if err != nil {
		return nil, err
	}
	until := at.AddDate(certificateYears, 0, 0)
	if until.After(by.certificate.NotAfter) {
		until = by.certificate.NotAfter
	}
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: s.Device}, SignatureAlgorithm: x509.SHA256WithRSA,
		NotBefore: at.Add(-backdate), NotAfter: until, BasicConstraintsValid: true,
		ExtraExtensions: append([]pkix.Extension{usage}, extensions...),
	}, nil
}

func (a *Authority) region() string {
	if a.Region == "" {
		return DefaultRegion
	}
	return a.Region
}

// clientAuthentication is the extended key usage as a critical extension, which the library would not make critical.
func clientAuthentication() (pkix.Extension, error) {
	value, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 2}})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: value}, err
}

// Verify checks that a certificate was issued to a device by its tenant's authority and is valid at this time, and returns
// whom it names. Whether the sender holds the key, and whether the device is still registered, it cannot tell. An error
// that is ErrCertificate blames the certificate; any other is a failure of the server.
func (a *Authority) Verify(ctx context.Context, c *x509.Certificate, at time.Time) (Identity, error) {
	id, err := identityOf(c)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	by, err := a.knownIssuer(ctx, id.Tenant)
	if err != nil {
		return Identity{}, fmt.Errorf("certificate authority of tenant %s: %w", id.Tenant, err)
	}
	if by == nil { // a tenant without an authority has no devices; asking must not make one
		return Identity{}, fmt.Errorf("%w: issued by another authority", ErrCertificate)
	}
	roots := x509.NewCertPool()
	roots.AddCert(by.certificate)
	_, err = c.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return id, nil
}

// issuer returns the tenant's issuer, making it on first use.
func (a *Authority) issuer(ctx context.Context, tenant directory.TenantID, at time.Time) (*issuer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	by, err := a.load(ctx, tenant)
	if err != nil || by != nil {
		return by, err
	}
	text, err := newIssuer(at)
	if err != nil {
		return nil, err
	}
	// Another node may have been first; what is kept is what counts.
	kept, err := a.Secrets.PutSecret(ctx, secretName(tenant), text)
	if err != nil {
		return nil, fmt.Errorf("keep key: %w", err)
	}
	return a.remember(tenant, kept)
}

// knownIssuer returns the tenant's issuer, or nil where the tenant has none yet.
func (a *Authority) knownIssuer(ctx context.Context, tenant directory.TenantID) (*issuer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.load(ctx, tenant)
}

func (a *Authority) load(ctx context.Context, tenant directory.TenantID) (*issuer, error) {
	if by, ok := a.issuers[tenant]; ok {
		return by, nil
	}
	text, ok, err := a.Secrets.Secret(ctx, secretName(tenant))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return a.remember(tenant, text)
}

func (a *Authority) remember(tenant directory.TenantID, text []byte) (*issuer, error) {
	by, err := parseIssuer(text)
	if err != nil {
		return nil, err
	}
	if a.issuers == nil {
		a.issuers = map[directory.TenantID]*issuer{}
	}
	a.issuers[tenant] = by
	return by, nil
}

func secretName(tenant directory.TenantID) string {
	return "device-certificate-authority/" + string(tenant)
}

// The two blocks of an issuer's PEM text.
const (
	pemKey         = "PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
)

// newIssuer makes a key and a certificate, and returns both as one secret, so that neither exists without the other.
func newIssuer(at time.Time) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, authorityBits)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	template := &x509.Certificate{
		Subject: authorityName(), SignatureAlgorithm: x509.SHA256WithRSA,
		NotBefore: at.Add(-backdate), NotAfter: at.AddDate(authorityYears, 0, 0),
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign own certificate: %w", err)
	}
	return append(
		pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: keyDER}),
		pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: certificate})...), nil
}

// authorityName is the name that clients know the issuer of device certificates by. Every tenant's authority has it.
func authorityName() pkix.Name {
	component := func(value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{
			Type:  asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, // domainComponent, RFC 4519 section 2.4
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(value)},
		}
	}
	return pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		component("net"), component("windows"),
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "MS-Organization-Access"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "82dbaca4-3e81-46ca-9c73-0950c1eaca97"},
	}}
}

func parseIssuer(text []byte) (*issuer, error) {
	keyBlock, rest := pem.Decode(text)
	certificateBlock, _ := pem.Decode(rest)
	if keyBlock == nil || certificateBlock == nil || keyBlock.Type != pemKey || certificateBlock.Type != pemCertificate {
		return nil, errors.New("the kept secret is not a key and a certificate")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, not an RSA key", parsed)
	}
	certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("key and certificate do not belong together")
	}
	return &issuer{key: key, certificate: certificate, id: uuid.NewSHA1(uuid.Nil, certificate.RawSubjectPublicKeyInfo)}, nil
}

// Thumbprint returns the SHA-1 of a certificate as upper-case hex, by which the wire names certificates. It finds a record
// and proves nothing.
func Thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // see above
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// KeyThumbprint returns the SHA-256 of a SubjectPublicKeyInfo in base64url, by which a device is found from its key.
func KeyThumbprint(spki []byte) string {
	sum := sha256.Sum256(spki)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
