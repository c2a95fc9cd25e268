package device_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/directory"
)

const (
	tenantA = directory.TenantID("11111111-2222-4333-8444-555555555555")
	tenantB = directory.TenantID("66666666-7777-4888-9999-aaaaaaaaaaaa")
	pilot   = directory.ObjectID("0a0b0c0d-0e0f-4a0b-8c0d-0e0f0a0b0c0d")
	// The device of the published sample (test vector 9.6 of the protocol notes).
	sampleDevice = "d9dc3483-8809-4802-a8fc-ac70d8591810"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func issue(t *testing.T, a *device.Authority, s device.CertificateSubject) *x509.Certificate {
	t.Helper()
	c, err := a.Issue(context.Background(), s, noon)
	if err != nil {
		t.Fatalf("Issue(%+v): %v", s, err)
	}
	return c
}

func subject(t *testing.T, tenant directory.TenantID) device.CertificateSubject {
	return device.CertificateSubject{
		Tenant: tenant, Device: sampleDevice, User: pilot, Trust: device.Joined, Key: &devicetest.Key(t).PublicKey,
	}
}

// The form of the certificate is what roadlib, libhimmelblau and Windows read. // S02
func TestIssuedCertificateHasTheFormThatClientsRead(t *testing.T) {
	a := &device.Authority{Secrets: &devicetest.Secrets{}}
	s := subject(t, tenantA)
	c := issue(t, a, s)

	if got, want := c.Subject.String(), "CN="+sampleDevice; got != want || len(c.Subject.Names) != 1 {
		t.Errorf("subject = %q with %d names, want %q alone", got, len(c.Subject.Names), want)
	}
	if c.Issuer.CommonName != "MS-Organization-Access" {
		t.Errorf("issuer = %q", c.Issuer)
	}
	if !s.Key.Equal(c.PublicKey) {
		t.Error("the certified key is not the key of the request")
	}
	if c.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("signed with %s", c.SignatureAlgorithm)
	}
	if got, want := c.NotAfter, noon.AddDate(10, 0, 0); !got.Equal(want) {
		t.Errorf("NotAfter = %s, want %s", got, want)
	}
	if c.NotBefore.After(noon) {
		t.Errorf("NotBefore = %s is later than the issue", c.NotBefore)
	}
	if c.IsCA || !c.BasicConstraintsValid {
		t.Error("the certificate does not say that it is no certificate authority")
	}
	if diff := cmp.Diff([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, c.ExtKeyUsage); diff != "" {
		t.Errorf("extended key usage: %s", diff)
	}
	critical := map[string]bool{"2.5.29.19": true, "2.5.29.37": true}
	for _, e := range c.Extensions {
		if e.Critical != critical[e.Id.String()] {
			t.Errorf("extension %s: critical = %t", e.Id, e.Critical)
		}
	}
}

func TestExtensionsHaveTheBytesOfThePublishedSample(t *testing.T) {
	c := issue(t, &device.Authority{Secrets: &devicetest.Secrets{}, Region: "NA"}, subject(t, tenantA))
	for oid, want := range map[string]string{
		"1.2.840.113556.1.5.284.2": "0481108334dcd909880248a8fcac70d8591810", // test vector 9.6
		"1.2.840.113556.1.5.284.3": "0481100d0c0b0a0f0e0b4a8c0d0e0f0a0b0c0d",
		"1.2.840.113556.1.5.284.4": "048110111111112222334384445555555555" + "55",
		"1.2.840.113556.1.5.284.5": "048110111111112222334384445555555555" + "55",
		"1.2.840.113556.1.5.284.7": "04810131",
		"1.2.840.113556.1.5.284.8": "0481024e41",
	} {
		if got := hex.EncodeToString(extension(c, oid)); got != want {
			t.Errorf("extension %s = %s, want %s", oid, got, want)
		}
	}
	if got := len(extension(c, "1.2.840.113556.1.5.284.1")); got != 19 {
		t.Errorf("extension .1 has %d bytes, want 19", got)
	}
}

func extension(c *x509.Certificate, oid string) []byte {
	for _, e := range c.Extensions {
		if e.Id.String() == oid {
			return e.Value
		}
	}
	return nil
}

func TestVerifyReturnsWhatWasCertified(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name  string
		spoil func(*device.CertificateSubject)
		want  device.Identity
	}{
		{"a joined device", func(*device.CertificateSubject) {},
			device.Identity{Tenant: tenantA, Device: sampleDevice, User: pilot, Joined: true, Region: "EU"}},
		{"a registered device", func(s *device.CertificateSubject) { s.Trust = device.Registered },
			device.Identity{Tenant: tenantA, Device: sampleDevice, User: pilot, Region: "EU"}},
		{"a hybrid joined device has no user", func(s *device.CertificateSubject) { s.Trust, s.User = device.HybridJoined, "" },
			device.Identity{Tenant: tenantA, Device: sampleDevice, Joined: true, Region: "EU"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &device.Authority{Secrets: &devicetest.Secrets{}}
			s := subject(t, tenantA)
			tt.spoil(&s)
			got, err := a.Verify(ctx, issue(t, a, s), noon.AddDate(9, 11, 0))
			if err != nil {
				t.Fatalf("Verify: %v", err)
			}
			tt.want.Authority, tt.want.Domain = got.Authority, uuid.MustParse(string(tenantA))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Verify (-want +got):\n%s", diff)
			}
			if got.Authority == uuid.Nil {
				t.Error("the authority has no id")
			}
		})
	}
}

// Only the tenant's own authority speaks for its devices. // P13
func TestVerifyRefuses(t *testing.T) {
	ctx := context.Background()
	a := &device.Authority{Secrets: &devicetest.Secrets{}}
	honest := issue(t, a, subject(t, tenantA))
	issue(t, a, subject(t, tenantB)) // so that tenant B has an authority too
	elsewhere := &device.Authority{Secrets: &devicetest.Secrets{}}

	for _, tt := range []struct {
		name string
		c    *x509.Certificate
		at   time.Time
	}{
		{"a certificate of another deployment for the same tenant", issue(t, elsewhere, subject(t, tenantA)), noon},
		{"a certificate for a tenant without an authority", issue(t, elsewhere, subject(t, "99999999-9999-4999-8999-999999999999")), noon},
		{"a certificate before its time", honest, noon.Add(-time.Hour)},
		{"a certificate after its time", honest, noon.AddDate(10, 0, 1)},
		{"a self-signed certificate that copies subject and extensions", selfSigned(t, honest), noon},
		{"a self-signed certificate without extensions", selfSigned(t, &x509.Certificate{Subject: honest.Subject}), noon},
		{"extensions that name another tenant than the one whose authority signed", relabelled(t, honest, tenantB), noon},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if id, err := a.Verify(ctx, tt.c, tt.at); !errors.Is(err, device.ErrCertificate) {
				t.Errorf("Verify = %+v, %v; want ErrCertificate", id, err)
			}
		})
	}
	if _, err := a.Verify(ctx, honest, noon); err != nil {
		t.Errorf("the honest certificate is refused: %v", err)
	}
}

func selfSigned(t *testing.T, like *x509.Certificate) *x509.Certificate {
	t.Helper()
	key := devicetest.Key(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: sampleDevice}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ExtraExtensions: microsoftExtensions(like),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, der)
}

// relabelled returns honest with the tenant id in its extensions replaced; its signature then covers other bytes.
func relabelled(t *testing.T, honest *x509.Certificate, to directory.TenantID) *x509.Certificate {
	t.Helper()
	other := issue(t, &device.Authority{Secrets: &devicetest.Secrets{}}, subject(t, to))
	c := *honest
	c.Extensions = other.Extensions
	c.RawTBSCertificate = other.RawTBSCertificate
	return &c
}

func microsoftExtensions(c *x509.Certificate) []pkix.Extension {
	var list []pkix.Extension
	for _, e := range c.Extensions {
		if len(e.Id) == 8 && e.Id[:7].Equal(asn1.ObjectIdentifier{1, 2, 840, 113556, 1, 5, 284}) {
			list = append(list, e)
		}
	}
	return list
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAuthorityIsMadeOnceAndKept(t *testing.T) {
	secrets := &devicetest.Secrets{}
	first, second := &device.Authority{Secrets: secrets}, &device.Authority{Secrets: secrets} // two nodes
	certificates := make(chan *x509.Certificate, 8)
	s := subject(t, tenantA)
	var wg sync.WaitGroup
	for i := range cap(certificates) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := []*device.Authority{first, second}[i%2].Issue(context.Background(), s, noon)
			if err != nil {
				t.Errorf("Issue: %v", err)
				return
			}
			certificates <- c
		}()
	}
	wg.Wait()
	close(certificates)
	if secrets.Len() != 1 {
		t.Errorf("%d secrets are kept, want 1", secrets.Len())
	}
	restarted := &device.Authority{Secrets: secrets}
	for c := range certificates {
		if _, err := restarted.Verify(context.Background(), c, noon); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	}
}

// A forged certificate must not make the server generate keys. // P14
func TestVerifyMakesNoAuthority(t *testing.T) {
	secrets := &devicetest.Secrets{}
	forged := issue(t, &device.Authority{Secrets: &devicetest.Secrets{}}, subject(t, tenantA))
	if _, err := (&device.Authority{Secrets: secrets}).Verify(context.Background(), forged, noon); !errors.Is(err, device.ErrCertificate) {
		t.Errorf("Verify: %v, want ErrCertificate", err)
	}
	if secrets.Len() != 0 {
		t.Errorf("Verify made %d secrets", secrets.Len())
	}
}

func TestAuthorityRefusesAKeptSecretThatIsNotItsOwn(t *testing.T) {
	secrets := &devicetest.Secrets{}
	name := "device-certificate-authority/" + string(tenantA)
	if _, err := secrets.PutSecret(context.Background(), name, []byte("not PEM")); err != nil {
		t.Fatal(err)
	}
	c, err := (&device.Authority{Secrets: secrets}).Issue(context.Background(), subject(t, tenantA), noon)
	if err == nil {
		t.Errorf("issued %v with a damaged key", c.Subject)
	}
}
