package admintest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"

	"github.com/google/uuid"
)

// Contoso runs the deployment; Fabrikam is another tenant of it.
const (
	Contoso  directory.TenantID = "c0000000-0000-4000-8000-000000000001"
	Fabrikam directory.TenantID = "f0000000-0000-4000-8000-000000000001"
)

// Password is the first password of everybody.
const Password = "correct horse battery staple"

// Start is when the tests' clock begins.
var Start = time.Date(2026, 5, 4, 7, 0, 0, 0, time.UTC)

// An Organisation is a service over a store with two tenants. Each has the users admin@ (Global Administrator), mika@ (no
// role), breakglass@ (emergency access), one group Pilot with mika in it, and a device LAPTOP-7.
type Organisation struct {
	Store   *Store
	Service *admin.Service
	// Now is the time that the service sees.
	Now time.Time
}

// Hasher stands in for argon2id: quick, and not the password.
type Hasher struct{}

// Hash implements admin.PasswordHasher.
func (Hasher) Hash(_ context.Context, password string) (string, error) {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:]), nil
}

// NewOrganisation returns the two tenants, with licences.
func NewOrganisation(t testing.TB) *Organisation {
	t.Helper()
	o := &Organisation{Store: NewStore(), Now: Start}
	o.Service = &admin.Service{Store: o.Store, Passwords: Hasher{}, Operator: Contoso, Now: func() time.Time { return o.Now }}
	o.tenant(t, Contoso, "Contoso", "contoso.example")
	o.tenant(t, Fabrikam, "Fabrikam", "fabrikam.example")
	return o
}

// ID returns the id of an object of a tenant by its name, the same in every run.
func ID(tenant directory.TenantID, name string) directory.ObjectID {
	return directory.ObjectID(uuid.NewSHA1(uuid.MustParse(string(tenant)), []byte(name)).String())
}

func (o *Organisation) tenant(t testing.TB, id directory.TenantID, name, domain string) {
	t.Helper()
	ctx, e := context.Background(), audit.Entry{ID: "set-up", Tenant: id, At: Start, Actor: audit.Actor{Service: "set-up"}, Activity: "Set up"}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatalf("set up %s: %v", name, err)
		}
	}
	must(o.Store.CreateTenant(ctx, directory.Tenant{ID: id, DisplayName: name, CreatedAt: Start,
		Domains: []directory.Domain{{Name: domain, Verified: true, Initial: true}}}, e))
	must(o.Store.SetLicence(ctx, id, directory.Licence{SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", SKUPartNumber: directory.SKUPartNumberP1,
		CapabilityStatus: directory.CapabilityActive, Units: 100, ServicePlans: []string{directory.ServicePlanP1}}, e))
	hash, _ := Hasher{}.Hash(ctx, Password)
	for _, who := range []string{"admin", "mika", "breakglass"} {
		must(o.Store.CreateUser(ctx, directory.User{ID: ID(id, who), Tenant: id, UPN: who + "@" + domain, DisplayName: who, Enabled: true,
			Type: directory.Member, EmergencyAccess: who == "breakglass", PasswordHash: hash, CreatedAt: Start,
			SessionsValidFrom: Start.Add(-time.Hour), PasswordChangedAt: Start.Add(-time.Hour)}, e))
	}
	must(o.Store.AssignRole(ctx, id, directory.GlobalAdministrator, ID(id, "admin"), e))
	must(o.Store.CreateGroup(ctx, directory.Group{ID: ID(id, "Pilot"), Tenant: id, DisplayName: "Pilot", CreatedAt: Start}, e))
	must(o.Store.CreateGroup(ctx, directory.Group{ID: ID(id, "Break glass"), Tenant: id, DisplayName: "Break glass", CreatedAt: Start}, e))
	must(o.Store.AddMember(ctx, id, ID(id, "Pilot"), directory.UserMember, ID(id, "mika"), e))
	must(o.Store.AddMember(ctx, id, ID(id, "Break glass"), directory.UserMember, ID(id, "breakglass"), e))
	must(o.Store.CreateSyncedDevice(ctx, device.Device{ObjectID: ID(id, "LAPTOP-7"), ID: string(ID(id, "LAPTOP-7 device")), Tenant: id,
		Registration: "r1", DisplayName: "LAPTOP-7", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593",
		TrustType: device.Joined, Owner: ID(id, "mika"), FreshCredentials: true, KeyProtection: device.TPMKeys, Enabled: true,
		Method: device.Interactive, RegisteredAt: Start, DeviceKey: []byte("device key"), TransportKey: []byte("transport key")}, e))
	o.Store.mu.Lock()
	o.Store.entries = nil
	o.Store.mu.Unlock()
}

// Caller returns a caller of a tenant with the given roles; their account is admin@.
func Caller(tenant directory.TenantID, roles ...directory.Role) admin.Caller {
	c := admin.Caller{Tenant: tenant, User: ID(tenant, "admin"), UPN: "admin@" + map[directory.TenantID]string{Contoso: "contoso.example", Fabrikam: "fabrikam.example"}[tenant],
		App: directory.CommandLine, IP: "203.0.113.7", CorrelationID: "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410", Roles: map[directory.Role]bool{}}
	for _, r := range roles {
		c.Roles[r] = true
	}
	return c
}
