package policy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// problems returns the pointers of what is wrong with p.
func problems(t *testing.T, err error) []Problem {
	t.Helper()
	var invalid *InvalidError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &invalid):
		t.Fatalf("%v is no *InvalidError", err)
	}
	return invalid.Problems
}

func pointers(problems []Problem) []string {
	var at []string
	for _, p := range problems {
		at = append(at, p.Pointer)
	}
	return at
}

func TestValidate(t *testing.T) {
	set := func(change func(*Conditions)) func(*Policy) { return func(p *Policy) { change(&p.Conditions) } }
	session := func(s SessionControls) func(*Policy) { return func(p *Policy) { p.SessionControls = &s } }
	noClients := func(p *Policy) { p.Conditions.ClientAppTypes = []ClientAppType{} }
	seven, tooMany := 7, 366
	for _, tt := range []struct {
		name   string
		policy Policy
		want   []string // pointers
	}{
		{"the source's policy", tokenProtection(), nil}, // S41 to S47
		{"a policy about everything", everything(), nil},
		{"every supported condition and control", tokenProtection(grants("OR", "compliantDevice", "domainJoinedDevice"), flow("deviceCodeFlow"), platform([]Platform{AllPlatforms}, Linux)), nil},
		{"no name", everything(named("", " ")), []string{"/displayName"}},
		{"a name that is too long", everything(named("", strings.Repeat("あ", 257))), []string{"/displayName"}},
		{"an unknown state", everything(state("on")), []string{"/state"}},
		{"no resources", everything(apps(Applications{})), []string{"/conditions/applications/includeApplications"}},
		{"All beside others", everything(apps(Applications{IncludeApplications: []string{All, otherApp}})), []string{"/conditions/applications/includeApplications"}},
		{"an application that is no id", everything(apps(Applications{IncludeApplications: []string{otherApp, "Exchange"}})), []string{"/conditions/applications/includeApplications/1"}},
		{"All cannot be excluded", everything(apps(Applications{IncludeApplications: []string{All}, ExcludeApplications: []string{All}})), []string{"/conditions/applications/excludeApplications/0"}},
		{"nobody", everything(users(Users{})), []string{"/conditions/users/includeUsers"}},
		{"a placeholder for a group", everything(users(Users{IncludeUsers: []string{All}, ExcludeGroups: []string{"<break-glass group>"}})), []string{"/conditions/users/excludeGroups/0"}},
		{"all users cannot be excluded", everything(users(Users{IncludeUsers: []string{All}, ExcludeUsers: []string{All}})), []string{"/conditions/users/excludeUsers/0"}},
		{"an empty list of client types", everything(noClients), []string{"/conditions/clientAppTypes"}},
		{"an unknown client type", everything(clients(Browser, "television")), []string{"/conditions/clientAppTypes/1"}},
		{"all client types beside one", everything(clients(AllClientApps, Browser)), []string{"/conditions/clientAppTypes"}},
		{"no platform", everything(platform(nil)), []string{"/conditions/platforms/includePlatforms"}},
		{"an unknown platform", everything(platform([]Platform{"beos"}, AllPlatforms)), []string{"/conditions/platforms/includePlatforms/0", "/conditions/platforms/excludePlatforms/0"}},
		{"a filter that does not parse", everything(filter("exclude", `trustType -eq AzureAD`)), []string{"/conditions/devices/deviceFilter/rule"}},
		{"an unknown filter mode", everything(filter("exklude", `trustType -eq "AzureAD"`)), []string{"/conditions/devices/deviceFilter/mode"}},
		{"an unknown transfer method", everything(flow("deviceCodeFlow,pigeon")), []string{"/conditions/authenticationFlows/transferMethods"}},
		{"no transfer method", everything(flow("none")), []string{"/conditions/authenticationFlows/transferMethods"}},

		{"everywhere but trusted locations", everything(places([]string{All}, AllTrusted, MFATrustedIPs)), nil},
		{"a location by its id", everything(places([]string{office, AllTrusted}, atHome)), nil},
		{"no location", everything(places(nil, AllTrusted)), []string{"/conditions/locations/includeLocations"}},
		{"a location beside all", everything(places([]string{All, office})), []string{"/conditions/locations/includeLocations"}},
		{"locations that are none", everything(places([]string{"Office"}, "Home")), []string{"/conditions/locations/includeLocations/0", "/conditions/locations/excludeLocations/0"}},
		{"the trusted addresses of a setting that is not here", everything(places([]string{MFATrustedIPs})), []string{"/conditions/locations/includeLocations"}},

		{"workload identities", workloads(OwnServicePrincipals), nil},
		{"a workload identity by its id", workloads(robot), nil},
		{"a workload identity that is none", workloads("robot"), []string{"/conditions/clientApplications/includeServicePrincipals/0"}},
		{"no workload identity", workloads(), []string{"/conditions/clientApplications/includeServicePrincipals"}},
		{"workload identities and people", with(workloads(robot), []func(*Policy){users(Users{IncludeUsers: []string{All}})}), []string{"/conditions/users/includeUsers"}},
		{"workload identities and a group", with(workloads(robot), []func(*Policy){users(Users{IncludeGroups: []string{pilotGroup}})}), []string{"/conditions/users/includeUsers"}},
		{"a filter for service principals", with(workloads(robot), []func(*Policy){set(func(c *Conditions) { c.ClientApplications.ServicePrincipalFilter = &Filter{"include", "x"} })}),
			[]string{"/conditions/clientApplications/servicePrincipalFilter"}},
		{"agent identities", with(workloads(robot), []func(*Policy){set(func(c *Conditions) { c.ClientApplications.IncludeAgentIDServicePrincipals = []string{All} })}),
			[]string{"/conditions/clientApplications/includeAgentIdServicePrincipals"}},

		{"risk, report-only", everything(state(ReportOnly), set(allRisks)), nil},
		{"risk, On", everything(set(allRisks)),
			[]string{"/conditions/signInRiskLevels", "/conditions/userRiskLevels", "/conditions/servicePrincipalRiskLevels", "/conditions/insiderRiskLevels"}},
		{"risks that are none", everything(state(ReportOnly), set(func(c *Conditions) {
			c.SignInRiskLevels, c.InsiderRiskLevels, c.AgentIDRiskLevels = []RiskLevel{"huge"}, "minor,huge", "high"
		})), []string{"/conditions/signInRiskLevels/0", "/conditions/insiderRiskLevels", "/conditions/agentIdRiskLevels"}},

		{"a user action", everything(apps(Applications{IncludeUserActions: []string{string(RegisterDevice)}})), nil},
		{"a user action that is none", everything(apps(Applications{IncludeUserActions: []string{"urn:user:dance"}})), []string{"/conditions/applications/includeUserActions/0"}},
		{"an authentication context", everything(apps(Applications{IncludeAuthenticationContextClassReferences: []string{"c1", "c99"}})), nil},
		{"authentication contexts that are none", everything(apps(Applications{IncludeAuthenticationContextClassReferences: []string{"c0", "c100", "c01", "1"}})),
			[]string{"/conditions/applications/includeAuthenticationContextClassReferences/0", "/conditions/applications/includeAuthenticationContextClassReferences/1",
				"/conditions/applications/includeAuthenticationContextClassReferences/2", "/conditions/applications/includeAuthenticationContextClassReferences/3"}},
		{"resources and a user action", everything(apps(Applications{IncludeApplications: []string{All}, IncludeUserActions: []string{string(RegisterDevice)}})), []string{"/conditions/applications"}},
		{"a resource excluded from a user action", everything(apps(Applications{ExcludeApplications: []string{otherApp}, IncludeUserActions: []string{string(RegisterDevice)}})),
			[]string{"/conditions/applications/excludeApplications"}},
		{"the administration", everything(apps(Applications{IncludeApplications: []string{AdminPortals}})), nil},
		{"a filter for applications", everything(apps(Applications{ApplicationFilter: &Filter{"include", "x"}})), []string{"/conditions/applications/applicationFilter"}},

		{"guests by kind and home", everything(users(Users{IncludeGuestsOrExternalUsers: externals("internalGuest,b2bCollaborationGuest", fabrikam), ExcludeGuestsOrExternalUsers: externals("serviceProvider")})), nil},
		{"guests of a kind that is none", everything(users(Users{IncludeUsers: []string{All}, ExcludeGuestsOrExternalUsers: externals("aunt", "home")})),
			[]string{"/conditions/users/excludeGuestsOrExternalUsers/guestOrExternalUserTypes", "/conditions/users/excludeGuestsOrExternalUsers/externalTenants/members/0"}},
		{"guests of an enumeration without tenants", everything(users(Users{IncludeGuestsOrExternalUsers: &ExternalUsers{"serviceProvider", &ExternalTenants{"enumerated", nil}}})),
			[]string{"/conditions/users/includeGuestsOrExternalUsers/externalTenants/members"}},
		{"lists of devices", everything(set(func(c *Conditions) { c.Devices = &Devices{IncludeDevices: []string{All}} })), []string{"/conditions/devices"}},

		{"block alone", everything(grants("OR", "block")), nil},
		{"block with another control", everything(grants("OR", "block", "mfa")), []string{"/grantControls/builtInControls"}},
		{"an unknown control", everything(grants("OR", "magic")), []string{"/grantControls/builtInControls/0"}},
		{"an unknown operator", everything(grants("XOR", "mfa")), []string{"/grantControls/operator"}},
		{"no control", everything(grants("OR")), []string{"/grantControls"}},
		{"mfa and a strength", everything(state(ReportOnly), func(p *Policy) {
			p.GrantControls = &GrantControls{Operator: "AND", BuiltInControls: []string{"mfa"}, AuthenticationStrength: &AuthenticationStrength{ID: StrengthMFA}}
		}), []string{"/grantControls/authenticationStrength"}},
		{"a control that cannot be enforced, On", everything(grants("OR", "mfa", "approvedApplication")), []string{"/grantControls"}},
		{"a control that cannot be enforced, report-only", everything(grants("OR", "mfa", "approvedApplication"), state(ReportOnly)), nil},
		{"a control that cannot be enforced, off", everything(grants("OR", "compliantApplication"), state(Disabled)), nil},
		{"a password change", everything(grants("AND", "mfa", "passwordChange"), state(ReportOnly), set(func(c *Conditions) { c.UserRiskLevels = []RiskLevel{RiskHigh} })), nil},
		{"a password change by itself", everything(grants("OR", "passwordChange"), state(ReportOnly)), []string{"/grantControls/builtInControls"}},
		{"a strength", everything(strength(StrengthPhishingResistant)), nil},
		{"a strength that is none", everything(strength("00000000-0000-0000-0000-000000000009")), []string{"/grantControls/authenticationStrength/id"}},
		{"terms of use, On", everything(func(p *Policy) { p.GrantControls = &GrantControls{Operator: "AND", TermsOfUse: []string{"x"}} }), []string{"/grantControls"}},

		{"session controls that are only kept", everything(session(SessionControls{SecureSignInSession: &Switch{true}, ApplicationEnforcedRestrictions: &Switch{true},
			SignInFrequency: &SignInFrequency{IsEnabled: true, Value: &seven, Type: "days", FrequencyInterval: "timeBased", AuthenticationType: "primaryAndSecondaryAuthentication"}})), nil},
		{"unknown values of session controls", everything(session(SessionControls{CloudAppSecurity: &CloudAppSecurity{CloudAppSecurityType: "x"}, PersistentBrowser: &PersistentBrowser{Mode: "x"},
			ContinuousAccessEvaluation: &ContinuousAccess{"x"}, SignInFrequency: &SignInFrequency{Type: "x"}})),
			[]string{"/sessionControls/cloudAppSecurity/cloudAppSecurityType", "/sessionControls/persistentBrowser/mode", "/sessionControls/continuousAccessEvaluation/mode", "/sessionControls/signInFrequency/type"}},
		{"a frequency that does not go together", everything(session(SessionControls{SignInFrequency: &SignInFrequency{FrequencyInterval: "timeBased", AuthenticationType: "secondaryAuthentication"}})),
			[]string{"/sessionControls/signInFrequency"}},
		{"a frequency without a unit", everything(session(SessionControls{SignInFrequency: &SignInFrequency{IsEnabled: true, Value: &seven}})), []string{"/sessionControls/signInFrequency"}},
		{"a frequency that is too long", everything(session(SessionControls{SignInFrequency: &SignInFrequency{IsEnabled: true, Value: &tooMany, Type: "days"}})), []string{"/sessionControls/signInFrequency/value"}},
		{"every time", everything(session(SessionControls{SignInFrequency: &SignInFrequency{IsEnabled: true, FrequencyInterval: "everyTime"}})), nil},
		{"a persistent browser for one resource", tokenProtection(session(SessionControls{PersistentBrowser: &PersistentBrowser{true, PersistNever}})), []string{"/sessionControls/persistentBrowser"}},
		{"a persistent browser for all", everything(session(SessionControls{PersistentBrowser: &PersistentBrowser{true, PersistNever}})), nil},
		{"several problems at once", everything(named("", ""), state("x"), noClients, grants("OR", "block", "mfa")),
			[]string{"/displayName", "/state", "/conditions/clientAppTypes", "/grantControls/builtInControls"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := problems(t, Validate(tt.policy))
			if diff := cmp.Diff(tt.want, pointers(found)); diff != "" {
				t.Errorf("Validate (-want +got):\n%s\n%v", diff, found)
			}
			for _, p := range found {
				if p.Reason == "" || p.Remedy == "" {
					t.Errorf("%+v has no reason or no remedy", p)
				}
			}
			if _, err := NewSet([]Policy{tt.policy}, someLocations); err != nil && found == nil {
				t.Errorf("Validate lets in what NewSet refuses: %v", err)
			}
		})
	}
}

func TestAFilterErrorSaysWhereAndHowToMendIt(t *testing.T) { // S26
	found := problems(t, Validate(everything(filter("exclude", `"enrollmentProfileName -eq "Autopilot 自己展開プロファイル"`))))
	if len(found) != 1 || found[0].Code != 1400 || !strings.HasPrefix(found[0].Reason, "deviceFilter rule invalid at 0 (line 1, column 1): ") ||
		found[0].Remedy != `Did you mean: enrollmentProfileName -eq "Autopilot 自己展開プロファイル"` {
		t.Errorf("%+v", found)
	}
}

const sourcesPolicy = `{
	"@odata.context": "https://example.test/$metadata#x", "id": "DDDDDDDD-0000-4000-8000-000000000001", "displayName": "Token protection",
	"createdDateTime": "2026-01-02T03:04:05.1234567Z", "modifiedDateTime": null, "deletedDateTime": null, "templateId": null, "partialEnablementStrategy": null,
	"state": "EnabledForReportingButNotEnforced",
	"conditions": {
		"users": {"includeGroups": ["BBBBBBBB-0000-4000-8000-000000000001"], "includeUsers": [], "excludeGuestsOrExternalUsers": null},
		"applications": {"includeApplications": ["00000002-0000-0FF1-CE00-000000000000"], "applicationFilter": null, "networkAccess": null},
		"platforms": {"includePlatforms": ["ios"]}, "clientAppTypes": ["mobileappsanddesktopclients"], "deviceStates": null, "times": null, "locations": {"includeLocations": []},
		"devices": {"deviceFilter": {"mode": "Exclude", "rule": "device.model -eq \"x\""}}, "signInRiskLevels": [], "insiderRiskLevels": null
	},
	"grantControls": {"operator": "or", "builtInControls": ["MFA"], "authenticationStrength@odata.context": "x", "authenticationStrength": null},
	"sessionControls": null,
	"sessionControls": {"secureSignInSession": {"isEnabled": true, "secureAppSessionMode": "x"}, "networkAccessSecurity": null, "cloudAppSecurity": null}
}`

func TestDecode(t *testing.T) {
	p, err := Decode([]byte(sourcesPolicy))
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(p); err != nil {
		t.Errorf("Validate: %v", err)
	}
	want := Conditions{Users: Users{IncludeUsers: []string{}, IncludeGroups: []string{pilotGroup}}, Applications: Applications{IncludeApplications: []string{"00000002-0000-0ff1-ce00-000000000000"}},
		Platforms: &Platforms{IncludePlatforms: []Platform{IOS}}, ClientAppTypes: []ClientAppType{MobileAppsAndDesktopClients}, SignInRiskLevels: []RiskLevel{},
		Devices: &Devices{DeviceFilter: &Filter{FilterExcludes, `device.model -eq "x"`}}}
	if diff := cmp.Diff(want, p.Conditions); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	if p.State != ReportOnly || !p.RequiresTokenProtection() || p.GrantControls.Operator != "OR" || p.GrantControls.BuiltInControls[0] != "mfa" ||
		p.CreatedDateTime.IsZero() || !p.ModifiedDateTime.IsZero() {
		t.Errorf("%+v", p)
	}
	stored, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	p.Conditions.SignInRiskLevels, p.Conditions.Users.IncludeUsers = nil, nil // stored as nothing, which is what it says
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("a stored policy comes back changed (-want +got):\n%s", diff)
	}
}

func TestClientTypesThatAreLeftOutMeanAll(t *testing.T) {
	for document, want := range map[string][]ClientAppType{
		`{"conditions":{}}`:                      {AllClientApps},
		`{"conditions":{"clientAppTypes":null}}`: {AllClientApps},
		`{"conditions":{"clientAppTypes":[]}}`:   {},
	} {
		p, err := Decode([]byte(document))
		if err != nil || !cmp.Equal(p.Conditions.ClientAppTypes, want) {
			t.Errorf("%s: %q, %v, want %q", document, p.Conditions.ClientAppTypes, err, want)
		}
	}
}

func TestDecodeRefusesMembersByName(t *testing.T) {
	for _, tt := range []struct{ name, document, pointer string }{
		{"an unknown condition", `{"conditions":{"weather":["rain"]}}`, "/conditions/weather"},
		{"an unknown session control", `{"sessionControls":{"tokenBinding":{"isEnabled":true}}}`, "/sessionControls/tokenBinding"},
		{"device states", `{"conditions":{"deviceStates":{"includeStates":["All"]}}}`, "/conditions/deviceStates"},
		{"a mistyped member", `{"conditions":{"users":{"excludeUser":["x"]}}}`, "/conditions/users/excludeUser"},
		{"a name that needs escapes", `{"a/b~c":1}`, "/a~1b~0c"},
		{"one member twice in two cases", `{"state":"enabled","State":"disabled"}`, "/state"},
		{"no object", `[]`, ""},
		{"no JSON", `{`, ""},
		{"a value of another type", `{"conditions":{"users":{"includeUsers":"All"}}}`, "/conditions/users/includeUsers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.document))
			if found := problems(t, err); len(found) != 1 || found[0].Pointer != tt.pointer {
				t.Errorf("Decode = %v, want a problem at %q", err, tt.pointer)
			}
		})
	}
	_, err := Decode([]byte(`{"one":1,"conditions":{"two":2}}`))
	if found := problems(t, err); len(found) != 2 {
		t.Errorf("Decode = %v, want two problems", err)
	}
}

func TestNormaliseLeavesItsArgumentAlone(t *testing.T) {
	p := tokenProtection(grants("or", "MFA"), filter("EXCLUDE", "x"), platform([]Platform{"WINDOWS"}), users(Users{IncludeUsers: []string{"all"}}))
	before, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	n := Normalise(p)
	after, err := json.Marshal(p)
	if err != nil || string(before) != string(after) {
		t.Errorf("before %s\nafter  %s (%v)", before, after, err)
	}
	if n.Conditions.Users.IncludeUsers[0] != All || n.Conditions.Platforms.IncludePlatforms[0] != Windows || n.GrantControls.Operator != "OR" ||
		n.Conditions.Devices.DeviceFilter.Mode != FilterExcludes {
		t.Errorf("Normalise = %+v", n)
	}
}

// Policies that others have published decode; what is wrong with them is said and breaks nothing. The documents are not
// part of this repository: see BOUNDGATE_SAMPLES.
func TestPublishedPolicies(t *testing.T) {
	samples := os.Getenv("BOUNDGATE_SAMPLES")
	if samples == "" {
		samples = filepath.Join("..", "..", "..", "shared", "samples")
	}
	folder := filepath.Join(samples, "AlexFilipin_ConditionalAccess")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("left out: the published policies are not here; set BOUNDGATE_SAMPLES to the folder that holds them")
	}
	read := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		document, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		p, err := Decode(document)
		if err != nil {
			for _, problem := range problems(t, err) {
				if problem.Pointer == "" {
					t.Errorf("%s: %v", entry.Name(), problem)
				}
			}
			return nil
		}
		if p.DisplayName == "" || !slices.Contains(states, p.State) {
			t.Errorf("%s: %+v", entry.Name(), p)
		}
		for _, problem := range problems(t, Validate(p)) {
			if problem.Remedy == "" {
				t.Errorf("%s: %v has no remedy", entry.Name(), problem)
			}
		}
		return nil
	})
	if err != nil || read == 0 {
		t.Errorf("read %d policies: %v", read, err)
	}
}

// The reason of an override is read as clients write it; what it is for is the server's to say, whatever a client sends.
func TestDecodeReadsTheReasonOfAnOverride(t *testing.T) {
	for _, tt := range []struct {
		name, members string
		want          *Override
		pointers      []string
	}{
		{"none", ``, nil, nil},
		{"a reason", `"@boundgate.overrideReason":" Until May. ",`, &Override{Reason: "Until May."}, nil},
		{"null", `"@boundgate.overrideReason":null,`, nil, nil},
		{"an override with what it is for", `"@boundgate.override":{"reason":"x","findings":["a"]},`, nil, nil},
		{"in another case", `"@Boundgate.Override":{"reason":"x","findings":["a"]},`, nil, nil},
		{"beside a reason", `"@boundgate.override":{"reason":"x","findings":["a"]},"@boundgate.overrideReason":"y",`, &Override{Reason: "y"}, nil},
		{"what the server showed", `"@boundgate.warnings":[{"id":"x"}],"@boundgate.overriddenFindings":["x"],`, nil, nil},
		{"a blank reason", `"@boundgate.overrideReason":" ",`, nil, []string{"/@boundgate.overrideReason"}},
		{"a reason that is no text", `"@boundgate.overrideReason":{},`, nil, []string{"/@boundgate.overrideReason"}},
		{"another annotation", `"@boundgate.colour":"red",`, nil, []string{"/@boundgate.colour"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decode([]byte("{" + tt.members + strings.TrimSpace(sourcesPolicy)[1:]))
			if diff := cmp.Diff(tt.pointers, pointers(problems(t, err))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, p.Override); diff != "" {
				t.Errorf("override (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnenforceable(t *testing.T) { // decision 20
	for _, tt := range []struct {
		name     string
		policy   Policy
		names    []string
		hopeless bool
	}{
		{"no grant", tokenProtection(), []string{}, false},
		{"a second factor", everything(grants("OR", "mfa")), []string{}, false},
		{"block", everything(grants("OR", "block")), []string{}, false},
		{"an alternative", everything(grants("OR", "mfa", "approvedApplication")), []string{"RequireApprovedApp"}, false},
		{"no alternative", everything(grants("AND", "mfa", "approvedApplication")), []string{"RequireApprovedApp"}, true},
		{"alone", everything(grants("OR", "approvedApplication")), []string{"RequireApprovedApp"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names, hopeless := tt.policy.Unenforceable()
			if !slices.Equal(names, tt.names) || hopeless != tt.hopeless {
				t.Errorf("Unenforceable() = %v, %t, want %v, %t", names, hopeless, tt.names, tt.hopeless)
			}
		})
	}
}

// FuzzDecode holds reading to its promises: it never fails but with problems, and what it accepts survives storing.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(sourcesPolicy))
	f.Add([]byte(`{"conditions":{"users":{"includeUsers":["All"]}},"grantControls":{"builtInControls":["block"]}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := Decode(document)
		if err != nil {
			problems(t, err)
			return
		}
		stored, err := json.Marshal(p)
		if err != nil {
			return // a year that JSON has no form for
		}
		again, err := Decode(stored)
		if err != nil {
			t.Fatalf("%s\nis stored as %s\nwhich is refused: %v", document, stored, err)
		}
		if (Validate(p) == nil) != (Validate(again) == nil) {
			t.Fatalf("%s\nis stored as %s\nof which Validate says something else", document, stored)
		}
		if _, err := NewSet([]Policy{p}, nil); err != nil && Validate(p) == nil {
			t.Fatalf("%s\nis valid and cannot be evaluated: %v", document, err)
		}
	})
}
