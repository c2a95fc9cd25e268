package policy

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
)

const (
	pilot      = "aaaaaaaa-0000-4000-8000-000000000001" // a user
	stranger   = "aaaaaaaa-0000-4000-8000-000000000002"
	pilotGroup = "bbbbbbbb-0000-4000-8000-000000000001"
	breakGlass = "bbbbbbbb-0000-4000-8000-000000000002"
	otherApp   = "cccccccc-0000-4000-8000-000000000001"
)

const (
	office   = "eeeeeeee-0000-4000-8000-000000000001" // a trusted location: 203.0.113.0/24 and 2001:db8::/32
	annexe   = "eeeeeeee-0000-4000-8000-000000000002" // a location that is not trusted: 198.51.100.0/25
	atHome   = "eeeeeeee-0000-4000-8000-000000000003" // a location: Germany and Japan
	nowhere  = "eeeeeeee-0000-4000-8000-000000000004" // a location: Switzerland, and what is unknown
	robot    = "aaaaaaaa-0000-4000-8000-000000000009" // a service principal
	fabrikam = "ffffffff-0000-4000-8000-000000000001" // a tenant
)

var someLocations = []NamedLocation{
	{ID: office, Kind: IPLocation, Trusted: true, Ranges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
	{ID: annexe, Kind: IPLocation, Ranges: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25")}},
	{ID: atHome, Kind: CountryLocation, Countries: []string{"DE", "JP"}, LookUp: ByAddress},
	{ID: nowhere, Kind: CountryLocation, Countries: []string{"CH"}, IncludeUnknown: true, LookUp: ByAddress},
}

var admin = string(directory.ConditionalAccessAdministrator)

// tokenProtection returns the policy that the source sets up: the pilot group, Exchange, SharePoint and Teams, Windows,
// desktop clients, and Cloud PCs left out by a device filter. It is On.
func tokenProtection(changes ...func(*Policy)) Policy {
	p := Policy{
		ID: "dddddddd-0000-4000-8000-000000000001", DisplayName: "Token protection", State: Enabled,
		Conditions: Conditions{
			Applications:   Applications{IncludeApplications: []string{string(directory.ExchangeOnline), string(directory.SharePointOnline), string(directory.TeamsServices)}},
			Users:          Users{IncludeGroups: []string{pilotGroup}, ExcludeGroups: []string{breakGlass}},
			ClientAppTypes: []ClientAppType{MobileAppsAndDesktopClients},
			Platforms:      &Platforms{IncludePlatforms: []Platform{Windows}},
			Devices:        &Devices{DeviceFilter: &Filter{FilterExcludes, `systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`}},
		},
		SessionControls: &SessionControls{SecureSignInSession: &Switch{true}},
	}
	return with(p, changes)
}

// everything returns a policy about everybody and everything, without controls. It is On.
func everything(changes ...func(*Policy)) Policy {
	return with(Policy{ID: "dddddddd-0000-4000-8000-000000000002", DisplayName: "Everything", State: Enabled,
		Conditions: Conditions{Applications: Applications{IncludeApplications: []string{All}}, Users: Users{IncludeUsers: []string{All}}}}, changes)
}

func with(p Policy, changes []func(*Policy)) Policy {
	for _, change := range changes {
		change(&p)
	}
	return p
}

func state(s State) func(*Policy)         { return func(p *Policy) { p.State = s } }
func named(id, name string) func(*Policy) { return func(p *Policy) { p.ID, p.DisplayName = id, name } }
func protectTokens(p *Policy) {
	p.SessionControls = &SessionControls{SecureSignInSession: &Switch{true}}
}
func users(u Users) func(*Policy)       { return func(p *Policy) { p.Conditions.Users = u } }
func apps(a Applications) func(*Policy) { return func(p *Policy) { p.Conditions.Applications = a } }
func clients(t ...ClientAppType) func(*Policy) {
	return func(p *Policy) { p.Conditions.ClientAppTypes = t }
}
func platform(in []Platform, out ...Platform) func(*Policy) {
	return func(p *Policy) { p.Conditions.Platforms = &Platforms{in, out} }
}
func grants(operator string, names ...string) func(*Policy) {
	return func(p *Policy) { p.GrantControls = &GrantControls{Operator: operator, BuiltInControls: names} }
}
func filter(mode, rule string) func(*Policy) {
	return func(p *Policy) { p.Conditions.Devices = &Devices{DeviceFilter: &Filter{mode, rule}} }
}
func flow(methods string) func(*Policy) {
	return func(p *Policy) { p.Conditions.AuthenticationFlows = &AuthenticationFlows{methods} }
}

func set(change func(*Conditions)) func(*Policy) { return func(p *Policy) { change(&p.Conditions) } }
func places(in []string, out ...string) func(*Policy) {
	return set(func(c *Conditions) { c.Locations = &Locations{in, out} })
}
func allRisks(c *Conditions) {
	high := []RiskLevel{RiskHigh}
	c.SignInRiskLevels, c.UserRiskLevels, c.ServicePrincipalRiskLevels, c.InsiderRiskLevels = high, high, high, "minor,elevated"
}
func strength(id string) func(*Policy) {
	return func(p *Policy) {
		p.GrantControls = &GrantControls{Operator: "OR", AuthenticationStrength: &AuthenticationStrength{ID: id}}
	}
}
func externals(kinds string, tenants ...string) *ExternalUsers {
	e := &ExternalUsers{GuestOrExternalUserTypes: kinds}
	if len(tenants) > 0 {
		e.ExternalTenants = &ExternalTenants{"enumerated", tenants}
	}
	return e
}
func frequency(value int, unit string) func(*Policy) {
	return func(p *Policy) {
		p.SessionControls = &SessionControls{SignInFrequency: &SignInFrequency{IsEnabled: true, Value: &value, Type: unit, FrequencyInterval: timeBased}}
	}
}

// workloads returns a policy about workload identities and everything they ask for. It is On and blocks.
func workloads(ids ...string) Policy {
	return everything(users(Users{IncludeUsers: []string{None}}), grants("OR", "block"), set(func(c *Conditions) {
		c.ClientApplications = &ClientApplications{IncludeServicePrincipals: ids}
		if len(ids) == 0 {
			c.ClientApplications.ExcludeServicePrincipals = []string{robot}
		}
	}))
}

// windows returns the facts of a pilot user's desktop client that asks for Exchange with a bound session.
func windows(changes ...func(*Facts)) Facts {
	f := Facts{User: pilot, Groups: map[directory.ObjectID]bool{pilotGroup: true}, Audiences: []directory.AppID{directory.ExchangeOnline},
		ClientApp: MobileAppsAndDesktopClients, Platform: Windows, TransferMethod: "none",
		Device: devicefilter.FromDevice(*laptop()), Binding: bound}
	for _, change := range changes {
		change(&f)
	}
	return f
}

// noon is when the facts of a test are judged.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func signedIn(ago time.Duration) func(*Facts) {
	return func(f *Facts) { f.At, f.AuthTime = noon, noon.Add(-ago) }
}

var everyTimeAnew = everything(func(p *Policy) {
	p.SessionControls = &SessionControls{SignInFrequency: &SignInFrequency{IsEnabled: true, FrequencyInterval: everyTime}}
})

func passkey(f *Facts) { f.MultiFactor, f.Passkey = true, true }
func workload(id directory.ObjectID) func(*Facts) {
	return func(f *Facts) { f.ServicePrincipal, f.User, f.Groups, f.Binding = id, "", nil, Binding{} }
}
func from(address, country string) func(*Facts) {
	return func(f *Facts) { f.Address, f.Country = netip.MustParseAddr(address), country }
}
func guestOf(kind ExternalKind, home directory.TenantID) func(*Facts) {
	return func(f *Facts) { f.Guest, f.ExternalKind, f.HomeTenant = true, kind, home }
}
func doing(action UserAction) func(*Facts) {
	return func(f *Facts) { f.UserAction, f.Audiences = action, nil }
}
func contexts(ids ...string) func(*Facts) { return func(f *Facts) { f.Contexts = ids } }
func through(client directory.AppID) func(*Facts) {
	return func(f *Facts) { f.Client = client }
}

func unboundBy(code Code, why Reason) func(*Facts) {
	return func(f *Facts) { f.Binding = judgement(code, why) }
}
func noBroker(f *Facts)                          { f.Binding = judgement(CodeNoBroker, ReasonNoProof) }
func asking(ids ...directory.AppID) func(*Facts) { return func(f *Facts) { f.Audiences = ids } }
func on(p Platform) func(*Facts)                 { return func(f *Facts) { f.Platform = p } }
func client(t ClientAppType) func(*Facts)        { return func(f *Facts) { f.ClientApp = t } }
func user(id directory.ObjectID) func(*Facts)    { return func(f *Facts) { f.User = id } }
func groups(ids ...directory.ObjectID) func(*Facts) {
	return func(f *Facts) {
		f.Groups = map[directory.ObjectID]bool{}
		for _, id := range ids {
			f.Groups[id] = true
		}
	}
}
func roles(ids ...directory.Role) func(*Facts) {
	return func(f *Facts) {
		f.Roles = map[directory.Role]bool{}
		for _, id := range ids {
			f.Roles[id] = true
		}
	}
}
func guest(f *Facts)           { f.Guest = true }
func unregistered(f *Facts)    { f.Device = nil }
func multiFactor(f *Facts)     { f.MultiFactor = true }
func compliant(f *Facts)       { f.Compliant = true }
func hybridJoined(f *Facts)    { f.HybridJoined = true }
func cloudPC(f *Facts)         { f.Device = devicefilter.FromDevice(*laptop(label("CloudPC"))) }
func by(m string) func(*Facts) { return func(f *Facts) { f.TransferMethod = m } }

func mustSet(t testing.TB, policies ...Policy) *Set {
	t.Helper()
	s, err := NewSet(policies, someLocations)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// S01, S05: what a token protection policy makes of a request.
func TestTokenProtection(t *testing.T) {
	refused := aadsts.TokenProtectionRequired
	for _, tt := range []struct {
		name   string
		policy Policy
		facts  Facts
		want   *aadsts.Error
	}{
		{"a bound session passes", tokenProtection(), windows(), nil},
		{"an unbound session is refused", tokenProtection(), windows(noBroker), refused},
		{"and so it is from an unregistered device", tokenProtection(), windows(unboundBy(CodeNoDevice, ReasonNoDevice), unregistered), refused},
		{"and where nothing was judged", tokenProtection(), windows(func(f *Facts) { f.Binding = Binding{} }), refused}, // P07
		{"report-only never refuses", tokenProtection(state(ReportOnly)), windows(noBroker), nil},                       // P09
		{"off never refuses", tokenProtection(state(Disabled)), windows(noBroker), nil},
		{"a filtered-out device is out of scope", tokenProtection(), windows(noBroker, cloudPC), nil}, // S26
		{"at SharePoint", tokenProtection(), windows(noBroker, asking(directory.SharePointOnline)), refused},
		{"at Teams", tokenProtection(), windows(noBroker, asking(directory.TeamsServices)), refused},
		{"at a resource that is reached together with another", tokenProtection(), windows(noBroker, asking(otherApp, directory.ExchangeOnline)), refused},
		{"at a resource that the policy does not name", tokenProtection(), windows(noBroker, asking(otherApp)), nil},
		{"at no known resource", tokenProtection(), windows(noBroker, asking()), refused},           // P07
		{"at a resource without a name", tokenProtection(), windows(noBroker, asking("")), refused}, // P07
		{"a switch that is off asks for nothing", tokenProtection(func(p *Policy) { p.SessionControls.SecureSignInSession = &Switch{} }), windows(noBroker), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check(t, mustSet(t, tt.policy), tt.facts, tt.want)
		})
	}
}

// check compares what both paths say with the wanted refusal; nil is access.
func check(t *testing.T, s *Set, f Facts, want *aadsts.Error) {
	t.Helper()
	verdict, decision := s.Evaluate(f), s.Decide(f)
	for _, err := range []error{verdict.Err(), decision.Err()} {
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// S05, S14: each resource of the source can be protected, and so can one that an organisation registers itself.
func TestResources(t *testing.T) {
	for _, id := range []directory.AppID{directory.ExchangeOnline, directory.SharePointOnline, directory.TeamsServices,
		directory.AzureVirtualDesktop, directory.Windows365, directory.WindowsCloudLogin, otherApp} {
		s := mustSet(t, tokenProtection(apps(Applications{IncludeApplications: []string{string(id)}})))
		check(t, s, windows(noBroker, asking(id)), aadsts.TokenProtectionRequired)
		check(t, s, windows(asking(id)), nil)
		check(t, s, windows(noBroker, asking(directory.MicrosoftGraph)), nil)
	}
}

func TestScope(t *testing.T) {
	for _, tt := range []struct {
		name    string
		policy  Policy
		facts   Facts
		applies bool
	}{
		// S42
		{"all users", everything(), windows(user(stranger), groups()), true},
		{"all users include guests", everything(), windows(user(stranger), guest), true},
		{"nobody", everything(users(Users{IncludeUsers: []string{None}})), windows(), false},
		{"a user", everything(users(Users{IncludeUsers: []string{pilot}})), windows(), true},
		{"an id in capitals", everything(users(Users{IncludeUsers: []string{"AAAAAAAA-0000-4000-8000-000000000001"}})), windows(), true},
		{"another user", everything(users(Users{IncludeUsers: []string{pilot}})), windows(user(stranger)), false},
		{"a group", everything(users(Users{IncludeGroups: []string{pilotGroup}})), windows(), true},
		{"another group", everything(users(Users{IncludeGroups: []string{pilotGroup}})), windows(groups(breakGlass)), false},
		{"a group of which the user is known not to be", everything(users(Users{IncludeGroups: []string{pilotGroup}})),
			windows(func(f *Facts) { f.Groups = map[directory.ObjectID]bool{pilotGroup: false} }), false},
		{"a role", everything(users(Users{IncludeRoles: []string{admin}})), windows(roles(directory.ConditionalAccessAdministrator)), true},
		{"another role", everything(users(Users{IncludeRoles: []string{admin}})), windows(roles(directory.SecurityReader)), false},
		{"one of user, group and role is enough", everything(users(Users{IncludeUsers: []string{stranger}, IncludeGroups: []string{breakGlass}, IncludeRoles: []string{admin}})),
			windows(roles(directory.ConditionalAccessAdministrator)), true},
		{"guests", everything(users(Users{IncludeUsers: []string{GuestsOrExternalUsers}})), windows(guest), true},
		{"members are no guests", everything(users(Users{IncludeUsers: []string{GuestsOrExternalUsers}})), windows(), false},
		{"an excluded user", everything(users(Users{IncludeUsers: []string{All}, ExcludeUsers: []string{pilot}})), windows(), false},
		{"an excluded group", tokenProtection(), windows(groups(pilotGroup, breakGlass)), false},
		{"an excluded role", everything(users(Users{IncludeUsers: []string{pilot}, ExcludeRoles: []string{admin}})), windows(roles(directory.ConditionalAccessAdministrator)), false},
		{"excluded guests", everything(users(Users{IncludeUsers: []string{All}, ExcludeUsers: []string{GuestsOrExternalUsers}})), windows(guest), false},
		{"exclusion beats inclusion of the same", everything(users(Users{IncludeGroups: []string{pilotGroup}, ExcludeGroups: []string{pilotGroup}})), windows(), false},
		{"an unknown user", everything(users(Users{IncludeGroups: []string{breakGlass}, ExcludeUsers: []string{pilot}})), windows(user(""), groups()), true}, // P07

		// S43
		{"the Office 365 group", everything(apps(Applications{IncludeApplications: []string{Office365}})), windows(asking(directory.TeamsServices)), true},
		{"what is not of the group", everything(apps(Applications{IncludeApplications: []string{Office365}})), windows(asking(otherApp)), false},
		{"the group left out", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{Office365}})), windows(), false},
		{"an excluded resource", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{otherApp}})), windows(asking(otherApp)), false},
		{"an excluded resource beside another", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{otherApp}})),
			windows(asking(otherApp, directory.ExchangeOnline)), true},
		{"no resource", everything(apps(Applications{IncludeApplications: []string{None}})), windows(), false},
		{"no resource, and none is known", everything(apps(Applications{IncludeApplications: []string{None}})), windows(asking()), false},
		{"unknown is not excluded", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{otherApp}})), windows(asking()), true}, // P07

		// S44
		{"the platform", everything(platform([]Platform{Windows})), windows(), true},
		{"another platform", everything(platform([]Platform{Windows})), windows(on(MacOS)), false},                                                     // the source's tip, S48
		{"an unknown platform is every included one", everything(platform([]Platform{Windows})), windows(on(UnknownPlatform)), true},                   // P07
		{"an unknown platform is no excluded one", everything(platform([]Platform{AllPlatforms}, Windows, MacOS)), windows(on(UnknownPlatform)), true}, // P07
		{"a platform that nobody has heard of", everything(platform([]Platform{Windows})), windows(on("beos")), true},                                  // P07
		{"all platforms", everything(platform([]Platform{AllPlatforms})), windows(on(Linux)), true},
		{"an excluded platform", everything(platform([]Platform{AllPlatforms}, Linux)), windows(on(Linux)), false},
		{"platforms in another case", everything(platform([]Platform{"WINDOWS"})), windows(), true},

		// S45
		{"the client type", everything(clients(MobileAppsAndDesktopClients)), windows(), true},
		{"another client type", everything(clients(MobileAppsAndDesktopClients)), windows(client(Browser)), false},
		{"an unknown client type", everything(clients(MobileAppsAndDesktopClients)), windows(client("")), true},       // P07
		{"a client type that nobody has heard of", everything(clients(Browser)), windows(client("television")), true}, // P07
		{"all client types", everything(clients(AllClientApps)), windows(client(OtherClients)), true},
		{"easSupported", everything(clients(EASSupported)), windows(client(ExchangeActiveSync)), true},

		{"an excluding filter that matches", everything(filter("exclude", `systemLabels -contains "CloudPC"`)), windows(cloudPC), false},
		{"an excluding filter that does not", everything(filter("exclude", `systemLabels -contains "CloudPC"`)), windows(), true},
		{"an including filter that matches", everything(filter("include", `systemLabels -contains "CloudPC"`)), windows(cloudPC), true},
		{"an including filter that does not", everything(filter("include", `systemLabels -contains "CloudPC"`)), windows(), false},
		{"an unregistered device and a positive exclusion", everything(filter("exclude", `trustType -eq "AzureAD"`)), windows(unregistered), true},
		{"an unregistered device and a negative exclusion", everything(filter("exclude", `trustType -ne "AzureAD"`)), windows(unregistered), false},
		{"an unregistered device and a positive inclusion", everything(filter("include", `trustType -eq "AzureAD"`)), windows(unregistered), false},
		{"an unregistered device and a negative inclusion", everything(filter("include", `trustType -ne "AzureAD"`)), windows(unregistered), true},

		{"the transfer method", everything(flow("deviceCodeFlow")), windows(by("deviceCodeFlow")), true},
		{"no transfer", everything(flow("deviceCodeFlow")), windows(by("none")), false},
		{"one of two methods", everything(flow("deviceCodeFlow, authenticationTransfer")), windows(by("authenticationTransfer")), true},
		{"an unknown method", everything(flow("deviceCodeFlow")), windows(by("")), true}, // P07

		{"an address of the location", everything(places([]string{office})), windows(from("203.0.113.255", "")), true},
		{"an IPv6 address of the location", everything(places([]string{office})), windows(from("2001:db8::1", "")), true},
		{"an IPv4 address in IPv6", everything(places([]string{office})), windows(from("::ffff:203.0.113.7", "")), true},
		{"another address", everything(places([]string{office, annexe})), windows(from("198.51.100.128", "")), false},
		{"an unknown address", everything(places([]string{office})), windows(), true}, // P07
		{"anywhere but trusted locations, from one", everything(places([]string{All}, AllTrusted)), windows(from("203.0.113.7", "DE")), false},
		{"anywhere but trusted locations, from one that is not", everything(places([]string{All}, AllTrusted)), windows(from("198.51.100.7", "DE")), true},
		{"anywhere but trusted locations, from an unknown address", everything(places([]string{All}, AllTrusted)), windows(), true}, // P07
		{"the trusted addresses of a setting that is not here", everything(places([]string{All}, MFATrustedIPs)), windows(from("203.0.113.7", "")), true},
		{"a country of the location", everything(places([]string{atHome})), windows(from("192.0.2.1", "JP")), true},
		{"another country", everything(places([]string{atHome})), windows(from("192.0.2.1", "FR")), false},
		{"a country that could not be looked up", everything(places([]string{atHome})), windows(from("192.0.2.1", "")), true}, // P07
		{"anywhere but at home, from there", everything(places([]string{All}, atHome)), windows(from("192.0.2.1", "DE")), false},
		{"anywhere but at home, from an unknown country", everything(places([]string{All}, atHome)), windows(from("192.0.2.1", UnknownCountry)), true}, // P07
		{"anywhere but where nobody knows, from there", everything(places([]string{All}, nowhere)), windows(from("192.0.2.1", UnknownCountry)), false},
		{"anywhere but where nobody knows, without a look-up", everything(places([]string{All}, nowhere)), windows(from("192.0.2.1", "")), true}, // P07
		{"excluded from one location and included by another", everything(places([]string{office}, atHome)), windows(from("203.0.113.7", "DE")), false},

		{"a guest of the kind", everything(users(Users{IncludeGuestsOrExternalUsers: externals("b2bCollaborationGuest")})), windows(guestOf(CollaborationGuest, fabrikam)), true},
		{"a guest of another kind", everything(users(Users{IncludeGuestsOrExternalUsers: externals("b2bCollaborationGuest,serviceProvider")})), windows(guestOf(InternalGuest, "")), false},
		{"a guest of an unknown kind", everything(users(Users{IncludeGuestsOrExternalUsers: externals("serviceProvider")})), windows(guestOf("", fabrikam)), true}, // P07
		{"a guest of the tenant", everything(users(Users{IncludeGuestsOrExternalUsers: externals("b2bCollaborationGuest", fabrikam)})), windows(guestOf(CollaborationGuest, fabrikam)), true},
		{"a guest of another tenant", everything(users(Users{IncludeGuestsOrExternalUsers: externals("b2bCollaborationGuest", fabrikam)})), windows(guestOf(CollaborationGuest, "other")), false},
		{"a guest of an unknown tenant", everything(users(Users{IncludeGuestsOrExternalUsers: externals("b2bCollaborationGuest", fabrikam)})), windows(guestOf(CollaborationGuest, "")), true}, // P07
		{"an internal guest has no other tenant", everything(users(Users{IncludeGuestsOrExternalUsers: externals("internalGuest", fabrikam)})), windows(guestOf(InternalGuest, "")), true},
		{"a member is no guest", everything(users(Users{IncludeGuestsOrExternalUsers: externals("internalGuest,b2bCollaborationGuest")})), windows(), false},
		{"an excluded kind of guest", everything(users(Users{IncludeUsers: []string{All}, ExcludeGuestsOrExternalUsers: externals("serviceProvider")})), windows(guestOf(ServiceProvider, fabrikam)), false},
		{"an excluded kind and an unknown one", everything(users(Users{IncludeUsers: []string{All}, ExcludeGuestsOrExternalUsers: externals("serviceProvider")})), windows(guestOf("", fabrikam)), true}, // P07

		{"a policy for people and a workload", everything(), windows(workload(robot)), false},
		{"a policy for workloads and a person", workloads(OwnServicePrincipals), windows(), false},
		{"a workload by its id", workloads(robot), windows(workload(robot)), true},
		{"another workload", workloads(robot), windows(workload(pilot)), false},
		{"any workload", workloads(OwnServicePrincipals), windows(workload(robot)), true},
		{"an excluded workload", with(workloads(OwnServicePrincipals), []func(*Policy){set(func(c *Conditions) { c.ClientApplications.ExcludeServicePrincipals = []string{robot} })}), windows(workload(robot)), false},

		{"the user action", everything(apps(Applications{IncludeUserActions: []string{string(RegisterDevice)}})), windows(doing(RegisterDevice)), true},
		{"another user action", everything(apps(Applications{IncludeUserActions: []string{string(RegisterDevice)}})), windows(doing(RegisterSecurityInformation)), false},
		{"no user action", everything(apps(Applications{IncludeUserActions: []string{string(RegisterDevice)}})), windows(), false},
		{"all resources and a user action", everything(), windows(doing(RegisterDevice)), false},
		{"a user action and a resource", everything(), windows(doing(RegisterDevice), asking(directory.DeviceRegistration)), true},
		{"the authentication context", everything(apps(Applications{IncludeAuthenticationContextClassReferences: []string{"c1", "C2"}})), windows(contexts("c2")), true},
		{"another authentication context", everything(apps(Applications{IncludeAuthenticationContextClassReferences: []string{"c1"}})), windows(contexts("c2")), false},
		{"an authentication context beside the resource", everything(), windows(contexts("c2")), true},

		{"the administration", everything(apps(Applications{IncludeApplications: []string{AdminPortals}})), windows(through(directory.CommandLine)), true},
		{"Azure's management", everything(apps(Applications{IncludeApplications: []string{AdminPortals}})), windows(through(otherApp), asking(directory.AzureManagement)), true},
		{"no administration", everything(apps(Applications{IncludeApplications: []string{AdminPortals}})), windows(through(otherApp)), false},
		{"an unknown client", everything(apps(Applications{IncludeApplications: []string{AdminPortals}})), windows(), true}, // P07
		{"all but the administration", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{AdminPortals}})), windows(through(directory.CommandLine)), false},
		{"all but the administration, an unknown client", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{AdminPortals}})), windows(), true}, // P07

		{"the sign-in risk", everything(set(func(c *Conditions) { c.SignInRiskLevels = []RiskLevel{RiskMedium, RiskHigh} })), windows(func(f *Facts) { f.SignInRisk = RiskHigh }), true},
		{"less sign-in risk", everything(set(func(c *Conditions) { c.SignInRiskLevels = []RiskLevel{RiskHigh} })), windows(func(f *Facts) { f.SignInRisk = RiskNone }), false},
		{"an unknown sign-in risk", everything(set(func(c *Conditions) { c.SignInRiskLevels = []RiskLevel{RiskHigh} })), windows(), true},                                           // P07
		{"a hidden sign-in risk", everything(set(func(c *Conditions) { c.SignInRiskLevels = []RiskLevel{RiskHigh} })), windows(func(f *Facts) { f.SignInRisk = RiskHidden }), true}, // P07
		{"the user risk", everything(set(func(c *Conditions) { c.UserRiskLevels = []RiskLevel{RiskHigh} })), windows(func(f *Facts) { f.UserRisk = RiskLow }), false},
		{"the risk of a workload", with(workloads(robot), []func(*Policy){set(func(c *Conditions) { c.ServicePrincipalRiskLevels = []RiskLevel{RiskHigh} })}), windows(workload(robot), func(f *Facts) { f.ServicePrincipalRisk = RiskLow }), false},
		{"an insider risk", everything(set(func(c *Conditions) { c.InsiderRiskLevels = "minor, elevated" })), windows(func(f *Facts) { f.InsiderRisk = InsiderElevated }), true},
		{"no insider risk", everything(set(func(c *Conditions) { c.InsiderRiskLevels = "minor,elevated" })), windows(func(f *Facts) { f.InsiderRisk = InsiderNone }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, s := range []State{Enabled, ReportOnly} {
				p := tt.policy
				p.State = s
				v := mustSet(t, p).Evaluate(tt.facts)
				result := v.Applied[0].Result()
				if applies := result != ResultNotApplied && result != ResultReportOnlyNotApplied; applies != tt.applies {
					t.Errorf("%s: result %s, want applies = %t: %s", s, result, tt.applies, v.Applied[0].Reason())
				}
			}
		})
	}
}

// The order of causes: a block, token protection, grants that no prompt can meet, grants that one can.
func TestOrderOfCauses(t *testing.T) { // P10
	block := everything(named("1", "block"), grants("OR", "block"))
	protect := everything(named("2", "protect"), protectTokens)
	comply := everything(named("3", "comply"), grants("OR", "compliantDevice"))
	join := everything(named("4", "join"), grants("OR", "domainJoinedDevice"))
	mfa := everything(named("5", "mfa"), grants("OR", "mfa"))
	phishing, passwordless := everything(named("6", "phishing"), strength(StrengthPhishingResistant)), everything(named("7", "passwordless"), strength(StrengthPasswordless))
	strongMFA := everything(named("8", "strength of MFA"), strength(StrengthMFA))
	terms := everything(named("9", "terms"), func(p *Policy) {
		p.GrantControls = &GrantControls{Operator: "AND", BuiltInControls: []string{"mfa"}, TermsOfUse: []string{"x"}}
	})
	often := everything(named("10", "often"), frequency(4, "hours"))
	report := func(p Policy) Policy { p.State = ReportOnly; return p }
	cause := func(p Policy, r Requirement, err *aadsts.Error) Cause { return Cause{p.ID, p.DisplayName, r, err} }
	var none Cause
	for _, tt := range []struct {
		name     string
		policies []Policy
		facts    Facts
		cause    Cause
		wouldBe  Cause
		status   AccessStatus
	}{
		{"no policy", nil, windows(noBroker), none, none, AccessNotApplied},
		{"a block before everything", []Policy{mfa, comply, protect, block}, windows(noBroker), cause(block, RequireNoBlock, aadsts.BlockedByConditionalAccess), none, AccessFailure},
		{"token protection before prompts", []Policy{mfa, protect}, windows(noBroker), cause(protect, RequireTokenProtection, aadsts.TokenProtectionRequired), none, AccessFailure},
		{"token protection before other devices", []Policy{comply, protect}, windows(noBroker), cause(protect, RequireTokenProtection, aadsts.TokenProtectionRequired), none, AccessFailure},
		{"the device before prompts", []Policy{mfa, comply}, windows(), cause(comply, RequireCompliantDevice, aadsts.DeviceNotCompliant), none, AccessFailure},
		{"the earlier policy of equals", []Policy{mfa, join, comply}, windows(), cause(join, RequireDomainJoinedDevice, aadsts.DeviceNotHybridJoined), none, AccessFailure},
		{"prompts last", []Policy{mfa, protect}, windows(), cause(mfa, RequireMFA, aadsts.MultiFactorRequired), none, AccessFailure},
		{"everything met", []Policy{mfa, comply, protect, join}, windows(multiFactor, compliant, hybridJoined), none, none, AccessSuccess},
		{"a control that nobody can meet", []Policy{terms, mfa}, windows(), cause(terms, RequireOther, aadsts.ControlCannotBeMet), none, AccessFailure},
		{"a passkey before any second factor", []Policy{often, mfa, passwordless}, windows(), cause(passwordless, RequirePasskey, aadsts.MultiFactorRequired), none, AccessFailure},
		{"a second factor is no passkey", []Policy{mfa, phishing}, windows(multiFactor), cause(phishing, RequirePasskey, aadsts.MultiFactorRequired), none, AccessFailure},
		{"a passkey is a second factor", []Policy{mfa, phishing, passwordless, strongMFA}, windows(passkey), none, none, AccessSuccess},
		{"the strength of any second factor", []Policy{strongMFA}, windows(), cause(strongMFA, RequireMFA, aadsts.MultiFactorRequired), none, AccessFailure},
		{"the sign-in anew last", []Policy{often, mfa}, windows(), cause(mfa, RequireMFA, aadsts.MultiFactorRequired), none, AccessFailure},
		{"a sign-in that is too old", []Policy{often}, windows(signedIn(4*time.Hour + time.Second)), cause(often, RequireRecentSignIn, aadsts.SignInTooOld), none, AccessFailure},
		{"a sign-in that is not", []Policy{often}, windows(signedIn(4 * time.Hour)), none, none, AccessSuccess},
		{"a sign-in of which nobody knows when", []Policy{often}, windows(), cause(often, RequireRecentSignIn, aadsts.SignInTooOld), none, AccessFailure}, // P07
		{"each time, just now", []Policy{everyTimeAnew}, windows(signedIn(9 * time.Minute)), none, none, AccessSuccess},
		{"each time, some time ago", []Policy{everyTimeAnew}, windows(signedIn(11 * time.Minute)), cause(everyTimeAnew, RequireRecentSignIn, aadsts.SignInTooOld), none, AccessFailure},
		{"an application proves itself with every request", []Policy{often, workloads(robot)}, windows(workload(robot)), cause(workloads(robot), RequireNoBlock, aadsts.BlockedByConditionalAccess), none, AccessFailure},
		{"either device will do", []Policy{everything(grants("OR", "compliantDevice", "domainJoinedDevice"))}, windows(hybridJoined), none, none, AccessSuccess},
		{"both are needed", []Policy{everything(grants("AND", "compliantDevice", "domainJoinedDevice"))}, windows(compliant),
			cause(everything(), RequireDomainJoinedDevice, aadsts.DeviceNotHybridJoined), none, AccessFailure},
		{"a prompt can meet one of two alternatives", []Policy{everything(grants("OR", "compliantDevice", "mfa"))}, windows(),
			cause(everything(), RequireMFA, aadsts.MultiFactorRequired), none, AccessFailure},
		{"no prompt can meet both of two", []Policy{everything(grants("AND", "compliantDevice", "mfa"))}, windows(),
			cause(everything(), RequireCompliantDevice, aadsts.DeviceNotCompliant), none, AccessFailure},
		{"nothing is an alternative to a block", []Policy{everything(grants("OR", "block", "mfa"))}, windows(multiFactor),
			cause(everything(), RequireNoBlock, aadsts.BlockedByConditionalAccess), none, AccessFailure},
		{"report-only alone gives access and tells the cause", []Policy{report(protect), report(mfa)}, windows(noBroker), none,
			cause(protect, RequireTokenProtection, aadsts.TokenProtectionRequired), AccessNotApplied}, // P09
		{"report-only does not hide behind what is enforced", []Policy{report(protect), mfa}, windows(noBroker), cause(mfa, RequireMFA, aadsts.MultiFactorRequired),
			cause(protect, RequireTokenProtection, aadsts.TokenProtectionRequired), AccessFailure},
		{"a success beside a report-only failure stays one", []Policy{comply, report(block)}, windows(compliant), none,
			cause(block, RequireNoBlock, aadsts.BlockedByConditionalAccess), AccessSuccess},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := mustSet(t, tt.policies...).Evaluate(tt.facts).Decision
			want := Decision{Status: tt.status, Cause: tt.cause, WouldBe: tt.wouldBe}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *aadsts.Error) bool { return a == b })); diff != "" {
				t.Errorf("the decision differs (-want +got):\n%s", diff)
			}
		})
	}
}

// line is one policy of a report, as the sign-in log has it.
type line struct {
	result                 Result
	grant, session, unmet  []string
	satisfied, unsatisfied Condition
}

func lineOf(a Applied) line {
	return line{a.Result(), a.EnforcedGrantControls(), a.EnforcedSessionControls(), a.SessionControlsNotSatisfied(), a.Satisfied, a.NotSatisfied}
}

// S51, S54: each result of each state, with the flags and controls that the log has.
func TestReport(t *testing.T) {
	no, sitp := []string{}, []string{"SignInTokenProtection"}
	const all = ConditionApplication | ConditionUsers | ConditionDevicePlatform | ConditionClientType | ConditionDeviceState
	for _, tt := range []struct {
		name           string
		policy         Policy
		facts          Facts
		on, reportOnly Result
		want           line // without the result
	}{
		{"the application does not match: nothing else is looked at", tokenProtection(), windows(asking(otherApp), user(stranger), groups()),
			ResultNotApplied, ResultReportOnlyNotApplied, line{grant: no, session: sitp, unmet: no, unsatisfied: 1}},
		{"the user does not match: nothing else is looked at", tokenProtection(), windows(groups(), on(MacOS)),
			ResultNotApplied, ResultReportOnlyNotApplied, line{grant: no, session: sitp, unmet: no, satisfied: 1, unsatisfied: 2}},
		{"conditions that the policy has not leave no flag", everything(grants("OR", "mfa")), windows(multiFactor),
			ResultSuccess, ResultReportOnlySuccess, line{grant: []string{"Mfa"}, session: no, unmet: no, satisfied: 3}},
		{"all client types are no condition", everything(clients(AllClientApps)), windows(),
			ResultSuccess, ResultReportOnlySuccess, line{grant: no, session: no, unmet: no, satisfied: 3}},
		{"a filter counts as device state", tokenProtection(), windows(),
			ResultSuccess, ResultReportOnlySuccess, line{grant: no, session: sitp, unmet: no, satisfied: 279}},
		{"the platform fails", tokenProtection(), windows(on(MacOS)),
			ResultNotApplied, ResultReportOnlyNotApplied, line{grant: no, session: sitp, unmet: no, satisfied: all &^ ConditionDevicePlatform, unsatisfied: ConditionDevicePlatform}},
		{"platform, client and filter are all looked at", tokenProtection(), windows(on(MacOS), client(Browser), cloudPC),
			ResultNotApplied, ResultReportOnlyNotApplied, line{grant: no, session: sitp, unmet: no, satisfied: 3, unsatisfied: 4 | 16 | 256}},
		{"a flow has its flag", everything(flow("deviceCodeFlow")), windows(),
			ResultNotApplied, ResultReportOnlyNotApplied, line{grant: no, session: no, unmet: no, satisfied: 3, unsatisfied: 32768}},
		{"token protection is unmet", tokenProtection(), windows(noBroker),
			ResultFailure, ResultReportOnlyFailure, line{grant: no, session: sitp, unmet: sitp, satisfied: 279}},
		{"block", everything(grants("OR", "block")), windows(),
			ResultFailure, ResultReportOnlyFailure, line{grant: []string{"Block"}, session: no, unmet: no, satisfied: 3}},
		{"block with token protection reports the block alone", everything(grants("OR", "block"), protectTokens), windows(noBroker),
			ResultFailure, ResultReportOnlyFailure, line{grant: []string{"Block"}, session: sitp, unmet: no, satisfied: 3}},
		{"a device that is not compliant", everything(grants("AND", "compliantDevice", "mfa")), windows(),
			ResultFailure, ResultReportOnlyFailure, line{grant: []string{"RequireCompliantDevice", "Mfa"}, session: no, unmet: no, satisfied: 3}},
		{"a step that a person can still take", everything(grants("OR", "mfa", "domainJoinedDevice")), windows(),
			ResultFailure, ResultReportOnlyInterrupted, line{grant: []string{"Mfa", "RequireDomainJoinedDevice"}, session: no, unmet: no, satisfied: 3}},
		{"such a step and token protection", everything(grants("OR", "mfa"), protectTokens), windows(noBroker),
			ResultFailure, ResultReportOnlyFailure, line{grant: []string{"Mfa"}, session: sitp, unmet: sitp, satisfied: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for s, result := range map[State]Result{Enabled: tt.on, ReportOnly: tt.reportOnly} {
				p := tt.policy
				p.State = s
				want := tt.want
				want.result = result
				if diff := cmp.Diff(want, lineOf(mustSet(t, p).Evaluate(tt.facts).Applied[0]), cmp.AllowUnexported(line{})); diff != "" {
					t.Errorf("%s (-want +got):\n%s", s, diff)
				}
			}
			off := tt.policy
			off.State = Disabled
			want := line{result: ResultNotEnabled, grant: no, session: no, unmet: no}
			if diff := cmp.Diff(want, lineOf(mustSet(t, off).Evaluate(tt.facts).Applied[0]), cmp.AllowUnexported(line{})); diff != "" {
				t.Errorf("off (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSessionControlsThatAreOnlyKeptAreNotReportedAsEnforced(t *testing.T) {
	p := everything(protectTokens)
	p.SessionControls.CloudAppSecurity = &CloudAppSecurity{IsEnabled: true}
	a := mustSet(t, p).Evaluate(windows()).Applied[0]
	if got := a.EnforcedSessionControls(); !cmp.Equal(got, []string{"SignInTokenProtection"}) {
		t.Errorf("enforced: %q", got)
	}
	if got := a.NotEnforced(); !cmp.Equal(got, []string{"CloudAppSecurity"}) {
		t.Errorf("not enforced: %q", got)
	}
}

func TestRules(t *testing.T) {
	rule := func(condition, rule string) RuleSatisfied { return RuleSatisfied{condition, rule} }
	for _, tt := range []struct {
		name             string
		policy           Policy
		facts            Facts
		include, exclude []RuleSatisfied
	}{
		{"what the source's policy includes", tokenProtection(), windows(),
			[]RuleSatisfied{rule("application", "appId"), rule("users", "groupId"), rule("devicePlatform", "devicePlatform")}, nil},
		{"an excluded group", tokenProtection(), windows(groups(pilotGroup, breakGlass)),
			[]RuleSatisfied{rule("application", "appId"), rule("users", "groupId")}, []RuleSatisfied{rule("users", "groupId")}},
		{"everything", everything(), windows(guest), []RuleSatisfied{rule("application", "allApps"), rule("users", "allUsers")}, nil},
		{"a device that is left out", everything(filter("exclude", `systemLabels -contains "CloudPC"`)), windows(cloudPC),
			[]RuleSatisfied{rule("application", "allApps"), rule("users", "allUsers")}, []RuleSatisfied{rule("deviceState", "deviceFilter")}},
		{"a device that is not let in", everything(filter("include", `systemLabels -contains "CloudPC"`)), windows(),
			[]RuleSatisfied{rule("application", "allApps"), rule("users", "allUsers")}, []RuleSatisfied{rule("deviceState", "deviceFilterIncludeRuleNotMatched")}},
		{"an excluded platform", everything(platform([]Platform{AllPlatforms}, Windows)), windows(),
			[]RuleSatisfied{rule("application", "allApps"), rule("users", "allUsers"), rule("devicePlatform", "allDevicePlatforms")},
			[]RuleSatisfied{rule("devicePlatform", "devicePlatform")}},
		{"the Office 365 group, guests and roles", everything(apps(Applications{IncludeApplications: []string{Office365}}),
			users(Users{IncludeUsers: []string{GuestsOrExternalUsers, pilot}, IncludeRoles: []string{admin}})), windows(guest, roles(directory.ConditionalAccessAdministrator)),
			[]RuleSatisfied{rule("application", "office365"), rule("users", "guest"), rule("users", "userId"), rule("users", "roleId")}, nil},
		{"a policy that is off", everything(state(Disabled)), windows(), nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			include, exclude := mustSet(t, tt.policy).Evaluate(tt.facts).Applied[0].Rules(tt.facts)
			if diff := cmp.Diff([][]RuleSatisfied{tt.include, tt.exclude}, [][]RuleSatisfied{include, exclude}); diff != "" {
				t.Errorf("the rules differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditionsHaveNames(t *testing.T) {
	for flags, want := range map[Condition]string{0: "none", 3: "application,users", 279: "application,users,devicePlatform,clientType,deviceState"} {
		if got := flags.String(); got != want {
			t.Errorf("%d is %q, want %q", int(flags), got, want)
		}
	}
}

func TestASetRefusesWhatItCannotEvaluate(t *testing.T) { // P19
	for name, p := range map[string]Policy{
		"a condition that is not supported": everything(func(p *Policy) { p.Conditions.AgentIDRiskLevels = "high" }),
		"a location that is not there":      everything(places([]string{All}, pilot)),
		"a filter that does not parse":      everything(filter("exclude", `colour -eq "red"`)),
		"a filter mode that is none":        everything(filter("exklude", `model -eq "x"`)),
		"a platform that is none":           everything(platform([]Platform{"beos"})),
		"an id that is none":                everything(users(Users{IncludeUsers: []string{"<pilot>"}})),
		"a state that is none":              everything(state("on")),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewSet([]Policy{p}, nil); err == nil {
				t.Error("NewSet accepts the policy")
			}
			p.State = Disabled
			if _, err := NewSet([]Policy{p}, nil); err != nil {
				t.Errorf("NewSet refuses the policy although it is off: %v", err)
			}
		})
	}
}

func TestMoreThanOneBlockOfPolicies(t *testing.T) {
	policies := make([]Policy, 600)
	for i := range policies {
		policies[i] = everything(grants("OR", "mfa"), users(Users{IncludeUsers: []string{stranger}}))
	}
	policies[300] = everything(named("300", "protect"), protectTokens)
	policies[599] = everything(named("599", "block"), grants("OR", "block"))
	v := mustSet(t, policies...).Evaluate(windows(noBroker))
	if v.Cause.PolicyID != "599" || len(v.Applied) != 600 || v.Applied[300].Result() != ResultFailure || v.Applied[299].Result() != ResultNotApplied {
		t.Errorf("the cause is %+v; policy 300 is %s", v.Cause, v.Applied[300].Result())
	}
}

func TestAGuestIsJudgedByWhatTheTenantBelieves(t *testing.T) { // S23
	s := mustSet(t, tokenProtection(users(Users{IncludeUsers: []string{GuestsOrExternalUsers}})))
	seen := devicefilter.FromGuest(*laptop(label("CloudPC"), trust(device.Joined)), directory.InboundTrust{})
	check(t, s, windows(guest, func(f *Facts) { f.Device = seen }), nil)                                      // registered at home
	check(t, s, windows(guest, noBroker, func(f *Facts) { f.Device = seen }), aadsts.TokenProtectionRequired) // a label that is not believed spares nobody
}

func TestPersistentBrowser(t *testing.T) {
	persist := func(mode PersistentBrowserMode, changes ...func(*Policy)) Policy {
		p := everything(changes...)
		p.SessionControls = &SessionControls{PersistentBrowser: &PersistentBrowser{true, mode}}
		return p
	}
	for _, tt := range []struct {
		name     string
		policies []Policy
		want     PersistentBrowserMode
	}{
		{"nothing said", []Policy{everything()}, ""},
		{"always", []Policy{persist(PersistAlways)}, PersistAlways},
		{"never wins", []Policy{persist(PersistAlways), persist(PersistNever), persist(PersistAlways)}, PersistNever},
		{"report-only does not count", []Policy{persist(PersistAlways), persist(PersistNever, state(ReportOnly))}, PersistAlways}, // P09
		{"what does not apply does not count", []Policy{persist(PersistNever, platform([]Platform{MacOS}))}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSet(t, tt.policies...)
			if got := s.Decide(windows()).PersistentBrowser; got != tt.want {
				t.Errorf("Decide: %q, want %q", got, tt.want)
			}
		})
	}
}

// What-If says which conditions rest on what nobody knows.
func TestAssumed(t *testing.T) {
	p := tokenProtection(places([]string{All}, atHome), flow("deviceCodeFlow"), state(ReportOnly),
		set(func(c *Conditions) { c.SignInRiskLevels = []RiskLevel{RiskHigh} }))
	known := windows(by("deviceCodeFlow"), from("192.0.2.1", "FR"), func(f *Facts) { f.SignInRisk = RiskHigh })
	for _, tt := range []struct {
		name  string
		facts Facts
		want  string
	}{
		{"everything is known", known, "none"},
		{"nothing is", windows(on(""), client(""), by(""), asking()), "application,devicePlatform,location,clientType,signInRisk,ipAddressSeenByAzureAD,authenticationFlows"},
		{"what does not hold is not assumed", windows(on(""), client(Browser), by("none"), asking(otherApp)), "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustSet(t, p).Evaluate(tt.facts).Applied[0].Assumed(tt.facts).String(); got != tt.want {
				t.Errorf("Assumed = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestConditionsOfALocation(t *testing.T) {
	a := mustSet(t, everything(places([]string{All}, AllTrusted))).Evaluate(windows(from("203.0.113.7", ""))).Applied[0]
	if a.Satisfied != 3 || a.NotSatisfied != 1032 || a.Reason() != "The policy is about other locations." {
		t.Errorf("%d/%d %s; want 3/1032, as exported rows have it", a.Satisfied, a.NotSatisfied, a.Reason())
	}
}

func TestUnmetSessionControls(t *testing.T) {
	p := everything(protectTokens)
	four := 4
	p.SessionControls.SignInFrequency = &SignInFrequency{IsEnabled: true, Value: &four, Type: "hours"}
	for _, tt := range []struct {
		name   string
		policy Policy
		facts  Facts
		want   []string
		result Result
	}{
		{"both", p, windows(noBroker), []string{"SignInFrequency", "SignInTokenProtection"}, ResultFailure},
		{"the frequency", p, windows(), []string{"SignInFrequency"}, ResultFailure},
		{"the binding", p, windows(noBroker, signedIn(time.Hour)), []string{"SignInTokenProtection"}, ResultFailure},
		{"none", p, windows(signedIn(time.Hour)), []string{}, ResultSuccess},
		{"a prompt could meet it", with(p, []func(*Policy){state(ReportOnly)}), windows(), []string{"SignInFrequency"}, ResultReportOnlyInterrupted},
		{"a block asks for nothing", with(p, []func(*Policy){grants("OR", "block")}), windows(noBroker), []string{}, ResultFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := mustSet(t, tt.policy).Evaluate(tt.facts).Applied[0]
			if got := a.SessionControlsNotSatisfied(); !cmp.Equal(got, tt.want) || a.Result() != tt.result {
				t.Errorf("%s, unmet %q; want %s, %q", a.Result(), got, tt.result, tt.want)
			}
		})
	}
}
