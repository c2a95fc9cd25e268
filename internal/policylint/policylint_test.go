package policylint

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/policy"

	"github.com/google/go-cmp/cmp"
)

const (
	pilot      = "10000000-0000-4000-8000-000000000001"
	breakGlass = "10000000-0000-4000-8000-000000000002"
	somebody   = "20000000-0000-4000-8000-000000000001"
	emergency  = "20000000-0000-4000-8000-00000000000e"
	ownApp     = "30000000-0000-4000-8000-000000000001"
	office     = "40000000-0000-4000-8000-000000000001"
	japan      = "40000000-0000-4000-8000-000000000002"
	phones     = "40000000-0000-4000-8000-000000000003"
	everyRule  = unsupportedRule + ` -or device.systemLabels -contains "BulkEnrollment" -or device.enrollmentProfileName -eq "Kiosk 自己展開"`
)

// guide is the policy as the guide sets it up (S41 to S47), with every device that cannot comply excluded.
func guide() policy.Policy {
	return policy.Normalise(policy.Policy{
		ID: "50000000-0000-4000-8000-000000000001", DisplayName: "TP01", State: policy.ReportOnly,
		Conditions: policy.Conditions{
			Users:        policy.Users{IncludeGroups: []string{pilot}, ExcludeGroups: []string{breakGlass}},
			Applications: policy.Applications{IncludeApplications: slices.Clone(guideResources)},
			Platforms:    &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Windows}}, ClientAppTypes: nativeClients,
			Devices: &policy.Devices{DeviceFilter: &policy.Filter{Mode: policy.FilterExcludes, Rule: everyRule}},
		},
		SessionControls: &policy.SessionControls{SecureSignInSession: &policy.Switch{IsEnabled: true}},
	})
}

// mfa is a policy that demands a second factor of everybody.
func mfa() policy.Policy {
	return policy.Normalise(policy.Policy{
		ID: "50000000-0000-4000-8000-000000000002", DisplayName: "MFA", State: policy.ReportOnly,
		Conditions: policy.Conditions{Users: policy.Users{IncludeUsers: []string{policy.All}, ExcludeGroups: []string{breakGlass}},
			Applications: policy.Applications{IncludeApplications: []string{policy.All}}},
		GrantControls: &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"mfa"}},
	})
}

func blockUnknown() policy.Policy {
	p := mfa()
	p.ID, p.DisplayName, p.State = "50000000-0000-4000-8000-000000000003", "CA05", policy.Enabled
	p.Conditions.Platforms = &policy.Platforms{IncludePlatforms: []policy.Platform{policy.AllPlatforms},
		ExcludePlatforms: []policy.Platform{policy.Android, policy.IOS, policy.Windows, policy.MacOS}}
	p.GrantControls.BuiltInControls = []string{"block"}
	return p
}

func requireManaged() policy.Policy {
	p := mfa()
	p.ID, p.DisplayName, p.State = "50000000-0000-4000-8000-000000000004", "CA06", policy.Enabled
	p.Conditions.Platforms = &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Android, policy.IOS, policy.MacOS}}
	p.GrantControls.BuiltInControls = []string{"compliantDevice", "domainJoinedDevice"}
	return p
}

func ptr[T any](v T) *T { return &v }

// contoso has everything that the guide asks for: licences, an emergency account in a group, the companion policies, a history
// of report-only, and a log with both kinds of sign-ins in which nothing would have been refused.
func contoso() Circumstances {
	return Circumstances{
		Tenant: &Tenant{
			Policies: []policy.Policy{guide(), blockUnknown(), requireManaged()},
			Licences: []directory.Licence{{CapabilityStatus: directory.CapabilityActive, Units: 10, ServicePlans: []string{directory.ServicePlanP1}}},
			Locations: []policy.NamedLocation{{ID: office, DisplayName: "Office", Kind: policy.IPLocation},
				{ID: japan, DisplayName: "日本", Kind: policy.CountryLocation, LookUp: policy.ByAddress, Countries: []string{"JP"}},
				{ID: phones, DisplayName: "Phones", Kind: policy.CountryLocation, LookUp: policy.ByGPS, Countries: []string{"JP"}}},
			Resources: append(directory.WellKnownResources(), directory.Resource{AppID: ownApp, DisplayName: "Payroll"}),
			Users:     10,
			Emergency: []Account{{ID: emergency, Name: "breakglass@contoso.example", Groups: map[directory.ObjectID]bool{breakGlass: true}}},
		},
		History:   &History{EverReportOnly: true, ReportOnly: 30 * 24 * time.Hour},
		Evidence:  &Evidence{NonInteractive: true},
		Countries: ptr(true),
	}
}

func ids(found []Finding) []string {
	list := []string{}
	for _, f := range found {
		list = append(list, f.ID)
	}
	return list
}

// What the guide proposes, in a tenant that follows it, leaves nothing to say: neither report-only nor On.
func TestTheGuidesOwnPolicyIsClean(t *testing.T) { // S31 S43 S44 S45 S48
	for _, p := range []policy.Policy{guide(), requireManaged(), blockUnknown(), mfa()} {
		for _, state := range []policy.State{policy.ReportOnly, policy.Enabled} {
			p.State = state
			if err := policy.Validate(p); err != nil {
				t.Fatal(err)
			}
			if found := Lint(p, contoso()); len(found) > 0 {
				t.Errorf("%s, %s: %+v, want nothing", p.DisplayName, state, found)
			}
		}
	}
}

// A mistake is what a rule is about: a change of a policy, or of its circumstances, after which the rule speaks and before
// which it does not.
type mistake struct {
	name    string
	id      string
	digest  string
	of      func() policy.Policy // guide, where nil
	change  func(*policy.Policy)
	around  func(*Circumstances)
	pointer string
	mends   bool
	blocks  bool
}

func inFilter(mode, rule string) func(*policy.Policy) {
	return func(p *policy.Policy) {
		p.Conditions.Devices = &policy.Devices{DeviceFilter: &policy.Filter{Mode: mode, Rule: rule}}
	}
}

func including(resources ...string) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Conditions.Applications.IncludeApplications = resources }
}

func clients(types ...policy.ClientAppType) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Conditions.ClientAppTypes = types }
}

func on(p *policy.Policy) { p.State = policy.Enabled }

func nobodyOut(p *policy.Policy) { p.Conditions.Users.ExcludeGroups = nil }

func from(l policy.Locations) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Conditions.Locations = &l }
}

func both(changes ...func(*policy.Policy)) func(*policy.Policy) {
	return func(p *policy.Policy) {
		for _, change := range changes {
			change(p)
		}
	}
}

var (
	exo, spo = guideResources[0], guideResources[1]
	graphAPI = string(directory.MicrosoftGraph)
)

var mistakes = []mistake{
	{"the Office 365 group", "office365Selected", "J-01", nil, including(policy.Office365), nil, includeApps, true, true},                                               // S43
	{"all resources", "allResourcesSelected", "J-02", nil, including(policy.All), nil, includeApps, true, false},                                                        // S43
	{"a resource that does not support it", "unsupportedResource", "J-03", nil, including(exo, spo, guideResources[2], graphAPI), nil, includeApps + "/3", true, false}, // S43
	{"the registration of devices", "unsupportedResource", "J-03", nil, func(p *policy.Policy) {
		p.Conditions.Applications = policy.Applications{IncludeUserActions: []string{string(policy.RegisterDevice)}}
	}, nil, "/conditions/applications/includeUserActions", false, false},
	{"two resources that do not support it", "unsupportedResource", "J-03", nil, including(exo, policy.AdminPortals, graphAPI), nil, includeApps, true, false},
	{"Teams forgotten", "teamsNotSelected", "J-04", nil, including(exo, spo), nil, includeApps, true, false},                                                      // S43
	{"Windows App without Windows Cloud Login", "windowsAppIncomplete", "J-05", nil, including(windowsApp[:2]...), nil, includeApps, true, false},                 // S43
	{"client apps left alone", "clientAppsNotRestricted", "J-06", nil, clients(policy.AllClientApps), nil, clientAppTypes, true, true},                            // S45
	{"the browser left in", "clientAppsNotRestricted", "J-06", nil, clients(policy.Browser, policy.MobileAppsAndDesktopClients), nil, clientAppTypes, true, true}, // S45
	{"legacy clients", "otherClientsSelected", "J-07", nil, clients(policy.MobileAppsAndDesktopClients, policy.OtherClients), nil, clientAppTypes, true, false},   // S45
	{"no platform", "platformsNotRestricted", "J-08", nil, func(p *policy.Policy) { p.Conditions.Platforms = nil }, nil, platforms, true, false},                  // S44
	{"every platform", "platformsNotRestricted", "J-08", nil, func(p *policy.Policy) {
		p.Conditions.Platforms.IncludePlatforms = []policy.Platform{policy.AllPlatforms}
	}, nil, platforms, true, false}, // S44
	{"another platform", "otherPlatformsSelected", "J-09", nil, func(p *policy.Policy) {
		p.Conditions.Platforms.IncludePlatforms = []policy.Platform{policy.Windows, policy.IOS}
	}, nil, includePlatforms, true, false}, // S44
	{"nobody excluded", "noEmergencyExclusion", "J-10", nil, nobodyOut, nil, users, true, true}, // S42
	{"somebody else excluded", "noEmergencyExclusion", "J-10", nil, func(p *policy.Policy) {
		p.Conditions.Users = policy.Users{IncludeUsers: []string{policy.All}, ExcludeUsers: []string{somebody}}
	}, nil, users, true, true}, // S42
	{"everyone at once", "everyoneAtOnce", "J-11", nil, both(on, func(p *policy.Policy) {
		p.Conditions.Users.IncludeUsers, p.Conditions.Users.IncludeGroups = []string{policy.All}, nil
	}), nil, includeUsers, false, false}, // S31
	{"never report-only", "neverReportOnly", "J-12", nil, on, func(c *Circumstances) { c.History = &History{} }, state, false, false}, // S31 S32
	{"a negative operator in an exclude filter", "filterExcludesUnregistered", "J-13", nil, inFilter(policy.FilterExcludes, `device.isCompliant -ne True`), nil, deviceFilterRule, true, true},
	{"the same in a policy without token protection", "filterExcludesUnregistered", "J-13", mfa, inFilter(policy.FilterExcludes, `device.model -notStartsWith "Cloud PC"`), nil, deviceFilterRule, true, true},
	{"a positive operator in an include filter", "filterIncludesRegisteredOnly", "J-14", nil, inFilter(policy.FilterIncludes, `device.deviceOwnership -eq "Company"`), nil, deviceFilterRule, true, true},
	{"a managed device demanded of registered devices alone", "filterIncludesRegisteredOnly", "", requireManaged, inFilter(policy.FilterIncludes, `device.deviceOwnership -eq "Company"`), nil, deviceFilterRule, false, false},
	{"no filter", "unsupportedDevicesInScope", "J-15", nil, func(p *policy.Policy) { p.Conditions.Devices = nil }, nil, "/conditions/devices", true, false},                                                    // S24 S26
	{"a filter that forgets a class", "unsupportedDevicesInScope", "J-15", nil, inFilter(policy.FilterExcludes, `systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`), nil, deviceFilterRule, true, false}, // S24 S26
	{"an include filter with a class", "unsupportedDevicesInScope", "J-15", nil, inFilter(policy.FilterIncludes, `device.systemLabels -notContains "CloudPC"`), nil, deviceFilterRule, true, false},            // S24 S26
	{"no enrolment profile", "selfDeployingNotNamed", "J-16", nil, inFilter(policy.FilterExcludes, unsupportedRule), nil, deviceFilterRule, false, false},                                                      // S24
	{"no bulk enrolment", "bulkEnrolmentInScope", "J-16", nil, inFilter(policy.FilterExcludes, unsupportedRule), nil, deviceFilterRule, true, false},                                                           // S24
	{"a quotation mark without a partner", "filterInvalid", "J-17", nil, inFilter(policy.FilterExcludes, `enrollmentProfileName -eq "Kiosk""`), nil, deviceFilterRule, true, false},                            // S26
	{"a rule that is too long", "filterInvalid", "J-17", nil, inFilter(policy.FilterExcludes, `device.model -eq "`+strings.Repeat("x", 3100)+`"`), nil, deviceFilterRule, false, false},
	{"a name from group rules", "groupRuleInFilter", "J-18", nil, inFilter(policy.FilterExcludes, `device.deviceTrustType -eq "AzureAD"`), nil, deviceFilterRule, true, false},
	{"an operator from group rules", "groupRuleInFilter", "J-18", nil, inFilter(policy.FilterExcludes, `device.displayName -match "CPC-.*"`), nil, deviceFilterRule, false, false},
	{"an extension attribute", "filterReliesOnAttributes", "J-19", nil, inFilter(policy.FilterExcludes, everyRule+` -or device.extensionAttribute1 -eq "SAW"`), nil, deviceFilterRule, false, false},
	{"unknown platforms not blocked", "unknownPlatformsNotBlocked", "J-20", nil, nil, lacking("CA05"), "", false, false}, // S48
	{"other platforms not managed", "otherPlatformsNotManaged", "J-21", nil, nil, lacking("CA06"), "", false, false},     // S48
	{"a companion for other people", "otherPlatformsNotManaged", "J-21", nil, nil, companionWith("CA06", func(p *policy.Policy) { p.Conditions.Users.IncludeUsers = []string{somebody} }), "", false, false},
	{"a companion that is off", "unknownPlatformsNotBlocked", "J-20", nil, nil, companionWith("CA05", func(p *policy.Policy) { p.State = policy.Disabled }), "", false, false},
	{"a companion with a way round", "otherPlatformsNotManaged", "J-21", nil, nil, companionWith("CA06", func(p *policy.Policy) { p.GrantControls.BuiltInControls = []string{"compliantDevice", "mfa"} }), "", false, false},
	{"a companion in report-only", "companionNotInForce", "J-22", nil, nil, companionWith("CA05", func(p *policy.Policy) { p.State = policy.ReportOnly }), "", false, false},                                // S48
	{"a companion that excludes more", "companionExcludesMore", "J-22", nil, nil, companionWith("CA06", func(p *policy.Policy) { p.Conditions.Users.ExcludeUsers = []string{somebody} }), "", false, false}, // S48
	{"guests", "guestsInScope", "J-23", nil, func(p *policy.Policy) { p.Conditions.Users.IncludeUsers = []string{policy.GuestsOrExternalUsers} }, nil, users, false, false},
	{"no licence", "noLicence", "J-24", nil, nil, func(c *Circumstances) { c.Tenant.Licences = nil }, "", false, false},          // S10
	{"too few units", "fewerUnitsThanUsers", "J-24", nil, nil, func(c *Circumstances) { c.Tenant.Users = 11 }, "", false, false}, // S10
	{"block beside token protection", "blockWithTokenProtection", "J-25", nil, func(p *policy.Policy) {
		p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"block"}}
	}, nil, grantControls, false, false},
	{"other session controls", "otherSessionControls", "J-25", nil, func(p *policy.Policy) {
		p.SessionControls.SignInFrequency = &policy.SignInFrequency{IsEnabled: true, Value: ptr(4), Type: "hours"}
	}, nil, sessionControls, false, false},
	{"interactive sign-ins only", "onlyInteractiveSignIns", "J-26", nil, nil, func(c *Circumstances) { c.Evidence.NonInteractive = false }, "", false, false},
	{"report-only for an hour", "reportOnlyTooShort", "J-27", nil, on, func(c *Circumstances) { c.History.ReportOnly = time.Hour }, state, false, false}, // S31 S32
	{"sign-ins that would have been refused", "wouldBlock", "J-27", nil, on, func(c *Circumstances) { c.Evidence.WouldBlock = 3 }, state, false, false},  // S31 S32
	{"narrowed by locations", "narrowedByConditions", "J-28", nil, from(policy.Locations{IncludeLocations: []string{office}}), nil, "/conditions/locations", false, false},
	{"token protection switched off", "demandsNothing", "J-29", nil, func(p *policy.Policy) { p.SessionControls.SecureSignInSession.IsEnabled = false }, nil, "/sessionControls/secureSignInSession", false, false},
	{"neither grant nor session controls", "demandsNothing", "J-29", mfa, func(p *policy.Policy) { p.GrantControls = nil }, nil, grantControls, false, false},
	{"applications that ask for themselves", "workloadsTargeted", "J-30", nil, func(p *policy.Policy) {
		p.Conditions.Users = policy.Users{IncludeUsers: []string{policy.None}}
		p.Conditions.ClientApplications = &policy.ClientApplications{IncludeServicePrincipals: []string{policy.OwnServicePrincipals}}
	}, nil, "/conditions/clientApplications", false, false},

	{"a policy that would be refused", "notValid", "", nil, func(p *policy.Policy) { p.DisplayName = "" }, nil, "/displayName", false, false},
	{"a placeholder in a file", "placeholder", "", nil, func(p *policy.Policy) { p.Conditions.Users.ExcludeGroups = []string{breakGlass, "<Break glass>"} },
		func(c *Circumstances) { c.Tenant = nil }, "/conditions", false, false},
	{"a placeholder in a tenant", "notValid", "", nil, func(p *policy.Policy) { p.Conditions.Users.ExcludeGroups = []string{breakGlass, "<Break glass>"} }, nil,
		"/conditions/users/excludeGroups/1", false, false},
	{"a block for everybody", "everyoneLockedOut", "", mfa, both(nobodyOut, func(p *policy.Policy) { p.GrantControls.BuiltInControls = []string{"block"} }), nil, grantControls, true, true},
	{"a control for everybody that nobody can meet", "everyoneLockedOut", "", mfa, both(nobodyOut, func(p *policy.Policy) {
		p.GrantControls = &policy.GrantControls{Operator: "AND", BuiltInControls: []string{"mfa", "approvedApplication"}}
	}), nil, grantControls, true, true},
	{"a second factor for everybody, the emergency accounts included", "noEmergencyExclusion", "", mfa, nobodyOut, nil, users, true, false}, // S42
	{"an alternative that is not enforced", "controlNotEnforceable", "", mfa, func(p *policy.Policy) {
		p.GrantControls.BuiltInControls = []string{"mfa", "approvedApplication"}
	}, nil, grantControls, true, false},
	{"a control that is not enforced", "controlNotEnforceable", "", mfa, func(p *policy.Policy) {
		p.GrantControls = &policy.GrantControls{Operator: "AND", BuiltInControls: []string{"mfa", "approvedApplication"}}
	}, nil, grantControls, false, false},
	{"a session control that is not enforced", "sessionControlNotEnforced", "", mfa, func(p *policy.Policy) {
		p.SessionControls = &policy.SessionControls{CloudAppSecurity: &policy.CloudAppSecurity{IsEnabled: true}}
	}, nil, sessionControls, false, false},
	{"a risk", "riskNotMeasured", "", mfa, func(p *policy.Policy) { p.Conditions.SignInRiskLevels = []policy.RiskLevel{policy.RiskHigh} }, nil, "/conditions/signInRiskLevels", false, false},
	{"countries without a database", "countryUnknown", "", mfa, from(policy.Locations{IncludeLocations: []string{policy.All}, ExcludeLocations: []string{japan}}),
		func(c *Circumstances) { c.Countries = ptr(false) }, "/conditions/locations/excludeLocations/0", false, false},
	{"countries by telephone", "countryUnknown", "", mfa, from(policy.Locations{IncludeLocations: []string{phones}}), nil, "/conditions/locations/includeLocations/0", false, false},
	{"the Office 365 group without token protection", "office365Meaning", "", mfa, including(policy.Office365), nil, "/conditions/applications", false, false},
	{"the administration portals", "adminPortalsMeaning", "", mfa, including(policy.AdminPortals), nil, "/conditions/applications", false, false},
	{"a role that nobody can hold", "unknownRole", "", nil, func(p *policy.Policy) {
		p.Conditions.Users.IncludeRoles = []string{"d29b2b05-8046-44ba-8758-1e26182fcf32"}
	}, nil, "/conditions/users/includeRoles/0", true, false},
	{"no resource", "neverApplies", "", mfa, including(policy.None), nil, includeApps, false, false},
	{"a resource that is excluded too", "neverApplies", "", mfa, both(including(exo), func(p *policy.Policy) { p.Conditions.Applications.ExcludeApplications = []string{exo} }), nil, includeApps, false, false},
	{"nobody", "neverApplies", "", mfa, func(p *policy.Policy) { p.Conditions.Users.IncludeUsers = []string{policy.None} }, nil, users, false, false},
	{"a group that is excluded too", "neverApplies", "", nil, func(p *policy.Policy) { p.Conditions.Users.ExcludeGroups = []string{breakGlass, pilot} }, nil, users, false, false},
	{"no application", "neverApplies", "", mfa, func(p *policy.Policy) {
		p.Conditions.Users = policy.Users{IncludeUsers: []string{policy.None}}
		p.Conditions.ClientApplications = &policy.ClientApplications{IncludeServicePrincipals: []string{ownApp}, ExcludeServicePrincipals: []string{ownApp}}
	}, nil, "/conditions/clientApplications", false, false},
	{"no place", "neverApplies", "", mfa, from(policy.Locations{IncludeLocations: []string{office}, ExcludeLocations: []string{office}}), nil, "/conditions/locations", false, false},
	{"no platform left", "neverApplies", "", mfa, func(p *policy.Policy) {
		p.Conditions.Platforms = &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Linux}, ExcludePlatforms: []policy.Platform{policy.Linux}}
	}, nil, platforms, false, false},
	{"a resource both ways", "redundantAssignment", "", mfa, both(including(exo, spo), func(p *policy.Policy) { p.Conditions.Applications.ExcludeApplications = []string{exo} }), nil, includeApps, true, false},
	{"a user both ways", "redundantAssignment", "", nil, func(p *policy.Policy) {
		p.Conditions.Users.IncludeUsers, p.Conditions.Users.ExcludeUsers = []string{somebody, ownApp}, []string{somebody}
	}, nil, includeUsers, true, false},
	{"a group both ways", "redundantAssignment", "", nil, func(p *policy.Policy) { p.Conditions.Users.IncludeGroups = []string{pilot, breakGlass} }, nil, "/conditions/users/includeGroups", true, false},
	{"all users, and a group", "redundantAssignment", "", mfa, func(p *policy.Policy) { p.Conditions.Users.IncludeGroups = []string{pilot} }, nil, users, true, false},
}

// lacking takes a policy of the tenant away.
func lacking(name string) func(*Circumstances) {
	return func(c *Circumstances) {
		c.Tenant.Policies = slices.DeleteFunc(c.Tenant.Policies, func(p policy.Policy) bool { return p.DisplayName == name })
	}
}

// companionWith changes a policy of the tenant.
func companionWith(name string, change func(*policy.Policy)) func(*Circumstances) {
	return func(c *Circumstances) {
		for i := range c.Tenant.Policies {
			if c.Tenant.Policies[i].DisplayName == name {
				change(&c.Tenant.Policies[i])
			}
		}
	}
}

func (m mistake) sound() policy.Policy {
	if m.of == nil {
		return guide()
	}
	return m.of()
}

func (m mistake) made() (policy.Policy, Circumstances) {
	p, in := m.sound(), contoso()
	if m.change != nil {
		m.change(&p)
	}
	if m.around != nil {
		m.around(&in)
	}
	return policy.Normalise(p), in
}

// Every rule has a policy that it finds, and an honest twin about which it has nothing to say.
func TestRules(t *testing.T) { // S10 S24 S26 S31 S42 S43 S44 S45 S48
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			if found := Lint(m.sound(), contoso()); slices.Contains(ids(found), m.id) {
				t.Fatalf("the sound policy has %s too", m.id)
			}
			p, in := m.made()
			found := Lint(p, in)
			at := slices.IndexFunc(found, func(f Finding) bool { return f.ID == m.id && f.Pointer == m.pointer })
			if at < 0 {
				t.Fatalf("Lint = %v, want %s at %q", found, m.id, m.pointer)
			}
			f := found[at]
			if f.Rule != m.digest || f.Blocks != m.blocks || f.Mended != nil != m.mends || f.Message == "" || f.Remedy == "" {
				t.Errorf("%+v: want rule %q, blocks %t, mended %t, a message and a remedy", f, m.digest, m.blocks, m.mends)
			}
		})
	}
}

// A mended policy can be stored, and has lost what it was mended for. That holds of every finding, of every mistake, and of all
// mistakes of a policy one after the other.
func TestMendedPoliciesAreMended(t *testing.T) {
	for _, m := range mistakes {
		p, in := m.made()
		for rounds := 0; ; rounds++ {
			found := Lint(p, in)
			at := slices.IndexFunc(found, func(f Finding) bool { return f.Mended != nil })
			if at < 0 {
				break
			}
			f := found[at]
			if policy.Validate(p) == nil && policy.Validate(*f.Mended) != nil {
				t.Fatalf("%s: mended for %s: %v", m.name, f.ID, policy.Validate(*f.Mended))
			}
			if left := Lint(*f.Mended, in); count(left, f) >= count(found, f) {
				t.Fatalf("%s: mended for %s and still %v", m.name, f.ID, ids(left))
			}
			if rounds > 20 {
				t.Fatalf("%s: mending never ends", m.name)
			}
			p = *f.Mended
		}
	}
}

func count(found []Finding, like Finding) int {
	n := 0
	for _, f := range found {
		if f.ID == like.ID && f.Rule == like.Rule {
			n++
		}
	}
	return n
}

// Every rule is in the table above.
func TestEveryRuleHasAMistake(t *testing.T) {
	for _, r := range rules {
		if !slices.ContainsFunc(mistakes, func(m mistake) bool { return m.id == r.id && m.digest == r.digest }) {
			t.Errorf("no mistake shows %s (%s)", r.id, r.digest)
		}
	}
}

// The documentation lists every rule.
func TestTheDocumentationListsEveryRule(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "### The rules")
	for _, r := range rules {
		if !strings.Contains(table, "`"+r.id+"`") || !strings.Contains(table, r.digest) {
			t.Errorf("docs/policies.md does not list %s %s", r.digest, r.id)
		}
	}
}

// What a mended filter does to devices is what was meant: unregistered devices stay in the policy, devices that cannot comply
// leave it.
func TestMendedFilters(t *testing.T) { // S24 S26
	for _, tt := range []struct{ name, mode, rule, id string }{
		{"excluding", policy.FilterExcludes, `device.isCompliant -ne True`, "filterExcludesUnregistered"},
		{"including", policy.FilterIncludes, `device.deviceOwnership -eq "Company"`, "filterIncludesRegisteredOnly"},
		{"excluding too few", policy.FilterExcludes, `device.deviceOwnership -eq "Company"`, "unsupportedDevicesInScope"},
		{"including too many", policy.FilterIncludes, `device.model -ne "X"`, "unsupportedDevicesInScope"},
		{"no filter", "", "", "unsupportedDevicesInScope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := guide()
			p.Conditions.Devices = nil
			if tt.mode != "" {
				inFilter(tt.mode, tt.rule)(&p)
			}
			found := Lint(p, Circumstances{})
			at := slices.IndexFunc(found, func(f Finding) bool { return f.ID == tt.id })
			if at < 0 || found[at].Mended == nil {
				t.Fatalf("%v, want %s with a mended policy", ids(found), tt.id)
			}
			mended := filterOf(*found[at].Mended)
			if mended.leavesOut(nil) {
				t.Errorf("%s leaves unregistered devices out", mended.text)
			}
			if tt.id == "unsupportedDevicesInScope" {
				for _, class := range unsupportedClasses {
					if !mended.leavesOut(class.seen) {
						t.Errorf("%s keeps %s in", mended.text, class.name)
					}
				}
			}
		})
	}
}

// Without circumstances, as for a file on a desk, rules about them are silent, and those about the policy are not.
func TestOfflineSaysWhatItKnows(t *testing.T) {
	p := guide()
	p.State, p.Conditions.Applications.IncludeApplications = policy.Enabled, []string{policy.Office365}
	p.Conditions.Users.ExcludeGroups = nil
	if diff := cmp.Diff([]string{"office365Selected", "noEmergencyExclusion"}, ids(Lint(p, Circumstances{}))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A file for several tenants has placeholders where each tenant has its own ids: that is no error before it is in a tenant.
func TestPlaceholdersOfAFileAreNoErrors(t *testing.T) {
	p := guide()
	p.Conditions.Users.ExcludeGroups = []string{"<ExclusionTempGroup>"}
	found := Lint(p, Circumstances{})
	if diff := cmp.Diff([]string{"placeholder"}, ids(found)); diff != "" || !strings.Contains(found[0].Message, "<ExclusionTempGroup>") {
		t.Errorf("findings (-want +got):\n%s%+v", diff, found)
	}
	p.Conditions.Users.ExcludeGroups = []string{"ExclusionTempGroup"}
	if diff := cmp.Diff([]string{"notValid"}, ids(Lint(p, Circumstances{}))); diff != "" {
		t.Errorf("findings without brackets (-want +got):\n%s", diff)
	}
}

// An organisation's own resource is its own affair; one that nobody knows is not judged offline.
func TestOwnResources(t *testing.T) { // S43
	p := guide()
	p.Conditions.Applications.IncludeApplications = append(p.Conditions.Applications.IncludeApplications, ownApp)
	for name, in := range map[string]Circumstances{"in the tenant": contoso(), "offline": {}} {
		if found := ids(Lint(p, in)); slices.Contains(found, "unsupportedResource") {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// A policy that has been On for the look-back has proved itself, however it came to be On.
func TestAnOldPolicyIsLeftAlone(t *testing.T) { // S31
	p, in := guide(), contoso()
	p.State, in.History = policy.Enabled, &History{On: DefaultLookBack}
	if found := Lint(p, in); len(found) > 0 {
		t.Errorf("%v, want nothing", ids(found))
	}
}

func TestHistoryOf(t *testing.T) {
	begin := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	at := func(day int, state policy.State) policy.Revision {
		return policy.Revision{ChangedAt: begin.AddDate(0, 0, day), Policy: &policy.Policy{State: state}}
	}
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name      string
		revisions []policy.Revision
		want      History
	}{
		{"a new policy", nil, History{}},
		{"report-only until now", []policy.Revision{at(0, policy.ReportOnly)}, History{EverReportOnly: true, ReportOnly: 10 * day}},
		{"the newest first, as the store has them", []policy.Revision{at(4, policy.Enabled), at(1, policy.ReportOnly), at(0, policy.Disabled)},
			History{EverReportOnly: true, ReportOnly: 3 * day, On: 6 * day}},
		{"On, changed and still On", []policy.Revision{at(0, policy.Enabled), at(5, policy.Enabled)}, History{On: 10 * day}},
		{"On once, off now", []policy.Revision{at(0, policy.Enabled), at(5, policy.Disabled)}, History{}},
		{"twice report-only", []policy.Revision{at(0, policy.ReportOnly), at(2, policy.Enabled), at(4, policy.ReportOnly), at(5, policy.Enabled)},
			History{EverReportOnly: true, ReportOnly: 3 * day, On: 5 * day}},
		{"deleted between", []policy.Revision{at(0, policy.Enabled), {ChangedAt: begin.AddDate(0, 0, 3)}, at(6, policy.Enabled)}, History{On: 4 * day}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, HistoryOf(tt.revisions, begin.AddDate(0, 0, 10))); diff != "" {
				t.Errorf("HistoryOf (-want +got):\n%s", diff)
			}
		})
	}
}

// A policy may name thousands: each rule speaks once and names a few.
func TestLongListsStayReadable(t *testing.T) { // P14
	p := guide()
	for i := range 5000 {
		id := fmt.Sprintf("60000000-0000-4000-8000-%012d", i)
		p.Conditions.Applications.IncludeApplications = append(p.Conditions.Applications.IncludeApplications, graphAPI)
		p.Conditions.Users.IncludeRoles = append(p.Conditions.Users.IncludeRoles, id)
		p.Conditions.Users.IncludeUsers = append(p.Conditions.Users.IncludeUsers, id)
		p.Conditions.Users.ExcludeUsers = append(p.Conditions.Users.ExcludeUsers, id)
	}
	found := Lint(p, contoso())
	if len(found) > 10 {
		t.Errorf("%d findings: %v", len(found), ids(found))
	}
	for _, f := range found {
		if len(f.Message) > 1000 {
			t.Errorf("%s: %d characters", f.ID, len(f.Message))
		}
	}
}

// A policy whose times have no JSON form is mended like any other, and keeps them.
func TestTimesWithoutAForm(t *testing.T) {
	p := guide()
	p.CreatedDateTime, p.Conditions.ClientAppTypes = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), []policy.ClientAppType{policy.AllClientApps}
	found := Lint(p, Circumstances{})
	if len(found) != 1 || found[0].Mended == nil || !found[0].Mended.CreatedDateTime.Equal(p.CreatedDateTime) {
		t.Errorf("%+v, want a mended policy of the year 10000", found)
	}
}

// FuzzLint holds the linter to two promises for any policy that can be read: it does not panic, and what it offers as mended
// can be stored where the policy could, and has lost the finding.
func FuzzLint(f *testing.F) {
	for _, m := range mistakes {
		p, _ := m.made()
		f.Add(encode(p))
	}
	f.Add([]byte(`{"displayName":"P","state":"On","conditions":{"devices":{"deviceFilter":{"mode":"sideways","rule":"-not ((("}}},"sessionControls":{"secureSignInSession":{"isEnabled":true}}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := policy.Decode(document)
		if err != nil {
			return
		}
		for _, in := range []Circumstances{{}, contoso()} {
			found := Lint(p, in)
			for _, each := range found {
				if each.Mended == nil {
					continue
				}
				if policy.Validate(p) == nil && policy.Validate(*each.Mended) != nil {
					t.Errorf("mended for %s: %v", each.ID, policy.Validate(*each.Mended))
				}
				if count(Lint(*each.Mended, in), each) >= count(found, each) {
					t.Errorf("mended for %s, and still there", each.ID)
				}
			}
		}
	})
}

// The policies of public repositories are linted where they are at hand; see samples.
func TestSamples(t *testing.T) {
	files := 0
	for _, name := range samples(t) {
		document, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Decode(document)
		if err != nil {
			continue // refused for a stated reason: the import's affair
		}
		files++
		for _, f := range Lint(p, Circumstances{}) {
			if f.Message == "" || f.Remedy == "" || weight(f.Severity) < 0 {
				t.Errorf("%s: %+v", name, f)
			}
			if f.Rule != "" && !strings.Contains("J-13 J-17 J-18 J-19 J-29", f.Rule) && !p.RequiresTokenProtection() {
				t.Errorf("%s: %s is about token protection, and the policy is not", name, f.ID)
			}
		}
	}
	if files < 20 {
		t.Errorf("only %d of the sample policies can be read", files)
	}
}

// samples returns the policy files of $BOUNDGATE_SAMPLES or of ../shared/samples beside the repository.
func samples(t *testing.T) []string {
	t.Helper()
	root := os.Getenv("BOUNDGATE_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	var files []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".json") && strings.Contains(strings.ToLower(name), "conditional") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Skipf("left out: the sample policies are not here (%v); name their folder in BOUNDGATE_SAMPLES", err)
	}
	return files
}

func encode(p policy.Policy) []byte {
	document, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return document
}
