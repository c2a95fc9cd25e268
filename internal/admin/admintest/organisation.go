// Package admintest is for tests of administration: a service over a real store with a small organisation to begin with.
package admintest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/seal"
	"boundgate/internal/store"

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
// role), breakglass@ (emergency access), one group Pilot with mika in it, a device LAPTOP-7, and second factors: a phone of
// admin's and of mika's, and a passkey of mika's.
type Organisation struct {
	Store   *store.DB
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

// sealer seals with a key that nobody keeps.
type sealer struct{ keys *seal.Keyring }

func (s sealer) Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Seal(plaintext, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (s sealer) Open(sealed []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Open(sealed, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

// NewOrganisation returns the two tenants, with licences.
func NewOrganisation(t testing.TB) *Organisation {
	t.Helper()
	o := &Organisation{Now: Start}
	var err error
	o.Store, err = store.Open(context.Background(), store.Options{Path: filepath.Join(t.TempDir(), "state.db"), Writer: "test", Sealer: sealer{seal.Generate()},
		Now: func() time.Time { return o.Now }})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := o.Store.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
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
	ctx := context.Background()
	row := func() audit.Entry {
		return audit.Entry{ID: uuid.NewString(), Tenant: id, At: Start, Actor: audit.Actor{Service: setUp}, Activity: "Set up"}
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatalf("set up %s: %v", name, err)
		}
	}
	must(o.Store.FoundTenant(ctx, directory.Founding{Tenant: directory.Tenant{ID: id, DisplayName: name, CreatedAt: Start,
		Domains: []directory.Domain{{Name: domain, Verified: true, Initial: true}}}}, row()))
	must(o.Store.SetLicence(ctx, id, directory.Licence{SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", SKUPartNumber: directory.SKUPartNumberP1,
		CapabilityStatus: directory.CapabilityActive, Units: 100, ServicePlans: []string{directory.ServicePlanP1}}, row()))
	hash, _ := Hasher{}.Hash(ctx, Password)
	for _, who := range []string{"admin", "mika", "breakglass"} {
		must(o.Store.CreateUser(ctx, directory.User{ID: ID(id, who), Tenant: id, UPN: who + "@" + domain, DisplayName: who, Enabled: true,
			Type: directory.Member, EmergencyAccess: who == "breakglass", PasswordHash: hash, CreatedAt: Start,
			SessionsValidFrom: Start.Add(-time.Hour), PasswordChangedAt: Start.Add(-time.Hour)}, row()))
	}
	must(o.Store.AssignRole(ctx, id, directory.GlobalAdministrator, ID(id, "admin"), row()))
	must(o.Store.Commit(ctx, journal.Record{Effects: journal.Effects{NewFactors: []factor.Factor{
		phone(id, "admin"), phone(id, "mika"),
		{ID: string(ID(id, "mika's passkey")), Tenant: id, User: ID(id, "mika"), Kind: factor.PassKey, DisplayName: "Passkey", Credential: []byte(PasskeyRecord),
			CreatedAt: Start.Add(time.Minute)},
	}}}))
	must(o.Store.CreateGroup(ctx, directory.Group{ID: ID(id, "Pilot"), Tenant: id, DisplayName: "Pilot", CreatedAt: Start}, row()))
	must(o.Store.CreateGroup(ctx, directory.Group{ID: ID(id, "Break glass"), Tenant: id, DisplayName: "Break glass", CreatedAt: Start}, row()))
	must(o.Store.AddMember(ctx, id, ID(id, "Pilot"), directory.UserMember, ID(id, "mika"), row()))
	must(o.Store.AddMember(ctx, id, ID(id, "Break glass"), directory.UserMember, ID(id, "breakglass"), row()))
	must(o.Store.CreateSyncedDevice(ctx, device.Device{ObjectID: ID(id, "LAPTOP-7"), ID: string(ID(id, "LAPTOP-7 device")), Tenant: id,
		Registration: "r1", DisplayName: "LAPTOP-7", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593",
		TrustType: device.Joined, Owner: ID(id, "mika"), FreshCredentials: true, KeyProtection: device.TPMKeys, Enabled: true,
		Method: device.Interactive, RegisteredAt: Start, DeviceKey: []byte("device key"), TransportKey: []byte("transport key")}, row()))
}

// What second factors prove themselves with.
const (
	TOTPKey       = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	PasskeyRecord = `{"publicKey":"cGFzc2tleSBwdWJsaWMga2V5"}`
)

func phone(id directory.TenantID, who string) factor.Factor {
	return factor.Factor{ID: string(ID(id, who+"'s phone")), Tenant: id, User: ID(id, who), Kind: factor.TOTP, DisplayName: "Authenticator app", Secret: TOTPKey,
		CreatedAt: Start}
}

// setUp is the actor of the rows that made the organisation.
const setUp = "set-up"

// Entries returns the audit rows of both tenants that administration has left since the organisation was made, the oldest
// first in each.
func (o *Organisation) Entries(t testing.TB) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	for _, tenant := range []directory.TenantID{Contoso, Fabrikam} {
		rows, err := o.Store.AuditEntries(context.Background(), tenant, audit.Query{Limit: 1000})
		if err != nil {
			t.Fatalf("read audit rows: %v", err)
		}
		for _, e := range slices.Backward(rows) {
			if e.Actor.Service != setUp {
				all = append(all, e)
			}
		}
	}
	return all
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
