package brokertest

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// The organisation and its people. All of them have the same password.
const (
	Tenant   = directory.TenantID("3f2b8a51-6f0d-4b52-9d0c-5d9c2b7e1a10")
	Domain   = "contoso.example"
	Alice    = "alice@contoso.example"
	Bob      = "bob@contoso.example"
	Password = "correct horse battery staple"
)

// Exchange is a resource that every tenant has.
const Exchange = "https://outlook.office365.com"

func (s *Server) organisation(t testing.TB) {
	t.Helper()
	ctx, now := context.Background(), s.Now()
	err := s.Store.FoundTenant(ctx, directory.Founding{Tenant: directory.Tenant{
		ID: Tenant, DisplayName: "Contoso", CreatedAt: now, Domains: []directory.Domain{{Name: Domain, Verified: true, Initial: true}},
	}}, s.row("Create tenant"))
	if err != nil {
		t.Fatalf("create the tenant: %v", err)
	}
	hash, err := s.passwords.Hash(ctx, Password)
	if err != nil {
		t.Fatalf("hash the password: %v", err)
	}
	for _, name := range []string{Alice, Bob} {
		err := s.Store.CreateUser(ctx, directory.User{
			ID: directory.ObjectID(uuid.NewString()), Tenant: Tenant, UPN: name, DisplayName: name, Enabled: true,
			Type: directory.Member, PasswordHash: hash, PasswordChangedAt: now.Add(-time.Hour),
			SessionsValidFrom: now.Add(-time.Hour), CreatedAt: now.Add(-time.Hour),
		}, s.row("Add user"))
		if err != nil {
			t.Fatalf("create %s: %v", name, err)
		}
	}
}

// Synchronise makes the object of an on-premises computer, as an administrator does with the certificate that the computer
// gave.
func (s *Server) Synchronise(t testing.TB, id, sid, certificate string) {
	t.Helper()
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		t.Fatalf("the computer's certificate is not PEM: %q", certificate)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatalf("parse the computer's certificate: %v", err)
	}
	err = s.Store.CreateSyncedDevice(context.Background(), device.Device{
		ObjectID: directory.ObjectID(uuid.NewString()), ID: id, Tenant: Tenant, DisplayName: "computer",
		OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593", RecordedOS: "Windows",
		RecordedOSVersion: "10.0.22631.3593", TrustType: device.HybridJoined, Method: device.Synchronised, Enabled: true,
		RegisteredAt: s.Now(), SyncedKey: parsed.RawSubjectPublicKeyInfo, SyncedSID: sid,
	}, s.row("Add device"))
	if err != nil {
		t.Fatalf("create the synchronised device: %v", err)
	}
}

// Device finds a device of the organisation; false where the server knows none with this id.
func (s *Server) Device(t testing.TB, id string) (device.Device, bool) {
	t.Helper()
	d, err := s.Store.DeviceByID(context.Background(), Tenant, id)
	if errors.Is(err, device.ErrNotFound) {
		return d, false
	}
	if err != nil {
		t.Fatalf("find device %s: %v", id, err)
	}
	return d, true
}

func (s *Server) row(activity string) audit.Entry {
	return audit.Entry{ID: uuid.NewString(), Tenant: Tenant, At: s.Now(), Actor: audit.Actor{Service: "brokertest"}, Activity: activity}
}
