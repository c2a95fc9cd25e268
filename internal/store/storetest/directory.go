package storetest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

func domains(_ *testing.T, w *world) {
	const third directory.TenantID = "d0000000-0000-4000-8000-000000000001"
	claim := func(verified bool, name string) directory.Tenant {
		return directory.Tenant{ID: third, DisplayName: "Third", CreatedAt: w.now.Add(time.Second), Domains: []directory.Domain{
			{Name: "third.example", Verified: true, Initial: true}, {Name: name, Verified: verified},
		}, Settings: directory.Settings{AllowKDF1: true, InboundTrust: []directory.InboundTrust{{Tenant: contoso, CompliantDevice: true}}}}
	}
	w.want("a domain that another tenant has verified", w.db.FoundTenant(w.ctx, directory.Founding{Tenant: claim(true, "contoso.example")}, w.entry(third)), directory.ErrExists)
	_, err := w.db.TenantByName(w.ctx, "third.example")
	w.want("the tenant that was refused", err, directory.ErrNotFound)

	// Whoever only claims a domain keeps nobody from verifying it, and does not answer to it.
	w.must(w.db.FoundTenant(w.ctx, directory.Founding{Tenant: claim(false, "new.example")}, w.entry(third)))
	_, err = w.db.TenantByName(w.ctx, "new.example")
	w.want("a domain that is not verified", err, directory.ErrNotFound)
	t, err := w.db.Tenant(w.ctx, contoso)
	w.must(err)
	t.Domains = append(t.Domains, directory.Domain{Name: "new.example", Verified: true})
	t.DisplayName, t.Settings.DevicesPerUser = "Contoso Ltd", 3
	w.must(w.db.UpdateTenant(w.ctx, t, w.entry(contoso)))
	w.want("a domain that was verified meanwhile", w.db.UpdateTenant(w.ctx, claim(true, "new.example"), w.entry(third)), directory.ErrExists)

	// A domain that looks like another tenant's id names nobody but that tenant.
	other, err := w.db.Tenant(w.ctx, fabrikam)
	w.must(err)
	other.Domains = append(other.Domains, directory.Domain{Name: string(contoso), Verified: true})
	w.must(w.db.UpdateTenant(w.ctx, other, w.entry(fabrikam)))

	for _, name := range []string{string(contoso), "contoso.example", "CONTOSO.example", "new.example"} {
		got, err := w.db.TenantByName(w.ctx, name)
		w.must(err)
		w.same(name, got, t)
	}
	all, err := w.db.Tenants(w.ctx)
	w.must(err)
	w.same("every tenant", all, []directory.Tenant{t, other, claim(false, "new.example")})

	// A domain that is given up names nobody, and another tenant may verify it.
	t.Domains = t.Domains[:1]
	w.must(w.db.UpdateTenant(w.ctx, t, w.entry(contoso)))
	_, err = w.db.TenantByName(w.ctx, "new.example")
	w.want("a domain that was given up", err, directory.ErrNotFound)
	w.must(w.db.UpdateTenant(w.ctx, claim(true, "new.example"), w.entry(third)))
	got, err := w.db.TenantByName(w.ctx, "new.example")
	w.must(err)
	w.same("tenant that has it now", got, claim(true, "new.example"))
	t.ID = "e0000000-0000-4000-8000-000000000001"
	w.want("update of an unknown tenant", w.db.UpdateTenant(w.ctx, t, w.entry(contoso)), directory.ErrNotFound)
}

func users(_ *testing.T, w *world) {
	mika := w.user(contoso)
	guest := directory.User{ID: of(contoso, "guest"), Tenant: contoso, UPN: "Guest#EXT#@contoso.example", Enabled: true, Type: directory.Guest,
		HomeTenant: fabrikam, HomeUser: of(fabrikam, "mika"), CreatedAt: w.now}
	w.must(w.db.CreateUser(w.ctx, guest, w.entry(contoso)))
	guest.UPN = "guest#ext#@contoso.example"

	got, err := w.db.GuestOf(w.ctx, contoso, fabrikam, of(fabrikam, "mika"))
	w.must(err)
	w.same("guest", got, guest)
	got, err = w.db.UserByName(w.ctx, contoso, "MIKA@contoso.example")
	w.must(err)
	w.same("user by name", got, mika)
	list, err := w.db.Users(w.ctx, contoso)
	w.must(err)
	w.same("users", list, []directory.User{guest, mika})
	_, err = w.db.GuestOf(w.ctx, contoso, "", "")
	w.want("a member taken for a guest of nowhere", err, directory.ErrNotFound)

	twin := w.user(contoso)
	twin.ID = of(contoso, "twin")
	w.want("a name that is taken", w.db.CreateUser(w.ctx, twin, w.entry(contoso)), directory.ErrExists)
	twin = guest
	twin.ID, twin.UPN = of(contoso, "twin"), "twin@contoso.example"
	w.want("a second account for one guest", w.db.CreateUser(w.ctx, twin, w.entry(contoso)), directory.ErrExists)

	mika.UPN, mika.DisplayName, mika.EmergencyAccess = "m@contoso.example", "M", true
	changed := mika
	changed.PasswordHash, changed.CreatedAt = "ignored", w.now.Add(time.Hour)
	w.must(w.db.UpdateUser(w.ctx, changed, w.entry(contoso)))
	got, err = w.db.UserByID(w.ctx, contoso, mika.ID)
	w.must(err)
	w.same("user after the update", got, mika)
	mika.UPN = guest.UPN
	w.want("renaming to a name that is taken", w.db.UpdateUser(w.ctx, mika, w.entry(contoso)), directory.ErrExists)

	w.must(w.db.SetPassword(w.ctx, contoso, mika.ID, "new", w.now, w.entry(contoso)))
	got, err = w.db.UserByID(w.ctx, contoso, mika.ID)
	w.must(err)
	w.same("password", []any{got.PasswordHash, got.PasswordChangedAt, got.SessionsValidFrom}, []any{"new", w.now, w.now})

	w.must(w.db.DeleteUser(w.ctx, contoso, mika.ID, w.entry(contoso)))
	_, err = w.db.UserByID(w.ctx, contoso, mika.ID)
	w.want("a user who was deleted", err, directory.ErrNotFound)
	assignments, err := w.db.RoleAssignments(w.ctx, contoso)
	w.must(err)
	members, err := w.db.GroupMembers(w.ctx, contoso, of(contoso, "pilot"))
	w.must(err)
	if len(assignments)+len(members) != 0 {
		w.t.Errorf("a deleted user has roles %v and is in a group: %v", assignments, members)
	}
}

func memberships(_ *testing.T, w *world) {
	mika := of(contoso, "mika")
	for _, name := range []string{"staff", "everyone", "apart"} {
		w.must(w.db.CreateGroup(w.ctx, directory.Group{ID: of(contoso, name), Tenant: contoso, DisplayName: name, CreatedAt: w.now}, w.entry(contoso)))
	}
	nest := func(outer, inner string) {
		w.must(w.db.AddMember(w.ctx, contoso, of(contoso, outer), directory.GroupMember, of(contoso, inner), w.entry(contoso)))
	}
	nest("staff", "pilot")
	nest("everyone", "staff")
	nest("pilot", "everyone") // a circle
	groups, roles, err := w.db.Memberships(w.ctx, contoso, mika)
	w.must(err)
	w.same("groups", groups, map[directory.ObjectID]bool{of(contoso, "pilot"): true, of(contoso, "staff"): true, of(contoso, "everyone"): true})
	w.same("roles", roles, map[directory.Role]bool{directory.GlobalReader: true})

	again := w.db.AddMember(w.ctx, contoso, of(contoso, "pilot"), directory.UserMember, mika, w.entry(contoso))
	w.want("a member again", again, directory.ErrExists)
	unknown := w.db.AddMember(w.ctx, contoso, of(contoso, "pilot"), directory.UserMember, of(contoso, "nobody"), w.entry(contoso))
	w.want("an unknown member", unknown, directory.ErrNotFound)
	unknown = w.db.AddMember(w.ctx, contoso, of(contoso, "nothing"), directory.UserMember, mika, w.entry(contoso))
	w.want("a member of an unknown group", unknown, directory.ErrNotFound)
	w.want("a role again", w.db.AssignRole(w.ctx, contoso, directory.GlobalReader, mika, w.entry(contoso)), directory.ErrExists)

	members, err := w.db.GroupMembers(w.ctx, contoso, of(contoso, "pilot"))
	w.must(err)
	w.same("members", members, map[directory.ObjectID]directory.MemberKind{mika: directory.UserMember, of(contoso, "everyone"): directory.GroupMember})

	w.must(w.db.DeleteGroup(w.ctx, contoso, of(contoso, "staff"), w.entry(contoso)))
	w.must(w.db.UnassignRole(w.ctx, contoso, directory.GlobalReader, mika, w.entry(contoso)))
	w.must(w.db.UpdateGroup(w.ctx, directory.Group{ID: of(contoso, "apart"), Tenant: contoso, DisplayName: "Renamed"}, w.entry(contoso)))
	groups, roles, err = w.db.Memberships(w.ctx, contoso, mika)
	w.must(err)
	w.same("groups after one was deleted", groups, map[directory.ObjectID]bool{of(contoso, "pilot"): true})
	w.same("roles after the last was taken", roles, map[directory.Role]bool{})

	w.must(w.db.RemoveMember(w.ctx, contoso, of(contoso, "pilot"), mika, w.entry(contoso)))
	groups, _, err = w.db.Memberships(w.ctx, contoso, mika)
	w.must(err)
	w.same("groups after leaving", groups, map[directory.ObjectID]bool{})
	list, err := w.db.Groups(w.ctx, contoso)
	w.must(err)
	var names []string
	for _, g := range list {
		names = append(names, g.DisplayName)
	}
	w.same("groups", names, []string{"Pilot", "Renamed", "everyone"})
}

func ownApplication(tenant directory.TenantID) directory.Application {
	return directory.Application{AppID: directory.AppID(of(tenant, "app")), DisplayName: "Expenses", PublicClient: true, RedirectURIs: []string{"http://localhost"}}
}

func ownResource(tenant directory.TenantID) directory.Resource {
	return directory.Resource{ObjectID: of(tenant, "api object"), AppID: directory.AppID(of(tenant, "api")), DisplayName: "Expenses API",
		IdentifierURIs: []string{"https://expenses." + domainOf(tenant)}}
}

func catalogue(_ *testing.T, w *world) {
	wellKnown, err := w.db.Application(w.ctx, contoso, directory.AuthenticationBroker)
	w.must(err)
	renamed := wellKnown
	renamed.DisplayName, renamed.BuiltIn = "Our broker", false
	w.must(w.db.PutApplication(w.ctx, contoso, renamed, w.entry(contoso)))
	for tenant, want := range map[directory.TenantID]directory.Application{contoso: renamed, fabrikam: wellKnown} {
		got, err := w.db.Application(w.ctx, tenant, directory.AuthenticationBroker)
		w.must(err)
		w.same("application", got, want)
	}
	apps, err := w.db.Applications(w.ctx, contoso)
	w.must(err)
	if want := len(directory.WellKnownApplications()) + 1; len(apps) != want || !slices.ContainsFunc(apps, func(a directory.Application) bool {
		return a.DisplayName == "Our broker"
	}) {
		w.t.Errorf("%d applications, want %d with the tenant's own", len(apps), want)
	}
	w.must(w.db.DeleteApplication(w.ctx, contoso, directory.AuthenticationBroker, w.entry(contoso)))
	got, err := w.db.Application(w.ctx, contoso, directory.AuthenticationBroker)
	w.must(err)
	w.same("the program's application again", got, wellKnown)
	w.want("delete it again", w.db.DeleteApplication(w.ctx, contoso, directory.AuthenticationBroker, w.entry(contoso)), directory.ErrNotFound)
	_, err = w.db.Application(w.ctx, contoso, "nothing")
	w.want("an unknown application", err, directory.ErrNotFound)

	r, err := w.db.ResourceNamed(w.ctx, contoso, "https://EXPENSES.contoso.example/")
	w.must(err)
	w.same("resource by name", r, ownResource(contoso))
	graph, err := w.db.ResourceNamed(w.ctx, contoso, directory.ManagementAudienceGraph)
	w.must(err)
	again, err := w.db.ResourceNamed(w.ctx, contoso, string(directory.MicrosoftGraph))
	w.must(err)
	w.same("a resource of the program, by another name", again, graph)
	elsewhere, err := w.db.ResourceNamed(w.ctx, fabrikam, directory.ManagementAudienceGraph)
	w.must(err)
	if graph.ObjectID == "" || graph.ObjectID == elsewhere.ObjectID {
		w.t.Errorf("object ids of a resource in two tenants: %q, %q", graph.ObjectID, elsewhere.ObjectID)
	}
	resources, err := w.db.Resources(w.ctx, contoso)
	w.must(err)
	if want := len(directory.WellKnownResources()) + 1; len(resources) != want {
		w.t.Errorf("%d resources, want %d", len(resources), want)
	}
	w.must(w.db.DeleteResource(w.ctx, contoso, ownResource(contoso).AppID, w.entry(contoso)))
	_, err = w.db.ResourceNamed(w.ctx, contoso, "https://expenses.contoso.example")
	w.want("a resource that was deleted", err, directory.ErrNotFound)
}

func licences(_ *testing.T, w *world) {
	p1 := directory.Licence{SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", SKUPartNumber: directory.SKUPartNumberP1,
		CapabilityStatus: directory.CapabilityActive, Units: 25, ServicePlans: []string{directory.ServicePlanP1}}
	w.must(w.db.SetLicence(w.ctx, contoso, p1, w.entry(contoso))) // in the place of the earlier one
	got, err := w.db.Licences(w.ctx, contoso)
	w.must(err)
	w.same("licences", got, []directory.Licence{p1})

	seen := map[string]bool{}
	for _, tenant := range []directory.TenantID{contoso, fabrikam} {
		id, err := w.db.WorkspaceOf(w.ctx, tenant)
		w.must(err)
		owner, err := w.db.TenantOfWorkspace(w.ctx, id)
		w.must(err)
		w.same("tenant of the workspace", owner, tenant)
		seen[id] = true
	}
	if len(seen) != 2 {
		w.t.Errorf("two tenants share a workspace: %v", slices.Collect(maps.Keys(seen)))
	}
	_, err = w.db.TenantOfWorkspace(w.ctx, "nothing")
	w.want("an unknown workspace", err, directory.ErrNotFound)
}

// changeWithAudit gives every write an audit row that cannot be stored, for its id is taken: nothing must have changed.
func changeWithAudit(t *testing.T, w *world) {
	taken := w.entry(contoso)
	w.must(w.db.AppendAudit(w.ctx, taken))
	for name, call := range w.writes(contoso) {
		w := newWorld(t, w.open)
		w.must(w.db.AppendAudit(w.ctx, taken))
		before := w.snapshot()
		if err := call(w, taken); err == nil {
			t.Errorf("%s succeeds without its audit row", name)
		}
		w.same(name+" without its audit row", w.snapshot(), before)

		// The honest twin changes something, and leaves its row.
		entry := w.entry(contoso)
		if err := call(w, entry); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if fmt.Sprint(w.snapshot()) == fmt.Sprint(before) {
			t.Errorf("%s changes nothing", name)
		}
		rows, err := w.db.AuditEntries(w.ctx, contoso, audit.Query{Limit: 1})
		w.must(err)
		w.same("audit row of "+name, rows, []audit.Entry{entry})
	}
}

func auditPages(_ *testing.T, w *world) {
	var want []string
	start := w.now.Add(time.Hour)
	for n := range 7 {
		entry := w.entry(contoso)
		entry.At = start.Add(time.Duration(n) * time.Minute)
		want = append(want, entry.ID)
		w.must(w.db.AppendAudit(w.ctx, entry))
		w.must(w.db.AppendAudit(w.ctx, w.entry(fabrikam)))
	}
	slices.Reverse(want)
	read := func(q audit.Query) []string {
		rows, err := w.db.AuditEntries(w.ctx, contoso, q)
		w.must(err)
		var ids []string
		for _, e := range rows {
			ids = append(ids, e.ID)
		}
		return ids
	}
	w.same("the first page", read(audit.Query{From: start, Limit: 3}), want[:3])
	w.same("the second page", read(audit.Query{From: start, After: want[2], Limit: 3}), want[3:6])
	w.same("the last page", read(audit.Query{From: start, After: want[5], Limit: 3}), want[6:])
	w.same("between two times, inclusive", read(audit.Query{From: start.Add(time.Minute), To: start.Add(3 * time.Minute), Limit: 10}), want[3:6])
	foreign := w.entry(fabrikam)
	w.must(w.db.AppendAudit(w.ctx, foreign))
	for _, after := range []string{foreign.ID, "nothing"} { // the same answer: P13
		w.same("behind a row of another tenant, or of nobody", read(audit.Query{After: after, Limit: 10}), []string(nil))
	}
}

func pilotPolicy(tenant directory.TenantID) policy.Policy {
	return policy.Policy{ID: string(of(tenant, "policy")), DisplayName: "Require token protection", State: policy.ReportOnly,
		Conditions: policy.Conditions{
			Applications:   policy.Applications{IncludeApplications: []string{policy.Office365}},
			Users:          policy.Users{IncludeGroups: []string{string(of(tenant, "pilot"))}},
			ClientAppTypes: []policy.ClientAppType{policy.AllClientApps},
		}}
}

func officeOf(tenant directory.TenantID) policy.NamedLocation {
	return policy.NamedLocation{ID: string(of(tenant, "office")), DisplayName: "Office", Kind: policy.IPLocation,
		Ranges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}, Trusted: true}
}

// P06: a change of a named location is a change of what the policies say.
func locations(_ *testing.T, w *world) {
	version := func() uint64 {
		v, err := w.db.PolicyVersion(w.ctx, contoso)
		w.must(err)
		return v
	}
	office, start := officeOf(contoso), version()
	office.Ranges, office.Trusted, office.CreatedDateTime = office.Ranges[:1], false, w.now
	w.must(w.db.PutLocation(w.ctx, contoso, office, w.entry(contoso)))
	changed := version()
	list, err := w.db.Locations(w.ctx, contoso)
	w.must(err)
	w.same("named locations", list, []policy.NamedLocation{office})
	w.must(w.db.DeleteLocation(w.ctx, contoso, office.ID, w.entry(contoso)))
	deleted := version()
	if start >= changed || changed >= deleted {
		w.t.Errorf("versions %d, %d, %d do not rise", start, changed, deleted)
	}
	w.want("delete it again", w.db.DeleteLocation(w.ctx, contoso, office.ID, w.entry(contoso)), directory.ErrNotFound)

	// A policy whose location is missing could not be compiled, and the tenant's every sign-in would be refused.
	p := policy.Policy{ID: string(of(contoso, "inside")), DisplayName: "Inside", State: policy.Enabled}
	p.Conditions.Locations = &policy.Locations{IncludeLocations: []string{policy.All}, ExcludeLocations: []string{office.ID, policy.AllTrusted}}
	w.want("a policy that names it now", w.db.PutPolicy(w.ctx, contoso, p, w.entry(contoso)), directory.ErrNotFound)
	w.must(w.db.PutLocation(w.ctx, contoso, office, w.entry(contoso)))
	w.must(w.db.PutPolicy(w.ctx, contoso, p, w.entry(contoso)))
	w.want("delete what a policy names", w.db.DeleteLocation(w.ctx, contoso, office.ID, w.entry(contoso)), directory.ErrInUse)
	w.must(w.db.DeletePolicy(w.ctx, contoso, p.ID, w.entry(contoso)))
	w.must(w.db.DeleteLocation(w.ctx, contoso, office.ID, w.entry(contoso)))
}

// P06: whoever asks for the version sees every change.
func policies(_ *testing.T, w *world) {
	version := func() uint64 {
		v, err := w.db.PolicyVersion(w.ctx, contoso)
		w.must(err)
		return v
	}
	first, start := pilotPolicy(contoso), version()
	second := first
	second.State = policy.Enabled
	w.now = w.now.Add(time.Minute)
	w.must(w.db.PutPolicy(w.ctx, contoso, second, w.entry(contoso)))
	changed := version()
	list, err := w.db.Policies(w.ctx, contoso)
	w.must(err)
	w.same("policies", list, []policy.Policy{second})
	one, err := w.db.PolicyByID(w.ctx, contoso, first.ID)
	w.must(err)
	w.same("policy", one, second)

	w.now = w.now.Add(time.Minute)
	w.must(w.db.DeletePolicy(w.ctx, contoso, first.ID, w.entry(contoso)))
	deleted := version()
	if start >= changed || changed >= deleted {
		w.t.Errorf("versions %d, %d, %d do not rise", start, changed, deleted)
	}
	w.want("delete it again", w.db.DeletePolicy(w.ctx, contoso, first.ID, w.entry(contoso)), directory.ErrNotFound)
	if version() != deleted {
		w.t.Error("a change that failed has changed the version")
	}
	_, err = w.db.PolicyByID(w.ctx, contoso, first.ID)
	w.want("a policy that was deleted", err, directory.ErrNotFound)
	history, err := w.db.PolicyHistory(w.ctx, contoso, first.ID)
	w.must(err)
	w.same("history", history, []policy.Revision{
		{Version: deleted, ChangedAt: w.now},
		{Version: changed, ChangedAt: w.now.Add(-time.Minute), Policy: &second},
		{Version: start, ChangedAt: w.now.Add(-2 * time.Minute), Policy: &first},
	})
}

// P15: a tenant, its first administrator, its licence and its being the operator's come together; what fails leaves nothing,
// and another try works. Of two first starts at once one makes the operator's tenant.
func founding(t *testing.T, w *world) {
	begin := func(id directory.TenantID, domain string) directory.Founding {
		u := w.user(contoso)
		u.ID, u.Tenant, u.UPN = of(id, "admin"), id, "admin@"+domain
		return directory.Founding{
			Tenant:        directory.Tenant{ID: id, DisplayName: domain, CreatedAt: w.now, Domains: []directory.Domain{{Name: domain, Verified: true, Initial: true}}},
			Administrator: u, Licence: &directory.Licence{SKUID: "sku", Units: 5}, Operator: true,
		}
	}
	const id directory.TenantID = "d0000000-0000-4000-8000-000000000002"
	broken := begin(id, "tailspin.example")
	broken.Tenant.Domains = append(broken.Tenant.Domains, directory.Domain{Name: "contoso.example", Verified: true})
	w.want("a domain that another tenant has", w.db.FoundTenant(w.ctx, broken, w.entry(id)), directory.ErrExists)
	nothing := func(what string) {
		t.Helper()
		if _, err := w.db.Tenant(w.ctx, id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: the tenant is there: %v", what, err)
		}
		if _, ok, err := w.db.Secret(w.ctx, "operator-tenant"); ok || err != nil {
			t.Errorf("%s: there is an operator's tenant, %v", what, err)
		}
	}
	nothing("after a domain that is taken")
	twice := w.entry(id)
	w.want("an audit row that fails", w.db.FoundTenant(w.ctx, begin(id, "tailspin.example"), twice, twice), directory.ErrExists)
	nothing("after an audit row that fails")
	again := begin(id, "tailspin.example")
	again.Operator = false // which tenant is the operator's is decided below
	w.must(w.db.FoundTenant(w.ctx, again, w.entry(id)))

	contender := func(n int) directory.TenantID {
		return directory.TenantID(fmt.Sprintf("d0000000-0000-4000-8000-0000000001%02d", n))
	}
	errs := together(10, func(n int) error {
		return w.db.FoundTenant(w.ctx, begin(contender(n), fmt.Sprintf("t%d.example", n)), w.entry(contender(n)))
	})
	w.onlyOne(errs, directory.ErrExists)
	for n, lost := range errs {
		if _, err := w.db.Tenant(w.ctx, contender(n)); lost != nil && !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("first start %d lost, and its tenant is there: %v", n, err)
		}
	}
	operator, ok, err := w.db.Secret(w.ctx, "operator-tenant")
	w.must(err)
	whole := directory.TenantID(operator)
	_, roles, err := w.db.Memberships(w.ctx, whole, of(whole, "admin"))
	w.must(err)
	licences, err := w.db.Licences(w.ctx, whole)
	w.must(err)
	if !ok || !roles[directory.GlobalAdministrator] || len(licences) != 1 {
		t.Errorf("the operator's tenant: roles %v, licences %v", roles, licences)
	}
}
