// Package devicetest has what tests of device registration need on the device's side: keys and certificate requests, and a
// small working store of secrets.
package devicetest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"sync"
	"testing"
)

// RequestSubject is the common name of every certificate request.
const RequestSubject = "7E980AD9-B86D-4306-9425-9AC066FB014A"

// Key makes an RSA key of 2048 bits.
func Key(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("generate a key: %v", err)
	}
	return key
}

// CertificateRequest returns the PKCS#10 request, in DER, that a device sends for key. Each change may spoil the template.
func CertificateRequest(t testing.TB, key crypto.Signer, changes ...func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: RequestSubject}}
	for _, change := range changes {
		change(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatalf("make a certificate request: %v", err)
	}
	return der
}

// Secrets keeps secrets in memory. The zero value is empty and ready.
type Secrets struct {
	mu   sync.Mutex
	kept map[string][]byte
}

// Secret returns the secret with this name; false where there is none.
func (s *Secrets) Secret(_ context.Context, name string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.kept[name]
	return value, ok, nil
}

// PutSecret keeps value under name unless there is one already, and returns the one that is kept.
func (s *Secrets) PutSecret(_ context.Context, name string, value []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.kept[name]; ok {
		return first, nil
	}
	if s.kept == nil {
		s.kept = map[string][]byte{}
	}
	s.kept[name] = value
	return value, nil
}

// Len returns how many secrets are kept.
func (s *Secrets) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}
