package policy

import (
	"regexp"
	"slices"
	"strings"
)

// Normalise returns p in the one spelling that this package compares: ids in lower case, literals and enumerated values
// as Graph documents them, and a condition on client applications that was left out as all. Unknown values are left as
// they are, for Validate to name. The result shares nothing with p that either may change.
func Normalise(p Policy) Policy {
	c := &p.Conditions
	p.ID = strings.ToLower(p.ID)
	p.State = canonical(states, p.State)
	c.Applications.IncludeApplications = normalIDs(c.Applications.IncludeApplications, All, None, Office365, AdminPortals)
	c.Applications.ExcludeApplications = normalIDs(c.Applications.ExcludeApplications, Office365, AdminPortals)
	c.Users.IncludeUsers = normalIDs(c.Users.IncludeUsers, All, None, GuestsOrExternalUsers)
	c.Users.ExcludeUsers = normalIDs(c.Users.ExcludeUsers, GuestsOrExternalUsers)
	c.Users.IncludeGroups = normalIDs(c.Users.IncludeGroups)
	c.Users.ExcludeGroups = normalIDs(c.Users.ExcludeGroups)
	c.Users.IncludeRoles = normalIDs(c.Users.IncludeRoles)
	c.Users.ExcludeRoles = normalIDs(c.Users.ExcludeRoles)
	if c.ClientAppTypes == nil {
		c.ClientAppTypes = []ClientAppType{AllClientApps}
	}
	c.ClientAppTypes = canonicalAll(clientAppTypes, c.ClientAppTypes)
	if c.Platforms != nil {
		c.Platforms = &Platforms{canonicalAll(platforms, c.Platforms.IncludePlatforms), canonicalAll(platforms, c.Platforms.ExcludePlatforms)}
	}
	if c.Devices != nil && c.Devices.DeviceFilter != nil {
		devices := *c.Devices
		devices.DeviceFilter = &Filter{canonical(filterModes, c.Devices.DeviceFilter.Mode), c.Devices.DeviceFilter.Rule}
		c.Devices = &devices
	}
	c.Applications.IncludeUserActions = canonicalAll(userActions, c.Applications.IncludeUserActions)
	c.Applications.IncludeAuthenticationContextClassReferences = lowered(c.Applications.IncludeAuthenticationContextClassReferences)
	c.Users.IncludeGuestsOrExternalUsers = normalExternals(c.Users.IncludeGuestsOrExternalUsers)
	c.Users.ExcludeGuestsOrExternalUsers = normalExternals(c.Users.ExcludeGuestsOrExternalUsers)
	c.SignInRiskLevels = canonicalAll(riskLevels, c.SignInRiskLevels)
	c.UserRiskLevels = canonicalAll(riskLevels, c.UserRiskLevels)
	c.ServicePrincipalRiskLevels = canonicalAll(riskLevels, c.ServicePrincipalRiskLevels)
	c.InsiderRiskLevels = normalFlags(insiderLevels, c.InsiderRiskLevels)
	if c.AuthenticationFlows != nil {
		c.AuthenticationFlows = &AuthenticationFlows{strings.Join(canonicalAll(transferMethods, c.AuthenticationFlows.methods()), ",")}
	}
	c.Locations = normalLocations(c.Locations)
	c.ClientApplications = normalClients(c.ClientApplications)
	if p.GrantControls != nil {
		grant := *p.GrantControls
		grant.Operator = canonical(operators, grant.Operator)
		grant.BuiltInControls = canonicalAll(builtInControls(), grant.BuiltInControls)
		if s := grant.AuthenticationStrength; s != nil {
			grant.AuthenticationStrength = &AuthenticationStrength{strings.ToLower(strings.TrimSpace(s.ID)), s.DisplayName}
		}
		p.GrantControls = &grant
	}
	p.SessionControls = normalSession(p.SessionControls)
	return p
}

func normalLocations(l *Locations) *Locations {
	if l == nil || len(l.IncludeLocations)+len(l.ExcludeLocations) == 0 {
		return nil
	}
	return &Locations{normalIDs(l.IncludeLocations, All, AllTrusted), normalIDs(l.ExcludeLocations, All, AllTrusted)}
}

func normalClients(a *ClientApplications) *ClientApplications {
	if a == nil || !a.filled() {
		return nil
	}
	clients := *a
	clients.IncludeServicePrincipals = normalIDs(a.IncludeServicePrincipals, OwnServicePrincipals)
	clients.ExcludeServicePrincipals = normalIDs(a.ExcludeServicePrincipals, OwnServicePrincipals)
	return &clients
}

func normalExternals(e *ExternalUsers) *ExternalUsers {
	if e == nil || len(e.kinds()) == 0 {
		return nil // names nobody
	}
	out := &ExternalUsers{GuestOrExternalUserTypes: normalFlags(externalKinds, e.GuestOrExternalUserTypes)}
	if t := e.ExternalTenants; t != nil {
		out.ExternalTenants = &ExternalTenants{canonical(membershipKinds, t.MembershipKind), normalIDs(t.Members)}
	}
	return out
}

func normalSession(s *SessionControls) *SessionControls {
	if s == nil {
		return nil
	}
	out := *s
	if f := s.SignInFrequency; f != nil {
		frequency := *f
		frequency.Type = canonical(frequencyTypes, f.Type)
		frequency.FrequencyInterval = canonical(frequencyIntervals, f.FrequencyInterval)
		frequency.AuthenticationType = canonical(frequencyAuthentications, f.AuthenticationType)
		out.SignInFrequency = &frequency
	}
	if b := s.PersistentBrowser; b != nil {
		out.PersistentBrowser = &PersistentBrowser{b.IsEnabled, canonical(persistentModes, b.Mode)}
	}
	return &out
}

// normalFlags puts comma-separated flags in their documented case.
func normalFlags[T ~string](values []T, text string) string {
	var list []T
	for _, flag := range flags(text) {
		list = append(list, canonical(values, T(flag)))
	}
	return strings.ReplaceAll(join(list), ", ", ",")
}

func lowered(list []string) []string {
	list = slices.Clone(list)
	for i, s := range list {
		list[i] = strings.ToLower(strings.TrimSpace(s))
	}
	return list
}

// The enumerations, in Graph's spelling.
var (
	states          = []State{Enabled, Disabled, ReportOnly}
	clientAppTypes  = []ClientAppType{AllClientApps, Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, EASSupported, OtherClients}
	platforms       = []Platform{Android, IOS, Windows, WindowsPhone, MacOS, Linux, AllPlatforms}
	filterModes     = []string{FilterIncludes, FilterExcludes}
	transferMethods = []string{deviceCodeFlow, authenticationTransfer}
	operators       = []string{"AND", "OR"}
	userActions     = []string{string(RegisterSecurityInformation), string(RegisterDevice)}
	riskLevels      = []RiskLevel{RiskNone, RiskLow, RiskMedium, RiskHigh, RiskHidden}
	insiderLevels   = []InsiderRisk{InsiderMinor, InsiderModerate, InsiderElevated}
	externalKinds   = []ExternalKind{InternalGuest, CollaborationGuest, CollaborationMember, DirectConnectUser, OtherExternalUser, ServiceProvider}
	membershipKinds = []string{allTenants, enumeratedTenants}

	persistentModes          = []PersistentBrowserMode{PersistAlways, PersistNever}
	frequencyTypes           = []string{"days", "hours"}
	frequencyIntervals       = []string{timeBased, everyTime}
	frequencyAuthentications = []string{"primaryAndSecondaryAuthentication", secondaryAuthentication}
)

func builtInControls() []string {
	names := make([]string, len(grantControls))
	for i, c := range grantControls {
		names[i] = c.wire
	}
	return names
}

// methods returns the transfer methods that f is about.
func (f *AuthenticationFlows) methods() []string {
	if f == nil {
		return nil
	}
	return flags(f.TransferMethods)
}

// canonical returns the member of values that equals v but for case, or v.
func canonical[T ~string](values []T, v T) T {
	for _, value := range values {
		if strings.EqualFold(string(value), string(v)) {
			return value
		}
	}
	return v
}

func canonicalAll[T ~string](values, list []T) []T {
	list = slices.Clone(list)
	for i, v := range list {
		list[i] = canonical(values, v)
	}
	return list
}

// normalIDs puts GUIDs in lower case and literals in their documented case.
func normalIDs(ids []string, literals ...string) []string {
	ids = slices.Clone(ids)
	for i, id := range ids {
		if id = canonical(literals, strings.TrimSpace(id)); isGUID(id) {
			id = strings.ToLower(id)
		}
		ids[i] = id
	}
	return ids
}

var guidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isGUID(s string) bool { return guidPattern.MatchString(s) }
