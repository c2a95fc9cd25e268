package device_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
)

func TestCertificateRequestIsAcceptedOrRefusedWithAReason(t *testing.T) {
	key := devicetest.Key(t)
	honest := devicetest.CertificateRequest(t, key)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		der  []byte
		want string // part of the error; "" for none
	}{
		{"the request that clients send", honest, ""},
		{"nothing", nil, "not PKCS#10"},
		{"text", []byte("-----BEGIN CERTIFICATE REQUEST-----"), "not PKCS#10"},
		{"a request that is cut short", honest[:len(honest)-1], "not PKCS#10"},
		{"a request with something behind it", append(bytes.Clone(honest), 0), "not PKCS#10"},
		{"a request that is too long to look at", make([]byte, 4<<10+1), "at most 4096"},
		{"a tampered signature", flip(honest, len(honest)-1), "does not verify"},
		{"another key under the same signature", replaceKey(t, honest, key, devicetest.Key(t)), "does not verify"},
		{"an elliptic curve key", devicetest.CertificateRequest(t, p256), "elliptic curve keys (P-256) are not supported"},
		{"an Ed25519 key", devicetest.CertificateRequest(t, ed), "algorithm is not supported"},
		{"a signature over SHA-512", devicetest.CertificateRequest(t, key, func(r *x509.CertificateRequest) {
			r.SignatureAlgorithm = x509.SHA512WithRSA
		}), "sign it with SHA256-RSA"},
		{"a subject of its own choice", devicetest.CertificateRequest(t, key, func(r *x509.CertificateRequest) {
			r.Subject = pkix.Name{CommonName: sampleDevice}
		}), "subject must be"},
		{"a subject with more than the constant", devicetest.CertificateRequest(t, key, func(r *x509.CertificateRequest) {
			r.Subject.Organization = []string{"Contoso"}
		}), "subject must be"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := device.ParseCertificateRequest(tt.der)
			switch {
			case tt.want == "" && (err != nil || !got.Equal(&key.PublicKey)):
				t.Errorf("ParseCertificateRequest = %v, %v; want the key of the request", got, err)
			case tt.want != "" && (!errors.Is(err, device.ErrRequest) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("ParseCertificateRequest: %v; want an error that says %q", err, tt.want)
			}
		})
	}
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1
	return c
}

func replaceKey(t *testing.T, der []byte, from, to *rsa.PrivateKey) []byte {
	t.Helper()
	c := bytes.Replace(der, from.N.Bytes(), to.N.Bytes(), 1)
	if bytes.Equal(c, der) {
		t.Fatal("the request does not contain its key")
	}
	return c
}

func TestKeysOutsideTheBoundsAreRefused(t *testing.T) {
	odd := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return n.SetBit(n, 0, 1)
	}
	for _, tt := range []struct {
		name string
		key  rsa.PublicKey
		ok   bool
	}{
		{"2048 bits", rsa.PublicKey{N: odd(2048), E: 65537}, true},
		{"4096 bits", rsa.PublicKey{N: odd(4096), E: 65537}, true},
		{"2047 bits", rsa.PublicKey{N: odd(2047), E: 65537}, false},
		{"4097 bits", rsa.PublicKey{N: odd(4097), E: 65537}, false},
		{"exponent 1, with which everything verifies", rsa.PublicKey{N: odd(2048), E: 1}, false},
		{"exponent 3", rsa.PublicKey{N: odd(2048), E: 3}, false},
		{"an even modulus", rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := device.CheckKey(&tt.key); (err == nil) != tt.ok {
				t.Errorf("CheckKey: %v", err)
			}
		})
	}
}

// FuzzCSR holds the parser to two promises: it does not panic, and a request that it accepts proves a key within bounds.
func FuzzCSR(f *testing.F) {
	recorded, err := os.ReadFile("testdata/request.der") // making a key takes seconds under the fuzzer's instruments
	if err != nil {
		f.Fatal(err)
	}
	f.Add(recorded)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := device.ParseCertificateRequest(der)
		if err != nil {
			if !errors.Is(err, device.ErrRequest) {
				t.Fatalf("ParseCertificateRequest: %v is not ErrRequest", err)
			}
			return
		}
		if err := device.CheckKey(key); err != nil {
			t.Fatalf("accepted a request with a key that is refused: %v", err)
		}
	})
}
