package admin_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"boundgate/internal/admin"
	"boundgate/internal/admin/admintest"
	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
)

const (
	contoso  = admintest.Contoso
	fabrikam = admintest.Fabrikam
)

var allRoles = []directory.Role{
	directory.GlobalAdministrator, directory.GlobalReader, directory.ConditionalAccessAdministrator, directory.SecurityAdministrator,
	directory.SecurityOperator, directory.SecurityReader, directory.ReportsReader, directory.UserAdministrator, directory.CloudDeviceAdministrator,
}

func ptr[T any](v T) *T { return &v }

// id names an object of Contoso.
func id(name string) string { return string(admintest.ID(contoso, name)) }

// TestWhoMayDoWhat is the table of operations and roles: what is not listed is refused, and a refusal names the roles that
// would do.
func TestWhoMayDoWhat(t *testing.T) { // S40
	const (
		global, caa, security = directory.GlobalAdministrator, directory.ConditionalAccessAdministrator, directory.SecurityAdministrator
		users, devices        = directory.UserAdministrator, directory.CloudDeviceAdministrator
		globalReader, secRead = directory.GlobalReader, directory.SecurityReader
		reports, operator     = directory.ReportsReader, directory.SecurityOperator
	)
	everyRole := allRoles
	ctx := context.Background()
	for _, tt := range []struct {
		name    string
		allowed []directory.Role
		do      func(s *admin.Service, c admin.Caller) error
	}{
		{"list users", everyRole, func(s *admin.Service, c admin.Caller) error { _, err := s.Users(ctx, c); return err }},
		{"read another user", everyRole, func(s *admin.Service, c admin.Caller) error { _, err := s.User(ctx, c, id("mika")); return err }},
		{"list devices", everyRole, func(s *admin.Service, c admin.Caller) error { _, err := s.Devices(ctx, c); return err }},
		{"create a user", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error {
			_, _, err := s.CreateUser(ctx, c, admin.NewUser{UPN: "new@contoso.example", DisplayName: "New", Enabled: true})
			return err
		}},
		{"disable a user", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error {
			return s.UpdateUser(ctx, c, id("mika"), admin.UserPatch{Enabled: ptr(false)})
		}},
		{"reset a password", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.ResetPassword(ctx, c, id("mika"), "another good password")
			return err
		}},
		{"reset the password of an administrator", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			c.User = admintest.ID(contoso, "mika")
			_, err := s.ResetPassword(ctx, c, id("admin"), "another good password")
			return err
		}},
		{"reset the password of an emergency-access account", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.ResetPassword(ctx, c, id("breakglass"), "another good password")
			return err
		}},
		{"mark an emergency-access account", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			return s.UpdateUser(ctx, c, id("mika"), admin.UserPatch{EmergencyAccess: ptr(true)})
		}},
		{"end another user's sessions", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error { return s.RevokeSessions(ctx, c, id("mika")) }},
		{"list another user's second factors", []directory.Role{global, users, globalReader}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.Factors(ctx, c, id("mika"))
			return err
		}},
		{"remove a lost phone", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error {
			return s.RemoveFactor(ctx, c, id("mika"), factor.TOTP, id("mika's phone"))
		}},
		{"remove an administrator's phone", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			c.User = admintest.ID(contoso, "mika")
			return s.RemoveFactor(ctx, c, id("admin"), factor.TOTP, id("admin's phone"))
		}},
		{"delete a user", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error { return s.DeleteUser(ctx, c, id("mika")) }},
		{"create a group", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error { _, err := s.CreateGroup(ctx, c, "Ring 1"); return err }},
		{"add a member", []directory.Role{global, users}, func(s *admin.Service, c admin.Caller) error { return s.AddMember(ctx, c, id("Pilot"), id("admin")) }},
		{"assign a role", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.AssignRole(ctx, c, directory.SecurityReader, id("mika"))
			return err
		}},
		{"set a licence", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.SetLicence(ctx, c, admin.LicenceChange{SKU: "AAD_PREMIUM", Units: ptr(5)})
			return err
		}},
		{"change the catalogue", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.CreateApplication(ctx, c, "", admin.ApplicationPatch{DisplayName: ptr("Payroll")})
			return err
		}},
		{"register a resource", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.CreateResource(ctx, c, "", admin.ResourcePatch{DisplayName: ptr("Payroll")})
			return err
		}},
		{"disable a device", []directory.Role{global, devices}, func(s *admin.Service, c admin.Caller) error {
			return s.UpdateDevice(ctx, c, admin.DeviceKey{ObjectID: id("LAPTOP-7")}, admin.DevicePatch{Enabled: ptr(false)})
		}},
		{"delete a device", []directory.Role{global, devices}, func(s *admin.Service, c admin.Caller) error {
			return s.DeleteDevice(ctx, c, admin.DeviceKey{ObjectID: id("LAPTOP-7")})
		}},
		{"list policies", []directory.Role{global, caa, security, globalReader, secRead, reports, operator}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.Policies(ctx, c)
			return err
		}},
		{"lint a policy", []directory.Role{global, caa, security, globalReader, secRead, reports, operator}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.LintDocument(ctx, c, "", []byte(tokenProtection("enabled")))
			return err
		}},
		{"create a policy", []directory.Role{global, caa, security}, func(s *admin.Service, c admin.Caller) error {
			_, _, err := s.CreatePolicy(ctx, c, []byte(tokenProtection("enabledForReportingButNotEnforced")))
			return err
		}},
		{"read sign-ins", []directory.Role{global, caa, security, globalReader, secRead, reports, operator}, func(_ *admin.Service, c admin.Caller) error {
			return admin.Authorize(c, admin.ReadSignIns)
		}},
		{"read the audit log", []directory.Role{global, security, globalReader, secRead, reports, operator}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.AuditEntries(ctx, c, audit.Query{Limit: 1})
			return err
		}},
		{"change tenant settings", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, err := s.UpdateSettings(ctx, c, admin.SettingsPatch{AllowKDF1: ptr(true)})
			return err
		}},
		{"create a tenant", []directory.Role{global}, func(s *admin.Service, c admin.Caller) error {
			_, _, _, err := s.CreateTenant(ctx, c, admin.NewTenant{DisplayName: "New", Domain: "new.example",
				Administrator: admin.NewUser{UPN: "admin@new.example", DisplayName: "Admin"}})
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			untouched := admintest.NewOrganisation(t)
			for _, role := range append(slices.Clone(allRoles), "") {
				if slices.Contains(tt.allowed, role) {
					if err := tt.do(admintest.NewOrganisation(t).Service, admintest.Caller(contoso, role)); err != nil {
						t.Errorf("%s as %s: %v", tt.name, directory.RoleNames[role], err)
					}
					continue
				}
				err := tt.do(untouched.Service, admintest.Caller(contoso, role))
				var forbidden *admin.ForbiddenError
				if !errors.As(err, &forbidden) || !errors.Is(err, admin.ErrForbidden) {
					t.Errorf("%s as %q: error %v, want a refusal", tt.name, directory.RoleNames[role], err)
					continue
				}
				if !strings.Contains(err.Error(), directory.RoleNames[directory.GlobalAdministrator]) {
					t.Errorf("%s as %q: %q does not name a role that would do", tt.name, directory.RoleNames[role], err)
				}
			}
			if n := len(untouched.Entries(t)); n != 0 {
				t.Errorf("%s: refused, and yet left %d audit rows", tt.name, n)
			}
		})
	}
}

// An operation that the table does not know is refused to everyone.
func TestUnknownOperationIsRefused(t *testing.T) { // S40
	c := admintest.Caller(contoso, allRoles...)
	if err := admin.Authorize(c, "Something new"); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("Authorize of an unknown operation = %v, want a refusal", err)
	}
}

// Only the operator's tenant makes tenants, whatever the role elsewhere.
func TestOtherTenantsCannotCreateTenants(t *testing.T) { // P13
	o := admintest.NewOrganisation(t)
	ctx, other := context.Background(), admintest.Caller(fabrikam, directory.GlobalAdministrator)
	_, _, _, err := o.Service.CreateTenant(ctx, other, admin.NewTenant{DisplayName: "New", Domain: "new.example"})
	if !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("CreateTenant by another tenant's administrator: %v, want a refusal", err)
	}
	if err := o.Service.AddDomain(ctx, other, string(fabrikam), "new.example"); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("AddDomain by another tenant's administrator: %v, want a refusal", err)
	}
	list, err := o.Service.Tenants(ctx, other)
	if err != nil || len(list) != 1 || list[0].ID != fabrikam {
		t.Errorf("Tenants for another tenant = %v, %v, want its own alone", list, err)
	}
	o.Service.Operator = ""
	if _, _, _, err := o.Service.CreateTenant(ctx, admintest.Caller(contoso, directory.GlobalAdministrator), admin.NewTenant{}); !errors.Is(err, admin.ErrForbidden) {
		t.Errorf("CreateTenant without an operator tenant: %v, want a refusal", err)
	}
}

// To an administrator of one tenant, the objects of another are like objects that never were.
func TestObjectsOfAnotherTenantDoNotExist(t *testing.T) { // P13
	ctx, c := context.Background(), admintest.Caller(contoso, allRoles...)
	foreign := func(name string) string { return string(admintest.ID(fabrikam, name)) }
	const never = "99999999-9999-4999-8999-999999999999"
	policyID := func(o *admintest.Organisation) string {
		p, _, err := o.Service.CreatePolicy(ctx, admintest.Caller(fabrikam, directory.GlobalAdministrator),
			[]byte(strings.NewReplacer(id("Pilot"), foreign("Pilot"), id("Break glass"), foreign("Break glass")).Replace(tokenProtection("disabled"))))
		if err != nil {
			t.Fatal(err)
		}
		return p.ID
	}
	for _, tt := range []struct {
		name    string
		foreign func(o *admintest.Organisation) string
		do      func(s *admin.Service, key string) error
	}{
		{"user by id", func(*admintest.Organisation) string { return foreign("mika") }, func(s *admin.Service, k string) error { _, err := s.User(ctx, c, k); return err }},
		{"user by name", func(*admintest.Organisation) string { return "mika@fabrikam.example" }, func(s *admin.Service, k string) error { return s.DeleteUser(ctx, c, k) }},
		{"second factors", func(*admintest.Organisation) string { return foreign("mika") }, func(s *admin.Service, k string) error { _, err := s.Factors(ctx, c, k); return err }},
		{"second factor", func(*admintest.Organisation) string { return foreign("mika's phone") }, func(s *admin.Service, k string) error {
			return s.RemoveFactor(ctx, c, id("mika"), factor.TOTP, k)
		}},
		{"group", func(*admintest.Organisation) string { return foreign("Pilot") }, func(s *admin.Service, k string) error { return s.DeleteGroup(ctx, c, k) }},
		{"member to add", func(*admintest.Organisation) string { return foreign("mika") }, func(s *admin.Service, k string) error { return s.AddMember(ctx, c, id("Pilot"), k) }},
		{"holder of a role", func(*admintest.Organisation) string { return foreign("mika") }, func(s *admin.Service, k string) error {
			_, err := s.AssignRole(ctx, c, directory.SecurityReader, k)
			return err
		}},
		{"device by object id", func(*admintest.Organisation) string { return foreign("LAPTOP-7") }, func(s *admin.Service, k string) error {
			return s.DeleteDevice(ctx, c, admin.DeviceKey{ObjectID: k})
		}},
		{"device by device id", func(*admintest.Organisation) string { return foreign("LAPTOP-7 device") }, func(s *admin.Service, k string) error {
			return s.UpdateDevice(ctx, c, admin.DeviceKey{DeviceID: k}, admin.DevicePatch{Enabled: ptr(false)})
		}},
		{"policy", policyID, func(s *admin.Service, k string) error { _, _, err := s.Policy(ctx, c, k); return err }},
		{"group in a policy", func(*admintest.Organisation) string { return foreign("Pilot") }, func(s *admin.Service, k string) error {
			_, _, err := s.CreatePolicy(ctx, c, []byte(strings.ReplaceAll(tokenProtection("disabled"), id("Pilot"), k)))
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			key := tt.foreign(o)
			unknown := never
			if strings.Contains(key, "@") {
				unknown = "nobody@fabrikam.example"
			}
			theirs, nobodys := tt.do(o.Service, key), tt.do(o.Service, unknown)
			if theirs == nil || nobodys == nil {
				t.Fatalf("errors %v and %v, want two", theirs, nobodys)
			}
			same := strings.ReplaceAll(theirs.Error(), key, "KEY") == strings.ReplaceAll(nobodys.Error(), unknown, "KEY")
			if !same || fmt.Sprintf("%T", theirs) != fmt.Sprintf("%T", nobodys) {
				t.Errorf("another tenant's object: %v\nno object at all: %v\nwant the same", theirs, nobodys)
			}
		})
	}
}

// tokenProtection is the policy of the deployment guide for the pilot group, in a state.
func tokenProtection(state string) string {
	return `{"displayName":"TP01","state":"` + state + `","conditions":{
		"users":{"includeGroups":["` + id("Pilot") + `"],"excludeGroups":["` + id("Break glass") + `"]},
		"applications":{"includeApplications":["00000002-0000-0ff1-ce00-000000000000"]},
		"platforms":{"includePlatforms":["windows"]},"clientAppTypes":["mobileAppsAndDesktopClients"]},
		"sessionControls":{"secureSignInSession":{"isEnabled":true}}}`
}
