// Package policytemplate holds the Conditional Access policies to begin with, and knows which of them a token protection
// policy needs beside itself.
//
// A template says what a policy is about and what it demands, not whom it is for: that is an Assignment, and Template.Policy
// puts the two together. Whatever a template gives is report-only. The companions (S48) close what token protection leaves
// open, as a policy for Windows says nothing of a request that claims to come from elsewhere.
//
// It is pure: package admin creates the policies.
package policytemplate

import (
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A Template is a policy without its people.
type Template struct {
	ID          string // a GUID that never changes; Microsoft's own where theirs is the same policy
	Key         string // what the command line calls it
	Name        string // of the policy
	Description string
	Scenarios   []Scenario
	// Details have the conditions and controls; of everything else they say nothing. The people in them are a suggestion.
	Details policy.Policy
	// ForPilot says that the template is for named people only: an Assignment must include some.
	ForPilot bool
	// Companion says that the policy belongs beside token protection (S48).
	Companion bool
}

// A Scenario is an occasion for a template, in Graph's spelling.
type Scenario string

// The scenarios.
const (
	NewScenario      Scenario = "new"
	SecureFoundation Scenario = "secureFoundation"
	ZeroTrust        Scenario = "zeroTrust"
	RemoteWork       Scenario = "remoteWork"
	ProtectAdmins    Scenario = "protectAdmins"
	EmergingThreats  Scenario = "emergingThreats"
)

// An Assignment says whom a policy is for. Lists are ids.
type Assignment struct {
	// DisplayName is the policy's; "" takes the template's.
	DisplayName string
	// IncludeUsers and IncludeGroups stand in place of whom the template suggests.
	IncludeUsers, IncludeGroups []string
	// ExcludeUsers and ExcludeGroups are left out: the emergency-access accounts before all others.
	ExcludeUsers, ExcludeGroups []string
}

// NobodyError refuses an Assignment that includes nobody where the template is for named people.
type NobodyError struct{ Template string }

// Error implements error.
func (e *NobodyError) Error() string {
	return fmt.Sprintf("policytemplate: %q is for people who are named, and nobody is", e.Template)
}

// Policy returns the policy for the people of an Assignment, report-only. It has no id yet.
func (t Template) Policy(a Assignment) (policy.Policy, error) {
	p := policy.Normalise(t.Details) // a copy
	p.TemplateID, p.DisplayName, p.State = t.ID, t.Name, policy.ReportOnly
	if a.DisplayName != "" {
		p.DisplayName = a.DisplayName
	}
	users := &p.Conditions.Users
	if len(a.IncludeUsers)+len(a.IncludeGroups) > 0 {
		users.IncludeUsers, users.IncludeGroups = slices.Clone(a.IncludeUsers), slices.Clone(a.IncludeGroups)
		users.IncludeRoles = nil
	} else if t.ForPilot {
		return policy.Policy{}, &NobodyError{t.Name}
	}
	users.ExcludeUsers = append(users.ExcludeUsers, a.ExcludeUsers...)
	users.ExcludeGroups = append(users.ExcludeGroups, a.ExcludeGroups...)
	return policy.Normalise(p), nil
}

// All returns the templates, those of token protection first.
func All() []Template { return slices.Clone(templates) }

// Find returns the template with an id, a key or a name, whatever its case.
func Find(key string) (Template, bool) {
	at := slices.IndexFunc(templates, func(t Template) bool {
		return strings.EqualFold(t.ID, key) || strings.EqualFold(t.Key, key) || strings.EqualFold(t.Name, key)
	})
	if at < 0 {
		return Template{}, false
	}
	return templates[at], true
}

// unsupportedDevices is the filter of the devices that can be told by label or profile and cannot comply (S24, S26).
const unsupportedDevices = `(device.systemLabels -contains "CloudPC" -or device.systemLabels -contains "AzureVirtualDesktop" -or ` +
	`device.systemLabels -contains "MicrosoftPowerAutomate" -or device.profileType -eq "SecureVM") -and device.trustType -eq "AzureAD"`

// knownPlatforms are those that the companions let in, on devices that are managed. Linux is not among them: an
// organisation that uses it takes it out of the one and puts it into the other.
var knownPlatforms = []policy.Platform{policy.Android, policy.IOS, policy.Windows, policy.MacOS}

var (
	everybody    = policy.Users{IncludeUsers: []string{policy.All}}
	nobody       = policy.Users{IncludeUsers: []string{policy.None}}
	everything   = policy.Applications{IncludeApplications: []string{policy.All}}
	everyClient  = []policy.ClientAppType{policy.AllClientApps}
	nativeClient = []policy.ClientAppType{policy.MobileAppsAndDesktopClients}
	office       = []string{string(directory.ExchangeOnline), string(directory.SharePointOnline), string(directory.TeamsServices)}
	windowsApp   = []string{string(directory.AzureVirtualDesktop), string(directory.Windows365), string(directory.WindowsCloudLogin)}
)

// administrators are the roles that change something.
var administrators = []string{
	string(directory.GlobalAdministrator), string(directory.ConditionalAccessAdministrator), string(directory.SecurityAdministrator),
	string(directory.UserAdministrator), string(directory.CloudDeviceAdministrator),
}

// tokenProtection is the policy as the deployment guide sets it up (S41 to S47): the resources that are meant, the platform
// Windows, native clients only.
func tokenProtection(resources []string) policy.Policy {
	return policy.Policy{
		Conditions: policy.Conditions{
			Users: nobody, Applications: policy.Applications{IncludeApplications: resources}, ClientAppTypes: nativeClient,
			Platforms: &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Windows}},
			Devices:   &policy.Devices{DeviceFilter: &policy.Filter{Mode: policy.FilterExcludes, Rule: unsupportedDevices}},
		},
		SessionControls: &policy.SessionControls{SecureSignInSession: &policy.Switch{IsEnabled: true}},
	}
}

// demanding is a policy that takes any one of the controls.
func demanding(c policy.Conditions, controls ...string) policy.Policy {
	return policy.Policy{Conditions: c, GrantControls: &policy.GrantControls{Operator: "OR", BuiltInControls: controls}}
}

var templates = []Template{
	{
		ID: "b0a6d9a7-7c53-4d0e-9a41-2f6a51b7c001", Key: "token-protection", Name: "TP01 - Token protection - Windows native apps",
		Description: "Lets native applications on Windows reach Exchange, SharePoint and Teams with device-bound sign-in sessions only. For a pilot group; leaves out devices that cannot comply.",
		Scenarios:   []Scenario{NewScenario, ZeroTrust, EmergingThreats}, ForPilot: true, Details: tokenProtection(office),
	},
	{
		ID: "b0a6d9a7-7c53-4d0e-9a41-2f6a51b7c002", Key: "token-protection-windows-app", Name: "TP02 - Token protection - Windows native apps and Windows App",
		Description: "As TP01, and for Azure Virtual Desktop, Windows 365 and Windows Cloud Login too: where Windows App is deployed.",
		Scenarios:   []Scenario{NewScenario, ZeroTrust, EmergingThreats}, ForPilot: true, Details: tokenProtection(slices.Concat(office, windowsApp)),
	},
	{
		ID: "b0a6d9a7-7c53-4d0e-9a41-2f6a51b7c003", Key: "block-unknown-platforms", Name: "CA05 - Block unknown or unsupported device platforms",
		Description: "Blocks requests that come from no known device platform. Token protection for Windows says nothing of a request that claims another platform; this policy does.",
		Scenarios:   []Scenario{ZeroTrust, EmergingThreats}, Companion: true,
		Details: demanding(policy.Conditions{Users: everybody, Applications: everything, ClientAppTypes: everyClient,
			Platforms: &policy.Platforms{IncludePlatforms: []policy.Platform{policy.AllPlatforms}, ExcludePlatforms: knownPlatforms}}, "block"),
	},
	{
		ID: "b0a6d9a7-7c53-4d0e-9a41-2f6a51b7c004", Key: "require-compliant-or-hybrid-joined-device", Name: "CA06 - Compliant or hybrid joined device on known platforms",
		Description: "Lets people in from the known platforms on a compliant or a hybrid joined device only, so that claiming another platform than Windows gains nothing.",
		Scenarios:   []Scenario{ZeroTrust, RemoteWork}, Companion: true,
		Details: demanding(policy.Conditions{Users: everybody, Applications: everything, ClientAppTypes: everyClient,
			Platforms: &policy.Platforms{IncludePlatforms: knownPlatforms}}, "compliantDevice", "domainJoinedDevice"),
	},
	{
		ID: "b0a6d9a7-7c53-4d0e-9a41-2f6a51b7c005", Key: "block-device-code", Name: "CA07 - Block device code flow",
		Description: "Blocks sign-ins by device code: whoever polls for the code may be whoever phished it.",
		Scenarios:   []Scenario{ZeroTrust, EmergingThreats},
		Details: demanding(policy.Conditions{Users: everybody, Applications: everything, ClientAppTypes: everyClient,
			AuthenticationFlows: &policy.AuthenticationFlows{TransferMethods: "deviceCodeFlow"}}, "block"),
	},
	{
		ID: "0b2282f9-2862-4178-88b5-d79340b36cb8", Key: "block-legacy-authentication", Name: "CA03 - Block legacy authentication",
		Description: "Blocks Exchange ActiveSync and the other clients that can neither be asked for a second factor nor bind a session.",
		Scenarios:   []Scenario{SecureFoundation, ZeroTrust, RemoteWork, ProtectAdmins},
		Details: demanding(policy.Conditions{Users: everybody, Applications: everything,
			ClientAppTypes: []policy.ClientAppType{policy.ExchangeActiveSync, policy.OtherClients}}, "block"),
	},
	{
		ID: "c7503427-338e-4c5e-902d-abe252abfb43", Key: "mfa-administrators", Name: "CA01 - Multifactor authentication for administrators",
		Description: "Asks whoever holds an administrative directory role for a second factor.",
		Scenarios:   []Scenario{SecureFoundation, ZeroTrust, RemoteWork, ProtectAdmins},
		Details: demanding(policy.Conditions{Users: policy.Users{IncludeRoles: administrators}, Applications: everything, ClientAppTypes: everyClient},
			"mfa"),
	},
	{
		ID: "a3d0a415-b068-4326-9251-f9cdf9feeb64", Key: "mfa-all-users", Name: "CA02 - Multifactor authentication for everybody",
		Description: "Asks everybody for a second factor.",
		Scenarios:   []Scenario{SecureFoundation, ZeroTrust, RemoteWork},
		Details:     demanding(policy.Conditions{Users: everybody, Applications: everything, ClientAppTypes: everyClient}, "mfa"),
	},
}
