package policy

import (
	"reflect"
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
	if c.AuthenticationFlows != nil {
		c.AuthenticationFlows = &AuthenticationFlows{strings.Join(canonicalAll(transferMethods, c.AuthenticationFlows.methods()), ",")}
	}
	if l := c.Locations; l != nil && len(l.IncludeLocations)+len(l.ExcludeLocations) == 0 {
		c.Locations = nil
	}
	if a := c.ClientApplications; a != nil && reflect.ValueOf(*a).IsZero() {
		c.ClientApplications = nil
	}
	if p.GrantControls != nil {
		grant := *p.GrantControls
		grant.Operator = canonical(operators, grant.Operator)
		grant.BuiltInControls = canonicalAll(builtInControls(), grant.BuiltInControls)
		p.GrantControls = &grant
	}
	return p
}

// The enumerations, in Graph's spelling.
var (
	states          = []State{Enabled, Disabled, ReportOnly}
	clientAppTypes  = []ClientAppType{AllClientApps, Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, EASSupported, OtherClients}
	platforms       = []Platform{Android, IOS, Windows, WindowsPhone, MacOS, Linux, AllPlatforms}
	filterModes     = []string{FilterIncludes, FilterExcludes}
	transferMethods = []string{deviceCodeFlow, authenticationTransfer}
	operators       = []string{"AND", "OR"}
)

func builtInControls() []string {
	names := make([]string, len(grantControls))
	for i, c := range grantControls {
		names[i] = c.wire
	}
	return names
}

// methods splits the comma-separated flags; none and "" are no flags.
func (f *AuthenticationFlows) methods() []string {
	if f == nil {
		return nil
	}
	var methods []string
	for _, m := range strings.Split(f.TransferMethods, ",") {
		if m = strings.TrimSpace(m); m != "" && !strings.EqualFold(m, noTransfer) {
			methods = append(methods, m)
		}
	}
	return methods
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
