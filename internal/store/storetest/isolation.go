package storetest

import (
	"fmt"
	"reflect"
	"testing"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/session"
	"boundgate/internal/store"
)

// A write is a method that changes a tenant's objects, with an audit row.
type write func(w *world, entry audit.Entry) error

// writes are all of them, aimed at the objects of the tenant owner but acting in the tenant in.
func (w *world) writesIn(in, owner directory.TenantID) map[string]write {
	mika, pilot, laptop := of(owner, "mika"), of(owner, "pilot"), string(of(owner, "laptop"))
	return map[string]write{
		"UpdateTenant": func(w *world, e audit.Entry) error {
			return w.db.UpdateTenant(w.ctx, directory.Tenant{ID: in, DisplayName: "Renamed", Domains: []directory.Domain{{Name: domainOf(owner), Verified: true}}}, e)
		},
		"UpdateUser": func(w *world, e audit.Entry) error {
			u := w.user(owner)
			u.Tenant, u.DisplayName = in, "Renamed"
			return w.db.UpdateUser(w.ctx, u, e)
		},
		"DeleteUser": func(w *world, e audit.Entry) error { return w.db.DeleteUser(w.ctx, in, mika, e) },
		"SetPassword": func(w *world, e audit.Entry) error {
			return w.db.SetPassword(w.ctx, in, mika, "another", w.now, e)
		},
		"RevokeSessions": func(w *world, e audit.Entry) error { return w.db.RevokeSessions(w.ctx, in, mika, w.now, e) },
		"UpdateGroup": func(w *world, e audit.Entry) error {
			return w.db.UpdateGroup(w.ctx, directory.Group{ID: pilot, Tenant: in, DisplayName: "Renamed"}, e)
		},
		"DeleteGroup": func(w *world, e audit.Entry) error { return w.db.DeleteGroup(w.ctx, in, pilot, e) },
		"AddMember": func(w *world, e audit.Entry) error {
			return w.db.AddMember(w.ctx, in, of(in, "pilot"), directory.GroupMember, pilot, e)
		},
		"RemoveMember": func(w *world, e audit.Entry) error { return w.db.RemoveMember(w.ctx, in, pilot, mika, e) },
		"AssignRole": func(w *world, e audit.Entry) error {
			return w.db.AssignRole(w.ctx, in, directory.GlobalAdministrator, mika, e)
		},
		"UnassignRole": func(w *world, e audit.Entry) error {
			return w.db.UnassignRole(w.ctx, in, directory.GlobalReader, mika, e)
		},
		"DeleteApplication": func(w *world, e audit.Entry) error {
			return w.db.DeleteApplication(w.ctx, in, ownApplication(owner).AppID, e)
		},
		"DeleteResource": func(w *world, e audit.Entry) error {
			return w.db.DeleteResource(w.ctx, in, ownResource(owner).AppID, e)
		},
		"UpdateDevice": func(w *world, e audit.Entry) error {
			d := w.laptop(owner)
			d.Tenant, d.Enabled = in, false
			return w.db.UpdateDevice(w.ctx, d, e)
		},
		"DeleteDevice": func(w *world, e audit.Entry) error { return w.db.DeleteDevice(w.ctx, in, laptop, e) },
		"Register": func(w *world, e audit.Entry) error {
			d := w.laptop(owner)
			d.Tenant, d.Registration = in, "r2"
			return w.db.Register(w.ctx, journal.Registration{Device: d, Replaces: true, Quota: 5}, journal.Effects{}, e)
		},
		"RemoveFactor":  func(w *world, e audit.Entry) error { return w.db.RemoveFactor(w.ctx, in, mika, factorOf(owner).ID, e) },
		"RemoveConsent": func(w *world, e audit.Entry) error { return w.db.RemoveConsent(w.ctx, in, consentOf(owner).ID, e) },
		"DeletePolicy":  func(w *world, e audit.Entry) error { return w.db.DeletePolicy(w.ctx, in, pilotPolicy(owner).ID, e) },
		"DeleteLocation": func(w *world, e audit.Entry) error {
			return w.db.DeleteLocation(w.ctx, in, officeOf(owner).ID, e)
		},
	}
}

// writes are the changes that a tenant can make to its own objects, those included that make new ones.
func (w *world) writes(tenant directory.TenantID) map[string]write {
	all := w.writesIn(tenant, tenant)
	const third directory.TenantID = "d0000000-0000-4000-8000-000000000001"
	all["CreateUser"] = func(w *world, e audit.Entry) error {
		return w.db.CreateUser(w.ctx, directory.User{ID: of(tenant, "new"), Tenant: tenant, UPN: "new@" + domainOf(tenant)}, e)
	}
	all["CreateGroup"] = func(w *world, e audit.Entry) error {
		return w.db.CreateGroup(w.ctx, directory.Group{ID: of(tenant, "new"), Tenant: tenant, DisplayName: "New"}, e)
	}
	all["CreateSyncedDevice"] = func(w *world, e audit.Entry) error {
		return w.db.CreateSyncedDevice(w.ctx, device.Device{ID: "new", ObjectID: "new", Tenant: tenant}, e)
	}
	all["FoundTenant"] = func(w *world, e audit.Entry) error {
		return w.db.FoundTenant(w.ctx, directory.Founding{Tenant: directory.Tenant{ID: third, DisplayName: "Third"}}, e)
	}
	all["SetLicence"] = func(w *world, e audit.Entry) error {
		return w.db.SetLicence(w.ctx, tenant, directory.Licence{SKUID: "new"}, e)
	}
	all["PutApplication"] = func(w *world, e audit.Entry) error {
		return w.db.PutApplication(w.ctx, tenant, directory.Application{AppID: "new"}, e)
	}
	all["PutResource"] = func(w *world, e audit.Entry) error {
		return w.db.PutResource(w.ctx, tenant, directory.Resource{AppID: "new"}, e)
	}
	all["PutPolicy"] = func(w *world, e audit.Entry) error {
		p := pilotPolicy(tenant)
		p.DisplayName = "Renamed"
		return w.db.PutPolicy(w.ctx, tenant, p, e)
	}
	all["PutLocation"] = func(w *world, e audit.Entry) error {
		l := officeOf(tenant)
		l.DisplayName = "Renamed"
		return w.db.PutLocation(w.ctx, tenant, l, e)
	}
	return all
}

// A read is a method that looks at a tenant's objects.
type read func(w *world) (any, error)

// readsIn are all of them, asking in the tenant in for the objects of the tenant owner.
func (w *world) readsIn(in, owner directory.TenantID) map[string]read {
	mika, pilot := of(owner, "mika"), of(owner, "pilot")
	return map[string]read{
		"UserByName": func(w *world) (any, error) { return w.db.UserByName(w.ctx, in, "mika@"+domainOf(owner)) },
		"UserByID":   func(w *world) (any, error) { return w.db.UserByID(w.ctx, in, mika) },
		"Memberships": func(w *world) (any, error) {
			groups, roles, err := w.db.Memberships(w.ctx, in, mika)
			return []any{groups, roles}, err
		},
		"GroupByID":    func(w *world) (any, error) { return w.db.GroupByID(w.ctx, in, pilot) },
		"GroupMembers": func(w *world) (any, error) { return w.db.GroupMembers(w.ctx, in, pilot) },
		"Application":  func(w *world) (any, error) { return w.db.Application(w.ctx, in, ownApplication(owner).AppID) },
		"ResourceNamed": func(w *world) (any, error) {
			return w.db.ResourceNamed(w.ctx, in, ownResource(owner).IdentifierURIs[0])
		},
		"DeviceByID":       func(w *world) (any, error) { return w.db.DeviceByID(w.ctx, in, string(of(owner, "laptop"))) },
		"DeviceByKey":      func(w *world) (any, error) { return w.db.DeviceByKey(w.ctx, in, w.laptop(owner).KeyThumbprint) },
		"DeviceByObjectID": func(w *world) (any, error) { return w.db.DeviceByObjectID(w.ctx, in, of(owner, "laptop object")) },
		"PolicyByID":       func(w *world) (any, error) { return w.db.PolicyByID(w.ctx, in, pilotPolicy(owner).ID) },
		"PolicyHistory":    func(w *world) (any, error) { return w.db.PolicyHistory(w.ctx, in, pilotPolicy(owner).ID) },
		"SessionByID":      func(w *world) (any, error) { return w.db.SessionByID(w.ctx, in, "session of "+string(owner)) },
		"GuestOf":          func(w *world) (any, error) { return w.db.GuestOf(w.ctx, in, "home", mika) },
		"FactorsOf":        func(w *world) (any, error) { return w.db.FactorsOf(w.ctx, in, mika) },
		"Consents":         func(w *world) (any, error) { return w.db.Consents(w.ctx, in, mika, ownApplication(owner).AppID) },
	}
}

// lists are the methods that return all that a tenant has.
var lists = map[string]func(w *world, tenant directory.TenantID) (any, error){
	"Tenant":          func(w *world, id directory.TenantID) (any, error) { return w.db.Tenant(w.ctx, id) },
	"Users":           func(w *world, id directory.TenantID) (any, error) { return w.db.Users(w.ctx, id) },
	"Groups":          func(w *world, id directory.TenantID) (any, error) { return w.db.Groups(w.ctx, id) },
	"RoleAssignments": func(w *world, id directory.TenantID) (any, error) { return w.db.RoleAssignments(w.ctx, id) },
	"Licences":        func(w *world, id directory.TenantID) (any, error) { return w.db.Licences(w.ctx, id) },
	"Applications":    func(w *world, id directory.TenantID) (any, error) { return w.db.Applications(w.ctx, id) },
	"Resources":       func(w *world, id directory.TenantID) (any, error) { return w.db.Resources(w.ctx, id) },
	"Devices":         func(w *world, id directory.TenantID) (any, error) { return w.db.Devices(w.ctx, id) },
	"Policies":        func(w *world, id directory.TenantID) (any, error) { return w.db.Policies(w.ctx, id) },
	"Locations":       func(w *world, id directory.TenantID) (any, error) { return w.db.Locations(w.ctx, id) },
	"PolicyVersion":   func(w *world, id directory.TenantID) (any, error) { return w.db.PolicyVersion(w.ctx, id) },
	"AllConsents":     func(w *world, id directory.TenantID) (any, error) { return w.db.AllConsents(w.ctx, id) },
	"WorkspaceOf":     func(w *world, id directory.TenantID) (any, error) { return w.db.WorkspaceOf(w.ctx, id) },
	"AuditEntries": func(w *world, id directory.TenantID) (any, error) {
		return w.db.AuditEntries(w.ctx, id, audit.Query{Limit: 1000})
	},
}

// ofTheDeployment are the methods that are of no tenant: lookups by a name that is secret or unique in the deployment, and
// what the program does for itself.
var ofTheDeployment = map[string]string{
	"TenantByName": "finds the tenant", "Tenants": "lists the tenants", "TenantOfWorkspace": "finds the tenant", "FoundTenant": "makes the tenant",
	"Code": "found by the hash of a secret", "DeviceCode": "found by the hash of a secret", "DeviceCodeByUserCode": "found by the hash of a secret",
	"BrowserSessions": "found by the hash of a secret", "SignOut": "found by the hash of a secret", "PutDeviceCode": "before a tenant is known",
	"PRT": "found by the hash of a secret", "RefreshToken": "found by the hash of a secret",
	"Secret": "the program's own", "PutSecret": "the program's own", "NonceKey": "the program's own", "NonceEpoch": "the program's own",
	"BumpEpoch": "the program's own", "Sweep": "by time alone", "Intake": "for the log store, which divides by tenant",
	"DropIntake": "for the log store", "ChainHeads": "for checkpoints", "Ping": "health", "Close": "lifetime",
	"Commit": "effects name the tenant of each record: see the promise about what has changed",
	// They write under the tenant that they are given, whatever else they are given.
	"AppendAudit": "adds to the entry's tenant", "CreateUser": "adds", "CreateGroup": "adds", "CreateSyncedDevice": "adds",
	"SetLicence": "adds", "PutApplication": "adds", "PutResource": "adds", "PutPolicy": "adds", "PutLocation": "adds",
	"PutConsent": "adds",
}

// P13
func isolation(t *testing.T, w *world) {
	w.covered()
	guest := directory.User{ID: of(contoso, "guest"), Tenant: contoso, UPN: "g@contoso.example", HomeTenant: "home", HomeUser: of(contoso, "mika")}
	w.must(w.db.CreateUser(w.ctx, guest, w.entry(contoso)))
	p := w.prt(contoso)
	p.Session = "session of " + string(contoso)
	w.issue(journal.Effects{NewPRTs: []session.PRT{p}})

	reads, foreign := w.readsIn(contoso, contoso), w.readsIn(fabrikam, contoso)
	for name := range reads {
		own, err := reads[name](w)
		if err != nil || empty(own) {
			t.Errorf("%s of its own objects: %v, %v", name, own, err)
		}
		// What another tenant has looks exactly like what nobody has.
		got, err := foreign[name](w)
		nothing, noErr := w.readsIn(fabrikam, "a0000000-0000-4000-8000-000000000001")[name](w)
		if !empty(got) || fmt.Sprint(err) != fmt.Sprint(noErr) {
			t.Errorf("%s finds an object of another tenant: %v, %v; one that does not exist: %v, %v", name, got, err, nothing, noErr)
		}
	}
	before := w.snapshot()
	for name, call := range w.writesIn(fabrikam, contoso) {
		if err := call(w, w.entry(fabrikam)); err == nil {
			t.Errorf("%s changes an object of another tenant", name)
		}
		w.same(name+" from another tenant", w.snapshot(), before)
	}
	kept, err := w.db.PRT(w.ctx, p.Hash)
	w.must(err)
	if !kept.RevokedAt.IsZero() {
		t.Error("another tenant has ended a session")
	}
	for name, list := range lists {
		a, err := list(w, contoso)
		w.must(err)
		b, err := list(w, fabrikam)
		w.must(err)
		if name != "PolicyVersion" && name != "Licences" && fmt.Sprint(a) == fmt.Sprint(b) {
			t.Errorf("%s gives two tenants the same: %v", name, a)
		}
		none, _ := list(w, "a0000000-0000-4000-8000-000000000001")
		if name != "Applications" && name != "Resources" && !empty(none) {
			t.Errorf("%s of an unknown tenant: %v", name, none)
		}
	}
}

// sameIDs gives fabrikam a user, a group and a device with the ids of contoso's. Ids are random, but nothing rests on that:
// whatever contoso does to its own, those of fabrikam stay as they are.
//
// P13
func sameIDs(t *testing.T, w *world) {
	for name, call := range w.writes(contoso) {
		w := newWorld(t, w.open)
		mika, pilot := of(contoso, "mika"), of(contoso, "pilot")
		u, d := w.user(contoso), w.laptop(contoso)
		u.Tenant, d.Tenant = fabrikam, fabrikam
		w.must(w.db.CreateUser(w.ctx, u, w.entry(fabrikam)))
		w.must(w.db.CreateGroup(w.ctx, directory.Group{ID: pilot, Tenant: fabrikam, DisplayName: "Same", CreatedAt: w.now}, w.entry(fabrikam)))
		w.must(w.db.AddMember(w.ctx, fabrikam, pilot, directory.UserMember, mika, w.entry(fabrikam)))
		w.must(w.db.AddMember(w.ctx, fabrikam, of(fabrikam, "pilot"), directory.GroupMember, pilot, w.entry(fabrikam)))
		w.must(w.db.AssignRole(w.ctx, fabrikam, directory.GlobalReader, mika, w.entry(fabrikam)))
		w.must(w.register(d, false, 5, journal.Effects{}))
		p, token, guest := w.prt(fabrikam), w.token(fabrikam), w.token(fabrikam)
		p.User, p.Device, p.Session = mika, d.ID, "same"
		token.User, token.HomeUser, token.Device = mika, mika, d.ID
		guest.User, guest.Home, guest.HomeUser = mika, "home", "somebody"
		w.issue(journal.Effects{NewPRTs: []session.PRT{p}, NewRefreshTokens: []session.RefreshToken{token, guest}})

		groups, _, err := w.db.Memberships(w.ctx, contoso, mika)
		w.must(err)
		w.same("groups of a user, seen from contoso", groups, map[directory.ObjectID]bool{pilot: true})
		members, err := w.db.GroupMembers(w.ctx, contoso, pilot)
		w.must(err)
		w.same("members of a group, seen from contoso", members, map[directory.ObjectID]directory.MemberKind{mika: directory.UserMember})

		twin, agreed := factorOf(contoso), consentOf(contoso)
		twin.Tenant, agreed.Tenant = fabrikam, fabrikam
		w.issue(journal.Effects{NewFactors: []factor.Factor{twin}, NewConsents: []directory.Consent{agreed}})

		before := w.under(fabrikam, p, token, guest)
		if err := call(w, w.entry(contoso)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.same(name+" of another tenant's object with the same id", w.under(fabrikam, p, token, guest), before)
	}
}

// under is what can be read of contoso's ids in another tenant, and of some tokens.
func (w *world) under(tenant directory.TenantID, p session.PRT, tokens ...session.RefreshToken) map[string]any {
	w.t.Helper()
	all := map[string]any{}
	for name, read := range w.readsIn(tenant, contoso) {
		all[name], _ = read(w) // not everything has a twin
	}
	var err error
	all["PRT"], err = w.db.PRT(w.ctx, p.Hash)
	w.must(err)
	for n, token := range tokens {
		all[fmt.Sprint("token ", n)], err = w.db.RefreshToken(w.ctx, token.Hash)
		w.must(err)
	}
	return all
}

// empty reports whether a value is zero, or contains nothing.
func empty(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Map, reflect.Slice:
		for n := 0; r.Kind() == reflect.Slice && n < r.Len(); n++ {
			if !empty(r.Index(n).Interface()) {
				return false
			}
		}
		return r.Kind() == reflect.Slice || r.Len() == 0
	default:
		return r.IsZero()
	}
}

// covered fails where the store has a method that nobody has thought about here.
func (w *world) covered() {
	w.t.Helper()
	methods := reflect.TypeFor[*store.DB]()
	reads, writes := w.readsIn(contoso, contoso), w.writesIn(contoso, contoso)
	for n := range methods.NumMethod() {
		name := methods.Method(n).Name
		_, isRead := reads[name]
		_, isWrite := writes[name]
		_, isList := lists[name]
		_, isDeployment := ofTheDeployment[name]
		if !isRead && !isWrite && !isList && !isDeployment {
			w.t.Errorf("DB.%s: is it of one tenant? Add it to the tables of this test", name)
		}
	}
}

// snapshot is all that can be read of contoso, apart from its audit rows.
func (w *world) snapshot() map[string]any {
	w.t.Helper()
	all := map[string]any{}
	for name, list := range lists {
		if name == "AuditEntries" || name == "WorkspaceOf" {
			continue
		}
		got, err := list(w, contoso)
		w.must(err)
		all[name] = got
	}
	for name, read := range w.readsIn(contoso, contoso) {
		all[name], _ = read(w) // what was deleted is not found
	}
	tenants, err := w.db.Tenants(w.ctx)
	w.must(err)
	all["Tenants"] = tenants
	return all
}
