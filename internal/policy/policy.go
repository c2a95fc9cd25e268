// Package policy is Conditional Access: what a policy says, whether it may say so, and what a set of policies decides
// about one sign-in.
//
// It is pure. Facts go in, a Verdict comes out, and the same facts give the same verdict in the live decision, a what-if,
// a replay of the log and a forecast (P18). Report-only and enforced policies go through one function and differ in the
// label of the result alone (P09).
//
// The steps of a decision, in the order of the files:
//
//	binding.go    Judge: is the sign-in session bound to its device, and if not, why (signInSessionStatusCode)
//	platform.go   PlatformOf: which platform does the request come from, as far as anyone can know
//	set.go        NewSet: policies, compiled and indexed for quick matching
//	evaluate.go   Decide and Evaluate: which policies apply, what they demand, what is unmet
//	report.go     what the sign-in log says of each policy
//
// policy.go, decode.go and validate.go hold the policies themselves: the document, reading it, and refusing it.
//
// What a policy does not clearly leave out is in scope (P07): an unknown platform, client type, resource or transfer
// method satisfies whatever a policy includes and nothing that it excludes.
package policy

import (
	"slices"
	"time"
)

// A Policy is a Conditional Access policy. Its JSON form is Microsoft Graph's conditionalAccessPolicy, which is also how
// it is stored; members that this package does not evaluate are kept, and Validate says which of them it refuses.
type Policy struct {
	ID          string `json:"id,omitempty"` // lower-case GUID, given by the server
	DisplayName string `json:"displayName"`
	Description string `json:"description,omitempty"`
	TemplateID  string `json:"templateId,omitempty"`
	// CreatedDateTime and ModifiedDateTime are set by the server; the latter is zero until the first change.
	CreatedDateTime  time.Time  `json:"createdDateTime,omitzero"`
	ModifiedDateTime time.Time  `json:"modifiedDateTime,omitzero"`
	State            State      `json:"state"`
	Conditions       Conditions `json:"conditions"`
	// GrantControls and SessionControls are nil where the policy has none.
	GrantControls   *GrantControls   `json:"grantControls"`
	SessionControls *SessionControls `json:"sessionControls"`
	// Override is why the policy may be On although something is wrong with it; nil for no reason given.
	Override *Override `json:"@boundgate.override,omitempty"`
}

// An Override is an administrator's reason to set a policy On although the linter advises against it.
type Override struct {
	Reason string `json:"reason"`
	// Findings are the ids of the linter's findings that the reason was given for. Those that come later are not among
	// them. nil: the reason has just been given, for whatever there is to find.
	Findings []string `json:"findings"`
}

// A Revision is what a policy was from one change to the next.
type Revision struct {
	Version   uint64 // the tenant's number of the change
	ChangedAt time.Time
	Policy    *Policy // nil: the policy was deleted
}

// RequiresTokenProtection reports whether the policy's session control asks for a bound sign-in session (S46).
func (p Policy) RequiresTokenProtection() bool {
	return p.SessionControls != nil && p.SessionControls.SecureSignInSession.on()
}

// A State says whether a policy is in force, in Graph's spelling.
type State string

// The states (S47).
const (
	Enabled    State = "enabled"
	Disabled   State = "disabled"
	ReportOnly State = "enabledForReportingButNotEnforced"
)

// Conditions say which sign-ins a policy is about. All of them must hold.
type Conditions struct {
	Applications Applications `json:"applications"`
	Users        Users        `json:"users"`
	// ClientAppTypes is nil where it was not given, which means all.
	ClientAppTypes      []ClientAppType      `json:"clientAppTypes"`
	Platforms           *Platforms           `json:"platforms,omitempty"`
	Devices             *Devices             `json:"devices,omitempty"`
	AuthenticationFlows *AuthenticationFlows `json:"authenticationFlows,omitempty"`
	Locations           *Locations           `json:"locations,omitempty"`
	// ClientApplications make the policy one for workload identities, and for nobody else.
	ClientApplications *ClientApplications `json:"clientApplications,omitempty"`

	// Risk is not measured here: a policy that is about it can be off or report-only. InsiderRiskLevels are comma-separated.
	SignInRiskLevels           []RiskLevel `json:"signInRiskLevels,omitempty"`
	UserRiskLevels             []RiskLevel `json:"userRiskLevels,omitempty"`
	ServicePrincipalRiskLevels []RiskLevel `json:"servicePrincipalRiskLevels,omitempty"`
	InsiderRiskLevels          string      `json:"insiderRiskLevels,omitempty"`

	// Not evaluated: a policy that fills it is refused.
	AgentIDRiskLevels string `json:"agentIdRiskLevels,omitempty"`
}

// Literals that stand for many objects.
const (
	All                   = "All"
	None                  = "None"
	Office365             = "Office365"             // the Office 365 group of applications
	GuestsOrExternalUsers = "GuestsOrExternalUsers" // every guest
	// AdminPortals stands for the administration of this server: everything that its command line and its admin centre ask
	// for, and Azure's own management.
	AdminPortals = "MicrosoftAdminPortals"
	// OwnServicePrincipals stands for every application of the tenant that asks for itself.
	OwnServicePrincipals = "ServicePrincipalsInMyTenant"

	AllPlatforms  = Platform("all")
	AllClientApps = ClientAppType("all")
	EASSupported  = ClientAppType("easSupported") // Exchange ActiveSync on supported platforms
)

// The modes of a filter.
const (
	FilterIncludes = "include"
	FilterExcludes = "exclude"
)

// The transfer methods.
const (
	noTransfer             = "none"
	deviceCodeFlow         = "deviceCodeFlow"
	authenticationTransfer = "authenticationTransfer"
)

// Further values of policies.
const (
	allTenants              = "all"
	enumeratedTenants       = "enumerated"
	timeBased               = "timeBased"
	everyTime               = "everyTime"
	secondaryAuthentication = "secondaryAuthentication"
)

// Applications are what a policy is about: resources (application ids, or All, None, Office365 or AdminPortals), or user
// actions, or authentication contexts (c1 to c99).
type Applications struct {
	IncludeApplications []string `json:"includeApplications,omitempty"`
	ExcludeApplications []string `json:"excludeApplications,omitempty"`

	IncludeUserActions                          []string `json:"includeUserActions,omitempty"`
	IncludeAuthenticationContextClassReferences []string `json:"includeAuthenticationContextClassReferences,omitempty"`

	// Not evaluated: a policy that has it is refused.
	ApplicationFilter *Filter `json:"applicationFilter,omitempty"`
}

// Users are the people that a policy is about. Whoever is excluded is out, whatever includes them.
type Users struct {
	IncludeUsers  []string `json:"includeUsers,omitempty"` // ids, or All, None or GuestsOrExternalUsers
	ExcludeUsers  []string `json:"excludeUsers,omitempty"` // ids, or GuestsOrExternalUsers
	IncludeGroups []string `json:"includeGroups,omitempty"`
	ExcludeGroups []string `json:"excludeGroups,omitempty"`
	IncludeRoles  []string `json:"includeRoles,omitempty"` // role template ids
	ExcludeRoles  []string `json:"excludeRoles,omitempty"`

	IncludeGuestsOrExternalUsers *ExternalUsers `json:"includeGuestsOrExternalUsers,omitempty"`
	ExcludeGuestsOrExternalUsers *ExternalUsers `json:"excludeGuestsOrExternalUsers,omitempty"`
}

// ExternalUsers are guests by kind and home tenant.
type ExternalUsers struct {
	GuestOrExternalUserTypes string           `json:"guestOrExternalUserTypes"` // comma-separated ExternalKinds
	ExternalTenants          *ExternalTenants `json:"externalTenants,omitempty"`
}

// ExternalTenants are all tenants, or those enumerated.
type ExternalTenants struct {
	MembershipKind string   `json:"membershipKind"`
	Members        []string `json:"members,omitempty"`
}

// Platforms are the device platforms that a policy is about.
type Platforms struct {
	IncludePlatforms []Platform `json:"includePlatforms"`
	ExcludePlatforms []Platform `json:"excludePlatforms,omitempty"`
}

// Devices narrow a policy to devices, or keep devices out of it.
type Devices struct {
	DeviceFilter *Filter `json:"deviceFilter,omitempty"`

	// Withdrawn by Microsoft, and not evaluated.
	IncludeDevices []string `json:"includeDevices,omitempty"`
	ExcludeDevices []string `json:"excludeDevices,omitempty"`
}

// A Filter is a rule and what a match means: include or exclude.
type Filter struct {
	Mode string `json:"mode"`
	Rule string `json:"rule"`
}

// AuthenticationFlows are the ways by which a session came to its client, comma-separated: deviceCodeFlow,
// authenticationTransfer.
type AuthenticationFlows struct {
	TransferMethods string `json:"transferMethods"`
}

// Locations are the named locations that a policy is about: ids, or All or AllTrusted.
type Locations struct {
	IncludeLocations []string `json:"includeLocations,omitempty"`
	ExcludeLocations []string `json:"excludeLocations,omitempty"`
}

// Named returns the ids of the named locations that the policy rests on, and not those that stand for others.
func (l *Locations) Named() []string {
	if l == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Concat(l.IncludeLocations, l.ExcludeLocations), func(id string) bool {
		return id == All || id == AllTrusted || id == MFATrustedIPs
	})
}

// ClientApplications are workload identities: ids of service principals, or OwnServicePrincipals.
type ClientApplications struct {
	IncludeServicePrincipals []string `json:"includeServicePrincipals,omitempty"`
	ExcludeServicePrincipals []string `json:"excludeServicePrincipals,omitempty"`

	// Not evaluated: a policy that has one of these is refused.
	ServicePrincipalFilter          *Filter  `json:"servicePrincipalFilter,omitempty"`
	IncludeAgentIDServicePrincipals []string `json:"includeAgentIdServicePrincipals,omitempty"`
	ExcludeAgentIDServicePrincipals []string `json:"excludeAgentIdServicePrincipals,omitempty"`
	AgentIDServicePrincipalFilter   *Filter  `json:"agentIdServicePrincipalFilter,omitempty"`
}

// filled reports whether a says anything.
func (a *ClientApplications) filled() bool {
	return len(a.IncludeServicePrincipals)+len(a.ExcludeServicePrincipals)+len(a.IncludeAgentIDServicePrincipals)+
		len(a.ExcludeAgentIDServicePrincipals) > 0 || a.ServicePrincipalFilter != nil || a.AgentIDServicePrincipalFilter != nil
}

// GrantControls are what must hold before access is granted.
type GrantControls struct {
	Operator                    string                  `json:"operator"` // AND or OR
	BuiltInControls             []string                `json:"builtInControls"`
	CustomAuthenticationFactors []string                `json:"customAuthenticationFactors,omitempty"`
	TermsOfUse                  []string                `json:"termsOfUse,omitempty"`
	AuthenticationStrength      *AuthenticationStrength `json:"authenticationStrength,omitempty"`
}

// AuthenticationStrength refers to a strength by its id.
type AuthenticationStrength struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName,omitempty"`
}

// SessionControls limit the session. This server enforces SecureSignInSession, SignInFrequency and PersistentBrowser; it
// keeps the others and reports them as not enforced.
type SessionControls struct {
	SecureSignInSession                *Switch              `json:"secureSignInSession,omitempty"`
	ApplicationEnforcedRestrictions    *Switch              `json:"applicationEnforcedRestrictions,omitempty"`
	CloudAppSecurity                   *CloudAppSecurity    `json:"cloudAppSecurity,omitempty"`
	DisableResilienceDefaults          *bool                `json:"disableResilienceDefaults,omitempty"`
	PersistentBrowser                  *PersistentBrowser   `json:"persistentBrowser,omitempty"`
	SignInFrequency                    *SignInFrequency     `json:"signInFrequency,omitempty"`
	ContinuousAccessEvaluation         *ContinuousAccess    `json:"continuousAccessEvaluation,omitempty"`
	GlobalSecureAccessFilteringProfile *GlobalSecureProfile `json:"globalSecureAccessFilteringProfile,omitempty"`
}

// A Switch is a control without parameters.
type Switch struct {
	IsEnabled bool `json:"isEnabled"`
}

func (s *Switch) on() bool { return s != nil && s.IsEnabled }

// CloudAppSecurity routes sessions through Defender for Cloud Apps.
type CloudAppSecurity struct {
	IsEnabled            bool   `json:"isEnabled"`
	CloudAppSecurityType string `json:"cloudAppSecurityType,omitempty"`
}

// PersistentBrowser says whether browser sessions outlive the browser.
type PersistentBrowser struct {
	IsEnabled bool                  `json:"isEnabled"`
	Mode      PersistentBrowserMode `json:"mode,omitempty"`
}

// SignInFrequency says how often people sign in again.
type SignInFrequency struct {
	IsEnabled          bool   `json:"isEnabled"`
	Value              *int   `json:"value,omitempty"`
	Type               string `json:"type,omitempty"`
	FrequencyInterval  string `json:"frequencyInterval,omitempty"`
	AuthenticationType string `json:"authenticationType,omitempty"`
}

// ContinuousAccess customises continuous access evaluation.
type ContinuousAccess struct {
	Mode string `json:"mode"`
}

// GlobalSecureProfile names a filtering profile of Global Secure Access.
type GlobalSecureProfile struct {
	IsEnabled bool   `json:"isEnabled"`
	ProfileID string `json:"profileId,omitempty"`
}
