package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/admin/admintest"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/policy"

	"github.com/google/go-cmp/cmp"
)

var (
	ctx    = context.Background()
	global = admintest.Caller(contoso, directory.GlobalAdministrator)
)

// A licence is needed to create a policy and to make one stricter; without one, enforcement goes on and everything that
// loosens or mends still works.
func TestLicence(t *testing.T) { // S10
	const off, report, on = "disabled", "enabledForReportingButNotEnforced", "enabled"
	state := func(s string) []byte { return []byte(`{"state":"` + s + `"}`) }
	for _, tt := range []struct {
		name    string
		present string // state of a policy that was created while there was a licence; "" for none
		do      func(s *admin.Service, id string) error
		want    error
	}{
		{"creating an enforced policy is refused", "", create(on), admin.ErrLicenceRequired},
		{"creating a report-only policy is refused", "", create(report), admin.ErrLicenceRequired},
		{"creating a policy that is off is refused", "", create(off), admin.ErrLicenceRequired},
		{"enabling a policy is refused", off, update(state(on)), admin.ErrLicenceRequired},
		{"enabling a report-only policy is refused", report, update(state(on)), admin.ErrLicenceRequired},
		{"setting a policy from off to report-only is refused", off, update(state(report)), admin.ErrLicenceRequired},
		{"switching an enforced policy off works", on, update(state(off)), nil},
		{"renaming an enforced policy works", on, update([]byte(`{"displayName":"TP02"}`)), nil},
		{"deleting an enforced policy works", on, func(s *admin.Service, id string) error { return s.DeletePolicy(ctx, global, id) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			id := ""
			if tt.present != "" {
				p, _, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection(tt.present)))
				if err != nil {
					t.Fatal(err)
				}
				id = p.ID
			}
			lapse(t, o)
			if err := tt.do(o.Service, id); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func create(state string) func(*admin.Service, string) error {
	return func(s *admin.Service, _ string) error {
		_, _, err := s.CreatePolicy(ctx, global, []byte(tokenProtection(state)))
		return err
	}
}

func update(patch []byte) func(*admin.Service, string) error {
	return func(s *admin.Service, id string) error {
		_, _, err := s.UpdatePolicy(ctx, global, id, patch)
		return err
	}
}

func lapse(t *testing.T, o *admintest.Organisation) {
	t.Helper()
	if _, err := o.Service.SetLicence(ctx, global, admin.LicenceChange{SKU: "AAD_PREMIUM", CapabilityStatus: ptr("Suspended")}); err != nil {
		t.Fatal(err)
	}
}

// A lapsed licence leaves the policy as it is, and says so wherever the policy is read.
func TestLapsedLicenceWarnsAndKeepsEnforcing(t *testing.T) { // S10
	o := admintest.NewOrganisation(t)
	p, _, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection("enabled")))
	if err != nil {
		t.Fatal(err)
	}
	lapse(t, o)
	after, warnings, err := o.Service.Policy(ctx, global, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if after.State != policy.Enabled {
		t.Errorf("the state is %q after the licence lapsed, want %q", after.State, policy.Enabled)
	}
	if !warned(warnings, "noLicence") {
		t.Errorf("warnings %v do not tell of the licence", warnings)
	}
}

func warned(warnings []admin.Warning, id string) bool {
	return slices.ContainsFunc(warnings, func(w admin.Warning) bool { return w.ID == id })
}

// The linter's findings stand beside what was stored; they know the tenant: its emergency accounts, roles and companions.
func TestPolicyWarnings(t *testing.T) { // S42 S43 S48
	base := tokenProtection("enabledForReportingButNotEnforced")
	for _, tt := range []struct {
		name     string
		document string
		want     string // id
		twin     bool   // whether base has it not
	}{
		{"the Office 365 group", strings.Replace(base, "00000002-0000-0ff1-ce00-000000000000", "Office365", 1), "office365Selected", true},
		{"nobody excluded", strings.Replace(base, `,"excludeGroups":["`+id("Break glass")+`"]`, "", 1), "noEmergencyExclusion", true},
		{"somebody else excluded", strings.Replace(strings.Replace(base, `"includeGroups":["`+id("Pilot")+`"]`, `"includeUsers":["All"]`, 1), id("Break glass"), id("Pilot"), 1), "noEmergencyExclusion", true},
		{"a role that nobody can hold", strings.Replace(base, `"includeGroups"`, `"includeRoles":["d29b2b05-8046-44ba-8758-1e26182fcf32"],"includeGroups"`, 1), "unknownRole", true},
		{"no companion", base, "unknownPlatformsNotBlocked", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			_, sound, err := o.Service.CreatePolicy(ctx, global, []byte(base))
			if err != nil || tt.twin && warned(sound, tt.want) {
				t.Fatalf("the sound policy: %v, %v", sound, err)
			}
			p, warnings, err := o.Service.CreatePolicy(ctx, global, []byte(tt.document))
			if err != nil || !warned(warnings, tt.want) {
				t.Fatalf("CreatePolicy = %v, %v, want the warning %s", warnings, err, tt.want)
			}
			if _, warnings, err = o.Service.Policy(ctx, global, p.ID); err != nil || !warned(warnings, tt.want) {
				t.Errorf("Policy = %v, %v, want the warning %s", warnings, err, tt.want)
			}
		})
	}
}

// A grant control that cannot be enforced here keeps a policy from being set On, and from nothing else.
func TestUnenforceableControlCannotBeOn(t *testing.T) {
	o := admintest.NewOrganisation(t)
	document := strings.Replace(tokenProtection("enabledForReportingButNotEnforced"), `"sessionControls"`,
		`"grantControls":{"operator":"OR","builtInControls":["approvedApplication"]},"sessionControls"`, 1)
	p, _, err := o.Service.CreatePolicy(ctx, global, []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	var invalid *admin.InvalidError
	if _, _, err := o.Service.UpdatePolicy(ctx, global, p.ID, []byte(`{"state":"enabled"}`)); !errors.As(err, &invalid) {
		t.Errorf("setting it On: %v, want an InvalidError", err)
	}
}

func TestMoreUsersThanUnitsWarns(t *testing.T) { // S10
	o := admintest.NewOrganisation(t)
	if _, err := o.Service.SetLicence(ctx, global, admin.LicenceChange{SKU: "AAD_PREMIUM", Units: ptr(2)}); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection("enabled")))
	if err != nil || !warned(warnings, "fewerUnitsThanUsers") {
		t.Errorf("CreatePolicy = %v, %v, want a warning about units and no error", warnings, err)
	}
}

func TestPolicyNamesOnlyWhatExists(t *testing.T) {
	o := admintest.NewOrganisation(t)
	document := `{"displayName":"P","state":"disabled","conditions":{
		"users":{"includeUsers":["11111111-1111-4111-8111-111111111111"],"excludeGroups":["22222222-2222-4222-8222-222222222222"]},
		"applications":{"includeApplications":["33333333-3333-4333-8333-333333333333"]}},
		"sessionControls":{"secureSignInSession":{"isEnabled":true}}}`
	_, _, err := o.Service.CreatePolicy(ctx, global, []byte(document))
	var invalid *admin.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v, want an InvalidError", err)
	}
	var pointers []string
	for _, p := range invalid.Problems {
		pointers = append(pointers, p.Pointer)
	}
	want := []string{"/conditions/users/includeUsers/0", "/conditions/users/excludeGroups/0", "/conditions/applications/includeApplications/0"}
	if diff := cmp.Diff(want, pointers); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestUpdatePolicyMerges(t *testing.T) { // S47
	o := admintest.NewOrganisation(t)
	before, _, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection("disabled")))
	if err != nil {
		t.Fatal(err)
	}
	o.Now = o.Now.Add(time.Hour)
	after, _, err := o.Service.UpdatePolicy(ctx, global, before.ID,
		[]byte(`{"id":"other","State":"enabled","conditions":{"platforms":null,"users":{"excludeUsers":["`+id("mika")+`"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := before
	want.State, want.ModifiedDateTime, want.Conditions.Platforms = policy.Enabled, o.Now, nil
	want.Conditions.Users.ExcludeUsers = []string{id("mika")}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the changed policy (-want +got):\n%s", diff)
	}
	if kept, _, err := o.Service.Policy(ctx, global, before.ID); err != nil || kept.State != policy.Enabled {
		t.Errorf("Policy after the change = %q, %v", kept.State, err)
	}
}

// Nothing that administration keeps or tells holds a password or a key.
func TestAuditRowsHoldNoSecrets(t *testing.T) { // P11
	o := admintest.NewOrganisation(t)
	const first, second = "a first secret phrase", "a second secret phrase"
	u, generated, err := o.Service.CreateUser(ctx, global, admin.NewUser{UPN: "new@contoso.example", DisplayName: "New", Enabled: true, Password: first})
	if err != nil || generated != "" {
		t.Fatalf("CreateUser = %q, %v, want no generated password", generated, err)
	}
	if err := o.Service.UpdateUser(ctx, global, string(u.ID), admin.UserPatch{DisplayName: ptr("Newer"), Password: ptr(second)}); err != nil {
		t.Fatal(err)
	}
	third, err := o.Service.ResetPassword(ctx, global, string(u.ID), "")
	if err != nil || third == "" {
		t.Fatalf("ResetPassword = %q, %v, want a generated password", third, err)
	}
	if err := o.Service.UpdateDevice(ctx, global, admin.DeviceKey{ObjectID: id("LAPTOP-7")}, admin.DevicePatch{Model: ptr("X1")}); err != nil {
		t.Fatal(err)
	}
	rows, err := json.Marshal(o.Entries(t))
	if err != nil {
		t.Fatal(err)
	}
	users, _ := o.Store.Users(ctx, contoso)
	secrets := []string{first, second, third, "ZGV2aWNlIGtleQ", "dHJhbnNwb3J0IGtleQ"} // the keys in base64
	for _, u := range users {
		secrets = append(secrets, u.PasswordHash)
	}
	for _, secret := range secrets {
		if strings.Contains(string(rows), secret) {
			t.Errorf("the audit rows hold the secret %q", secret)
		}
	}
	if n := len(o.Entries(t)); n != 5 {
		t.Errorf("%d audit rows, want 5: user added, updated, two passwords, device updated", n)
	}
}

// A change's row says who did what to what, from what to what.
func TestAuditRow(t *testing.T) {
	o := admintest.NewOrganisation(t)
	if err := o.Service.UpdateUser(ctx, global, "MIKA@contoso.example", admin.UserPatch{Enabled: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	rows := o.Entries(t)
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	e := rows[0]
	if e.Actor.UPN != global.UPN || e.Actor.IPAddress != global.IP || e.Actor.CorrelationID != global.CorrelationID || e.Tenant != contoso ||
		e.Activity != "Update user" || e.TargetID != id("mika") || !e.At.Equal(o.Now) {
		t.Errorf("row %+v does not say who changed whom", e)
	}
	if !strings.Contains(string(e.Before), `"accountEnabled":true`) || !strings.Contains(string(e.After), `"accountEnabled":false`) {
		t.Errorf("row from %s to %s, want accountEnabled from true to false", e.Before, e.After)
	}
}

// What a device says of itself and what the server has concluded stay as they are, whatever is set.
func TestDevicePatchLeavesWhatIsNotTheAdministrators(t *testing.T) {
	o := admintest.NewOrganisation(t)
	key := admin.DeviceKey{DeviceID: id("LAPTOP-7 device")}
	before, err := o.Service.Device(ctx, global, key)
	if err != nil {
		t.Fatal(err)
	}
	err = o.Service.UpdateDevice(ctx, global, key, admin.DevicePatch{
		Enabled: ptr(false), Edition: ptr("server"), Method: ptr("bulkEnrollment"), ProfileType: ptr("SecureVM"), SystemLabels: &[]string{"CloudPC"},
		EnrollmentProfileName: ptr("Autopilot 自己展開プロファイル"), Ownership: ptr("Company"), Manufacturer: ptr("M"), Model: ptr("X1"),
		MDMAppID: ptr("0000000a-0000-0000-c000-000000000000"), Compliant: &admin.TriState{Known: true, Value: true}, Managed: &admin.TriState{},
		ExtensionAttributes: map[int]string{3: "kiosk"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := before
	want.Enabled, want.Edition, want.Method, want.ProfileType, want.SystemLabels = false, device.Server, device.BulkEnrolment, "SecureVM", []string{"CloudPC"}
	want.EnrollmentProfileName, want.Ownership, want.Manufacturer, want.Model = "Autopilot 自己展開プロファイル", "Company", "M", "X1"
	want.MDMAppID, want.IsCompliant, want.IsManaged = "0000000a-0000-0000-c000-000000000000", ptr(true), nil
	want.ExtensionAttributes[2] = "kiosk"
	got, err := o.Service.Device(ctx, global, key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the changed device (-want +got):\n%s", diff)
	}
}

// A tenant always keeps somebody who can administer it.
func TestLastGlobalAdministratorStays(t *testing.T) {
	for name, do := range map[string]func(s *admin.Service) error{
		"deleting": func(s *admin.Service) error { return s.DeleteUser(ctx, global, id("admin")) },
		"disabling": func(s *admin.Service) error {
			return s.UpdateUser(ctx, global, id("admin"), admin.UserPatch{Enabled: ptr(false)})
		},
		"unassigning": func(s *admin.Service) error {
			return s.UnassignRole(ctx, global, directory.RoleAssignment{Role: directory.GlobalAdministrator, User: admintest.ID(contoso, "admin")}.ID())
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			var conflict *admin.ConflictError
			if err := do(o.Service); !errors.As(err, &conflict) {
				t.Errorf("%s the last one: %v, want a conflict", name, err)
			}
			if _, err := o.Service.AssignRole(ctx, global, directory.GlobalAdministrator, id("mika")); err != nil {
				t.Fatal(err)
			}
			if err := do(o.Service); err != nil {
				t.Errorf("%s one of two: %v", name, err)
			}
		})
	}
}

func TestPasswordsAreBounded(t *testing.T) {
	o := admintest.NewOrganisation(t)
	for _, tt := range []struct {
		name, password string
		ok             bool
	}{
		{"seven characters", "1234567", false},
		{"eight characters", "12345678", true},
		{"eight characters of three bytes", "あいうえおかきく", true},
		{"256 bytes", strings.Repeat("x", 256), true},
		{"257 bytes", strings.Repeat("x", 257), false},
	} {
		_, err := o.Service.ResetPassword(ctx, global, id("mika"), tt.password)
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), tt.password) { // P11
			t.Errorf("%s: the error repeats the password", tt.name)
		}
	}
}

// Whether an access token still speaks for somebody is asked of the directory at every request.
func TestCallerFor(t *testing.T) { // P06
	subject := admin.Subject{Tenant: contoso, User: admintest.ID(contoso, "admin"), AuthTime: admintest.Start}
	o := admintest.NewOrganisation(t)
	c, err := o.Service.CallerFor(ctx, subject)
	if err != nil || !c.Roles[directory.GlobalAdministrator] {
		t.Fatalf("CallerFor = %+v, %v, want a Global Administrator", c, err)
	}
	if _, err := o.Service.AssignRole(ctx, global, directory.GlobalAdministrator, id("mika")); err != nil {
		t.Fatal(err)
	}
	assignment := directory.RoleAssignment{Role: directory.GlobalAdministrator, User: subject.User}
	if err := o.Service.UnassignRole(ctx, global, assignment.ID()); err != nil {
		t.Fatal(err)
	}
	if c, err := o.Service.CallerFor(ctx, subject); err != nil || len(c.Roles) != 0 {
		t.Errorf("after the role was taken away: %+v, %v, want a caller without roles", c, err)
	}
	for name, end := range map[string]func(o *admintest.Organisation) error{
		"disabled": func(o *admintest.Organisation) error {
			return o.Service.UpdateUser(ctx, global, id("mika"), admin.UserPatch{Enabled: ptr(false)})
		},
		"deleted":        func(o *admintest.Organisation) error { return o.Service.DeleteUser(ctx, global, id("mika")) },
		"sessions ended": func(o *admintest.Organisation) error { return o.Service.RevokeSessions(ctx, global, id("mika")) },
		"password changed": func(o *admintest.Organisation) error {
			_, err := o.Service.ResetPassword(ctx, global, id("mika"), "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			mika := admin.Subject{Tenant: contoso, User: admintest.ID(contoso, "mika"), AuthTime: admintest.Start}
			if _, err := o.Service.CallerFor(ctx, mika); err != nil {
				t.Fatalf("before: %v", err)
			}
			o.Now = o.Now.Add(time.Minute)
			if err := end(o); err != nil {
				t.Fatal(err)
			}
			if _, err := o.Service.CallerFor(ctx, mika); !errors.Is(err, admin.ErrSignedOut) {
				t.Errorf("after: %v, want %v", err, admin.ErrSignedOut)
			}
		})
	}
}

func TestSyncedDevice(t *testing.T) { // S12
	o := admintest.NewOrganisation(t)
	good := admin.NewDevice{DisplayName: "SRV-3", OperatingSystem: "Windows Server", OperatingSystemVersion: "10.0.20348.2402",
		SID: "S-1-5-21-1004336348-1177238915-682003330-1104", Certificate: publicKeyPEM}
	d, err := o.Service.CreateSyncedDevice(ctx, global, good)
	if err != nil {
		t.Fatal(err)
	}
	if d.TrustType != device.HybridJoined || d.Edition != device.Server || d.RecordedOS != "Windows Server" || len(d.SyncedKey) == 0 || len(d.DeviceKey) != 0 {
		t.Errorf("device %+v, want a server's synchronised object without a device key", d)
	}
	bad := good
	bad.OperatingSystem, bad.OperatingSystemVersion, bad.SID = "Linux", "6.1", "S-1-5-18"
	bad.Certificate = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	_, err = o.Service.CreateSyncedDevice(ctx, global, bad)
	var invalid *admin.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Problems) != 4 {
		t.Errorf("a wrong object: %v, want four problems", err)
	}
}

const publicKeyPEM = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
`

// No identifier of a resource may stand for another one: tokens for one would pass for tokens for the other.
func TestResourceIdentifiersAreTheirOwn(t *testing.T) { // S05
	o := admintest.NewOrganisation(t)
	for _, tt := range []struct {
		identifier string
		ok         bool
	}{
		{"api://payroll", true},
		{"https://payroll.contoso.example", true},
		{"https://graph.microsoft.com", false},
		{"https://GRAPH.microsoft.com/", false},
		{"00000002-0000-0ff1-ce00-000000000000", false},
		{"https://*.contoso.example", false},
		{"payroll", false},
	} {
		_, err := o.Service.CreateResource(ctx, global, "", admin.ResourcePatch{DisplayName: ptr("R"), IdentifierURIs: &[]string{tt.identifier}})
		if (err == nil) != tt.ok {
			t.Errorf("identifier %q: error %v", tt.identifier, err)
		}
	}
}

func TestGroupsCannotContainThemselves(t *testing.T) {
	o := admintest.NewOrganisation(t)
	g, err := o.Service.CreateGroup(ctx, global, "Ring 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Service.AddMember(ctx, global, string(g.ID), id("Pilot")); err != nil {
		t.Fatal(err)
	}
	var conflict *admin.ConflictError
	if err := o.Service.AddMember(ctx, global, id("Pilot"), string(g.ID)); !errors.As(err, &conflict) {
		t.Errorf("a circle of groups: %v, want a conflict", err)
	}
	groups, _, err := o.Service.MemberOf(ctx, global, id("mika"), true)
	if err != nil || len(groups) != 2 {
		t.Errorf("MemberOf(mika, transitive) = %v, %v, want Pilot and Ring 1", groups, err)
	}
	groups, _, err = o.Service.MemberOf(ctx, global, id("mika"), false)
	if err != nil || len(groups) != 1 {
		t.Errorf("MemberOf(mika) = %v, %v, want Pilot", groups, err)
	}
}

// A group or resource that a policy names cannot be removed from under it.
func TestNamedObjectsStay(t *testing.T) {
	o := admintest.NewOrganisation(t)
	if _, _, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection("enabled"))); err != nil {
		t.Fatal(err)
	}
	var conflict *admin.ConflictError
	if err := o.Service.DeleteGroup(ctx, global, id("Pilot")); !errors.As(err, &conflict) {
		t.Errorf("deleting the pilot group: %v, want a conflict", err)
	}
}

func TestExamine(t *testing.T) {
	o := admintest.NewOrganisation(t)
	if _, err := o.Service.UpdateSettings(ctx, global, admin.SettingsPatch{AllowKDF1: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	lapse(t, o)
	found, err := o.Service.Examine(ctx, global)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kdf1Allowed", "noTokenProtection"} {
		if !warned(found, want) {
			t.Errorf("Examine does not find %s: %v", want, found)
		}
	}
	if warned(found, "noEmergencyAccount") || warned(found, "deviceCodeSessionsAllowed") {
		t.Errorf("Examine finds what is not there: %v", found)
	}
}

func TestGuestsNameTheirHome(t *testing.T) { // S23
	o := admintest.NewOrganisation(t)
	guest := admin.NewUser{UPN: "ken_fabrikam@contoso.example", DisplayName: "Ken", Enabled: true, Type: directory.Guest, HomeTenant: fabrikam, HomeUser: admintest.ID(fabrikam, "mika")}
	u, generated, err := o.Service.CreateUser(ctx, global, guest)
	if err != nil || generated != "" || u.PasswordHash != "" || u.Home() != fabrikam {
		t.Errorf("CreateUser(guest) = %+v, %q, %v, want an account without a password", u, generated, err)
	}
	// Whether the account at home exists is not told. P13
	guest.UPN, guest.HomeUser = "nobody_fabrikam@contoso.example", "99999999-9999-4999-8999-999999999999"
	if _, _, err := o.Service.CreateUser(ctx, global, guest); err != nil {
		t.Errorf("CreateUser(guest of nobody): %v, want the same answer as for somebody", err)
	}
}

// Changes that read before they write do not undo each other.
func TestChangesDoNotUndoEachOther(t *testing.T) { // P06
	o := admintest.NewOrganisation(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			if err := o.Service.UpdateUser(ctx, global, id("mika"), admin.UserPatch{DisplayName: ptr(fmt.Sprintf("Mika %d", i))}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		if err := o.Service.UpdateUser(ctx, global, id("mika"), admin.UserPatch{Enabled: ptr(false)}); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
		u, err := o.Service.User(ctx, global, id("mika"))
		if err != nil || u.Enabled {
			t.Fatalf("after disabling: enabled %v, %v", u.Enabled, err)
		}
		if err := o.Service.UpdateUser(ctx, global, id("mika"), admin.UserPatch{Enabled: ptr(true)}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}
