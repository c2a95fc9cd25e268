package device

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// requestSubject is the common name of every certificate request (MS-DVRJ 3.1.5.1): the device id is the server's to choose.
const requestSubject = "7E980AD9-B86D-4306-9425-9AC066FB014A"

// maxRequestBytes bounds a certificate request; one with a key of 4096 bits takes about 1.2 KiB.
const maxRequestBytes = 4 << 10

// The keys that are certified.
const (
	minKeyBits  = 2048
	maxKeyBits  = 4096
	keyExponent = 65537
)

// ErrRequest means that a certificate request or a key is not acceptable; the error around it says what is wrong and what
// to send instead.
var ErrRequest = errors.New("device: the key cannot be certified")

// ParseCertificateRequest checks a PKCS#10 request in DER (RFC 2986) and returns the key that it proves possession of. The
// request names nobody: nothing but the key is taken from it.
func ParseCertificateRequest(der []byte) (*rsa.PublicKey, error) {
	if len(der) > maxRequestBytes {
		return nil, fmt.Errorf("%w: the certificate request has %d bytes; at most %d are read", ErrRequest, len(der), maxRequestBytes)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the certificate request is not PKCS#10 in DER", ErrRequest)
	}
	key, err := requestKey(csr)
	if err != nil {
		return nil, err
	}
	// The algorithm is fixed here, not chosen by the message (P04).
	if csr.SignatureAlgorithm != x509.SHA256WithRSA {
		return nil, fmt.Errorf("%w: the certificate request is signed with %s; sign it with SHA256-RSA", ErrRequest, csr.SignatureAlgorithm)
	}
	if len(csr.Subject.Names) != 1 || !strings.EqualFold(csr.Subject.CommonName, requestSubject) {
		return nil, fmt.Errorf("%w: the certificate request's subject must be CN=%s alone", ErrRequest, requestSubject)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: the signature of the certificate request does not verify", ErrRequest)
	}
	return key, nil
}

func requestKey(csr *x509.CertificateRequest) (*rsa.PublicKey, error) {
	switch key := csr.PublicKey.(type) {
	case *rsa.PublicKey:
		return key, CheckKey(key)
	case *ecdsa.PublicKey:
		return nil, fmt.Errorf("%w: elliptic curve keys (%s) are not supported; send an RSA key of %d bits",
			ErrRequest, key.Curve.Params().Name, minKeyBits)
	default:
		return nil, fmt.Errorf("%w: the key's algorithm is not supported; send an RSA key of %d bits", ErrRequest, minKeyBits)
	}
}

// CheckKey refuses RSA keys that are too short, too long to be worked with in bounded time, or degenerate.
func CheckKey(key *rsa.PublicKey) error {
	bits := key.N.BitLen()
	switch {
	case bits < minKeyBits || bits > maxKeyBits:
		return fmt.Errorf("%w: the RSA key has %d bits; it must have %d to %d", ErrRequest, bits, minKeyBits, maxKeyBits)
	case key.E != keyExponent:
		return fmt.Errorf("%w: the RSA key's public exponent must be %d", ErrRequest, keyExponent)
	case key.N.Bit(0) == 0:
		return fmt.Errorf("%w: the RSA key's modulus is even", ErrRequest)
	}
	return nil
}
