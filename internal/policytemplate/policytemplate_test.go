package policytemplate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"boundgate/internal/policy"
	"boundgate/internal/policytemplate"

	"github.com/google/uuid"
)

const (
	pilot      = "11111111-1111-4111-8111-111111111111"
	breakGlass = "22222222-2222-4222-8222-222222222222"
)

func find(t *testing.T, key string) policytemplate.Template {
	t.Helper()
	tmpl, ok := policytemplate.Find(key)
	if !ok {
		t.Fatalf("there is no template %q", key)
	}
	return tmpl
}

// Every template gives a policy that can be stored, is report-only and names where it came from.
func TestEveryTemplateGivesAReportOnlyPolicy(t *testing.T) { // S47
	seen := map[string]bool{}
	for _, tmpl := range policytemplate.All() {
		p, err := tmpl.Policy(policytemplate.Assignment{IncludeGroups: []string{pilot}, ExcludeGroups: []string{breakGlass}})
		if err != nil {
			t.Errorf("%s: %v", tmpl.Key, err)
			continue
		}
		if err := policy.Validate(p); err != nil {
			t.Errorf("%s: %v", tmpl.Key, err)
		}
		if p.State != policy.ReportOnly || p.TemplateID != tmpl.ID || !slices.Equal(p.Conditions.Users.ExcludeGroups, []string{breakGlass}) ||
			!slices.Equal(p.Conditions.Users.IncludeGroups, []string{pilot}) || p.Conditions.Users.IncludeUsers != nil {
			t.Errorf("%s gives %+v", tmpl.Key, p)
		}
		if _, err := uuid.Parse(tmpl.ID); err != nil || seen[tmpl.ID] || seen[tmpl.Key] || tmpl.Description == "" || len(tmpl.Scenarios) == 0 {
			t.Errorf("%s: id %s, description %q, scenarios %v", tmpl.Key, tmpl.ID, tmpl.Description, tmpl.Scenarios)
		}
		seen[tmpl.ID], seen[tmpl.Key] = true, true
	}
}

// A template is a value of its own: what a policy made from it becomes does not change the next one.
func TestPoliciesOfATemplateShareNothing(t *testing.T) {
	tmpl := find(t, "block-unknown-platforms")
	first, err := tmpl.Policy(policytemplate.Assignment{ExcludeGroups: []string{breakGlass}})
	if err != nil {
		t.Fatal(err)
	}
	first.Conditions.Platforms.ExcludePlatforms[0] = policy.Linux
	second, err := tmpl.Policy(policytemplate.Assignment{})
	if err != nil || second.Conditions.Platforms.ExcludePlatforms[0] != policy.Android || len(second.Conditions.Users.ExcludeGroups) != 0 {
		t.Errorf("the second policy is %+v, %v", second, err)
	}
}

func TestTokenProtectionIsForNamedPeople(t *testing.T) { // S41 S42 S43 S44
	tmpl := find(t, "Token-Protection")
	var nobody *policytemplate.NobodyError
	if _, err := tmpl.Policy(policytemplate.Assignment{ExcludeGroups: []string{breakGlass}}); !errors.As(err, &nobody) {
		t.Errorf("for nobody: %v", err)
	}
	p, err := tmpl.Policy(policytemplate.Assignment{DisplayName: "試験", IncludeGroups: []string{pilot}})
	if err != nil || !p.RequiresTokenProtection() || p.DisplayName != "試験" || slices.Contains(p.Conditions.Applications.IncludeApplications, policy.All) ||
		!slices.Equal(p.Conditions.Platforms.IncludePlatforms, []policy.Platform{policy.Windows}) {
		t.Errorf("the policy is %+v, %v", p, err)
	}
	with := find(t, "token-protection-windows-app").Details.Conditions.Applications.IncludeApplications
	if len(with) != len(p.Conditions.Applications.IncludeApplications)+3 {
		t.Errorf("with Windows App: %v", with)
	}
}

// The companions leave no platform without a word: whatever one of them does not block, the other wants managed. // S48
func TestCompanionsCoverEveryPlatform(t *testing.T) {
	block, managed := find(t, "block-unknown-platforms").Details, find(t, "require-compliant-or-hybrid-joined-device").Details
	for _, platform := range []policy.Platform{policy.Android, policy.IOS, policy.Windows, policy.MacOS, policy.Linux, policy.WindowsPhone} {
		blocked := !slices.Contains(block.Conditions.Platforms.ExcludePlatforms, platform)
		wanted := slices.Contains(managed.Conditions.Platforms.IncludePlatforms, platform)
		if blocked == wanted {
			t.Errorf("%s: blocked %t, on managed devices %t", platform, blocked, wanted)
		}
	}
}

func TestWhatStandsInForACompanion(t *testing.T) { // S48
	block := func(change func(p *policy.Policy)) []policy.Policy {
		p, err := find(t, "block-unknown-platforms").Policy(policytemplate.Assignment{ExcludeGroups: []string{breakGlass}})
		if err != nil {
			t.Fatal(err)
		}
		p.TemplateID = "" // somebody's own
		change(&p)
		return []policy.Policy{p}
	}
	managed := func(operator string, controls ...string) []policy.Policy {
		return []policy.Policy{{State: policy.Enabled, Conditions: policy.Conditions{Users: policy.Users{IncludeUsers: []string{policy.All}},
			Applications: policy.Applications{IncludeApplications: []string{policy.All}}},
			GrantControls: &policy.GrantControls{Operator: operator, BuiltInControls: controls}}}
	}
	const unknown, devices = "block-unknown-platforms", "require-compliant-or-hybrid-joined-device"
	for _, tt := range []struct {
		name     string
		policies []policy.Policy
		missing  []string
	}{
		{"with no policies both are missing", nil, []string{unknown, devices}},
		{"one's own policy that blocks as much is enough", block(func(*policy.Policy) {}), []string{devices}},
		{"one that lets Linux in too is the organisation's choice", block(func(p *policy.Policy) {
			p.Conditions.Platforms.ExcludePlatforms = append(p.Conditions.Platforms.ExcludePlatforms, policy.Linux)
		}), []string{devices}},
		{"one that is off blocks nothing", block(func(p *policy.Policy) { p.State = policy.Disabled }), []string{unknown, devices}},
		{"one that was made from the template and switched off is not made again", block(func(p *policy.Policy) {
			p.State, p.TemplateID = policy.Disabled, find(t, unknown).ID
		}), []string{devices}},
		{"one for a pilot group is not for everybody", block(func(p *policy.Policy) {
			p.Conditions.Users.IncludeUsers, p.Conditions.Users.IncludeGroups = nil, []string{pilot}
		}), []string{unknown, devices}},
		{"one that leaves an application out has a hole", block(func(p *policy.Policy) {
			p.Conditions.Applications.ExcludeApplications = []string{policy.Office365}
		}), []string{unknown, devices}},
		{"one for browsers leaves native clients alone", block(func(p *policy.Policy) {
			p.Conditions.ClientAppTypes = []policy.ClientAppType{policy.Browser}
		}), []string{unknown, devices}},
		{"one with a device filter leaves devices out", block(func(p *policy.Policy) {
			p.Conditions.Devices = &policy.Devices{DeviceFilter: &policy.Filter{Mode: "exclude", Rule: `device.isCompliant -eq True`}}
		}), []string{unknown, devices}},
		{"managed devices on every platform are enough", managed("OR", "compliantDevice", "domainJoinedDevice"), []string{unknown}},
		{"a compliant device and a second factor are enough", managed("AND", "compliantDevice", "mfa"), []string{unknown}},
		{"a second factor in place of a managed device is not", managed("OR", "compliantDevice", "mfa"), []string{unknown, devices}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var missing []string
			for _, c := range policytemplate.Companions(tt.policies) {
				if c.Missing() {
					missing = append(missing, c.Template.Key)
				}
			}
			if !slices.Equal(missing, tt.missing) {
				t.Errorf("missing are %v, want %v", strings.Join(missing, ", "), tt.missing)
			}
		})
	}
}

// What is in force comes before what only reports.
func TestCompanionsInForceComeFirst(t *testing.T) {
	tmpl := find(t, "require-compliant-or-hybrid-joined-device")
	var policies []policy.Policy
	for _, state := range []policy.State{policy.Disabled, policy.ReportOnly, policy.Enabled} {
		p := tmpl.Details
		p.TemplateID, p.State = tmpl.ID, state
		policies = append(policies, p)
	}
	got := policytemplate.Companions(policies)[1].Policies
	if len(got) != 3 || got[0].State != policy.Enabled || got[2].State != policy.Disabled {
		t.Errorf("the policies are %+v", got)
	}
}
