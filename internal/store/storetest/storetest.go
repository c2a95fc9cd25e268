// Package storetest is what every engine of the state store promises, as one suite of tests: effects that happen once,
// rows that are not lost, tenants that see nothing of each other, changes that share a transaction with their audit row.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
	"boundgate/internal/store"
)

// Writer is the name under which an engine under test writes its chain.
const Writer = "node-1"

// An Open opens the database at a place, which is a directory of the test's own. The same place is the same database,
// closed in between. now is the store's clock.
type Open func(place string, now func() time.Time) (*store.DB, error)

// Run holds an engine to every promise of the state store.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, promise := range []struct {
		name string
		show func(*testing.T, *world)
	}{
		{"one of a hundred spends a nonce, and none after a restart", nonceOnce},
		{"one of a hundred rotates a refresh token", rotateOnce},
		{"one of a hundred upgrades a refresh token", upgradeOnce},
		{"commits that arrive together succeed and fail singly", commitSingly},
		{"a commit meets what has changed since the decision", commitConditions},
		{"reuse of a refresh token ends its family and no other", revokeFamily},
		{"a caller who has gone leaves nothing behind", commitCancelled},
		{"rows form one chain, over restarts too", chainOfRows},
		{"rows leave the intake once they are moved", dropIntake},
		{"a new epoch voids nonces and begins another chain", newEpoch},
		{"sessions are kept as they were issued", sessionRoundTrip},
		{"sessions end for good", sessionsEnd},
		{"a guest's tokens end with the guest's account, and those at home go on", guestsEnd},
		{"a secret is made once", secretOnce},
		{"what has expired is removed, and nothing else", sweep},
		{"a domain names the tenant that has verified it", domains},
		{"a tenant begins whole or not at all", founding},
		{"users", users},
		{"groups nest, even in circles", memberships},
		{"a tenant's own applications and resources stand before those of the program", catalogue},
		{"licences and workspaces", licences},
		{"a change and its audit row are one", changeWithAudit},
		{"audit rows in pages", auditPages},
		{"policies change their version and keep their history", policies},
		{"named locations change the version of the policies", locations},
		{"a registration belongs to one key, owner and quota", registrations},
		{"one quota for registrations at the same time", quotaOnce},
		{"a hybrid join counts against nobody and ends what went before", hybridJoin},
		{"an administrator changes what administrators decide", updateDevice},
		{"one of a hundred redeems a code, and none after a restart", codeOnce},
		{"one answers a device code, and one redeems it", deviceCodeOnce},
		{"a browser's accounts move to its new cookie and end for good", browsers},
		{"a second factor's code works once", factorOnce},
		{"a passkey's counter only grows", passkeyCounts},
		{"second factors come with their audit row and go with their user", factorsOfAUser},
		{"consent adds up", consents},
		{"no method reaches into another tenant", isolation},
		{"what another tenant has under the same ids stays as it is", sameIDs},
	} {
		t.Run(promise.name, func(t *testing.T) {
			t.Parallel()
			promise.show(t, newWorld(t, open))
		})
	}
}

// The two tenants of a world. Every object of one is unknown to the other.
const (
	contoso  directory.TenantID = "c0000000-0000-4000-8000-000000000001"
	fabrikam directory.TenantID = "f0000000-0000-4000-8000-000000000001"
)

// A world is an open store with two tenants. Each has the user mika with the role of a reader in the group pilot, the
// device laptop of that user, a policy, an application and a resource of its own.
type world struct {
	t     *testing.T
	ctx   context.Context
	db    *store.DB
	open  Open
	place string
	now   time.Time
}

func newWorld(t *testing.T, open Open) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), open: open, place: t.TempDir(), now: time.Date(2026, 5, 4, 7, 0, 0, 0, time.UTC)}
	w.start()
	t.Cleanup(w.stop)
	w.tenant(contoso, "contoso.example")
	w.tenant(fabrikam, "fabrikam.example")
	return w
}

func (w *world) start() {
	w.t.Helper()
	db, err := w.open(w.place, func() time.Time { return w.now })
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.db = db
}

func (w *world) stop() {
	if err := w.db.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
}

// restart closes the database and opens it again.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

func (w *world) tenant(id directory.TenantID, domain string) {
	w.t.Helper()
	w.must(w.db.FoundTenant(w.ctx, directory.Founding{Tenant: directory.Tenant{ID: id, DisplayName: domain, CreatedAt: w.now,
		Domains: []directory.Domain{{Name: domain, Verified: true, Initial: true}}}}, w.entry(id)))
	w.must(w.db.CreateUser(w.ctx, w.user(id), w.entry(id)))
	w.must(w.db.CreateGroup(w.ctx, directory.Group{ID: of(id, "pilot"), Tenant: id, DisplayName: "Pilot", CreatedAt: w.now}, w.entry(id)))
	w.must(w.db.AddMember(w.ctx, id, of(id, "pilot"), directory.UserMember, of(id, "mika"), w.entry(id)))
	w.must(w.db.AssignRole(w.ctx, id, directory.GlobalReader, of(id, "mika"), w.entry(id)))
	w.must(w.db.Register(w.ctx, journal.Registration{Device: w.laptop(id), Quota: 5}, journal.Effects{}, w.entry(id)))
	w.must(w.db.PutLocation(w.ctx, id, officeOf(id), w.entry(id)))
	w.must(w.db.PutPolicy(w.ctx, id, pilotPolicy(id), w.entry(id)))
	w.must(w.db.PutApplication(w.ctx, id, ownApplication(id), w.entry(id)))
	w.must(w.db.PutResource(w.ctx, id, ownResource(id), w.entry(id)))
	w.must(w.db.SetLicence(w.ctx, id, directory.Licence{SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", Units: 5}, w.entry(id)))
	w.issue(journal.Effects{NewFactors: []factor.Factor{factorOf(id)}, NewConsents: []directory.Consent{consentOf(id)}})
}

// of names an object of a tenant: the same in every run, another one in every tenant.
func of(tenant directory.TenantID, name string) directory.ObjectID {
	return directory.ObjectID(uuid.NewSHA1(uuid.MustParse(string(tenant)), []byte(name)).String())
}

func (w *world) user(tenant directory.TenantID) directory.User {
	return directory.User{ID: of(tenant, "mika"), Tenant: tenant, UPN: "mika@" + domainOf(tenant), DisplayName: "Mika", Enabled: true,
		Type: directory.Member, PasswordHash: "argon2id", PasswordChangedAt: w.now.Add(-time.Hour), CreatedAt: w.now}
}

func domainOf(tenant directory.TenantID) string {
	switch tenant {
	case contoso:
		return "contoso.example"
	case fabrikam:
		return "fabrikam.example"
	}
	return string(tenant) + ".example"
}

func (w *world) laptop(tenant directory.TenantID) device.Device {
	return device.Device{ID: string(of(tenant, "laptop")), ObjectID: of(tenant, "laptop object"), Tenant: tenant, Registration: "r1",
		DisplayName: "LAPTOP-7", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593", TrustType: device.Joined,
		Owner: of(tenant, "mika"), FreshCredentials: true, RegisteredAt: w.now, LastActivity: w.now, Enabled: true, Method: device.Interactive,
		KeyThumbprint: path.Join(string(tenant), "key"), DeviceKey: []byte("device key"), TransportKey: []byte("transport key")}
}

func (w *world) entry(tenant directory.TenantID) audit.Entry {
	return audit.Entry{ID: uuid.NewString(), Tenant: tenant, At: w.now, Actor: audit.Actor{Service: "test"}, Activity: "Test",
		After: []byte(`{"a":1}`)}
}

// subject is mika of contoso, who signed in now.
func (w *world) subject() *journal.Subject {
	return &journal.Subject{Tenant: contoso, User: of(contoso, "mika"), AuthTime: w.now}
}

// use is a use of contoso's laptop under its first registration.
func (w *world) use() *journal.DeviceUse {
	return &journal.DeviceUse{Tenant: contoso, Device: string(of(contoso, "laptop")), Registration: "r1", At: w.now}
}

func (w *world) nonce() journal.SpentNonce {
	return journal.SpentNonce{ID: prt.NonceID(random()), Expires: w.now.Add(prt.NonceLifetime)}
}

func random() (b [32]byte) {
	_, _ = rand.Read(b[:]) // never fails
	return b
}

// token is a refresh token of mika in a family of its own.
func (w *world) token(tenant directory.TenantID) session.RefreshToken {
	return session.RefreshToken{Hash: prt.Hash(random()), Family: uuid.NewString(), Tenant: tenant, User: of(tenant, "mika"), Client: "app",
		Home: tenant, HomeUser: of(tenant, "mika"), Interactive: true, IssuedAt: w.now, ExpiresAt: w.now.Add(session.RefreshTokenLifetime),
		Origin: session.Origin{AuthTime: w.now, Strength: session.Strength{session.Password}, TransferMethod: "none", Fresh: true}}
}

// boundTo is a refresh token of p's session.
func (w *world) boundTo(p session.PRT) session.RefreshToken {
	t := w.token(p.Tenant)
	t.Session, t.Device, t.Registration = p.Session, p.Device, p.Registration
	return t
}

// guest makes an account in fabrikam for contoso's mika.
func (w *world) guest() directory.User {
	w.t.Helper()
	u := directory.User{ID: of(fabrikam, "guest"), Tenant: fabrikam, UPN: "mika#ext#@fabrikam.example", Enabled: true, Type: directory.Guest,
		HomeTenant: contoso, HomeUser: of(contoso, "mika"), CreatedAt: w.now}
	w.must(w.db.CreateUser(w.ctx, u, w.entry(fabrikam)))
	return u
}

// as is a token of the same session in the tenant where its user is a guest.
func as(guest directory.User, t session.RefreshToken) session.RefreshToken {
	t.Hash, t.Family = prt.Hash(random()), uuid.NewString()
	t.Tenant, t.User = guest.Tenant, guest.ID
	return t
}

// prt is a Primary Refresh Token of mika on the laptop.
func (w *world) prt(tenant directory.TenantID) session.PRT {
	key, err := prt.NewSessionKey()
	w.must(err)
	return session.PRT{Hash: prt.Hash(random()), Session: uuid.NewString(), Tenant: tenant, User: of(tenant, "mika"),
		Device: string(of(tenant, "laptop")), Registration: "r1", Key: key, KDF: prt.KDF2, IssuedAt: w.now, ExpiresAt: w.now.Add(session.PRTLifetime),
		Origin: session.Origin{AuthTime: w.now, Strength: session.Strength{session.Password, session.DeviceKey}, TransferMethod: "none"}}
}

// row is a sign-in row that id tells apart.
func row(tenant directory.TenantID, id string) *signinlog.Row {
	return &signinlog.Row{ID: id, AADTenantID: string(tenant), Type: signinlog.InteractiveTable, ResultType: "0"}
}

// issue commits what a sign-in issues.
func (w *world) issue(e journal.Effects) {
	w.t.Helper()
	w.must(w.db.Commit(w.ctx, journal.Record{Effects: e}))
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// want fails unless err is the expected one.
func (w *world) want(what string, err, expected error) {
	w.t.Helper()
	if !errors.Is(err, expected) {
		w.t.Errorf("%s: %v, want %v", what, err, expected)
	}
}

// same fails where two values differ. Session keys are compared as they compare themselves.
func (w *world) same(what string, got, want any) {
	w.t.Helper()
	keys := cmp.Comparer(func(a, b prt.SessionKey) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, got, keys, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// storedRows returns the ids of the rows in the intake, and fails unless they continue the chains that they belong to.
func (w *world) storedRows() []string {
	w.t.Helper()
	records, err := w.db.Intake(w.ctx, 0, 10_000)
	w.must(err)
	var ids []string
	for _, r := range records {
		row, err := r.Row()
		w.must(err)
		ids = append(ids, row.ID)
	}
	w.must(VerifyChain(records, nil))
	return ids
}

// together calls do a number of times at once and returns what each call returned.
func together(times int, do func(n int) error) []error {
	errs := make([]error, times)
	start := make(chan struct{})
	var all sync.WaitGroup
	for n := range times {
		all.Go(func() {
			<-start
			errs[n] = do(n)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// onlyOne fails unless exactly one call succeeded and all others met the conflict.
func (w *world) onlyOne(errs []error, conflict error) {
	w.t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			w.want("a call that lost", err, conflict)
		}
	}
	if won != 1 {
		w.t.Errorf("%d calls won, want 1", won)
	}
}
