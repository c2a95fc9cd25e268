package policylint

import (
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// Pointers of the members that rules look at.
const (
	includeApps      = "/conditions/applications/includeApplications"
	excludeApps      = "/conditions/applications/excludeApplications"
	clientAppTypes   = "/conditions/clientAppTypes"
	platforms        = "/conditions/platforms"
	includePlatforms = "/conditions/platforms/includePlatforms"
	users            = "/conditions/users"
	includeUsers     = "/conditions/users/includeUsers"
	deviceFilterRule = "/conditions/devices/deviceFilter/rule"
	grantControls    = "/grantControls"
	sessionControls  = "/sessionControls"
	state            = "/state"
)

// guideResources are those that the guide selects for the Office applications, windowsApp those that Windows App needs.
var (
	guideResources = []string{string(directory.ExchangeOnline), string(directory.SharePointOnline), string(directory.TeamsServices)}
	windowsApp     = []string{string(directory.AzureVirtualDesktop), string(directory.Windows365), string(directory.WindowsCloudLogin)}
	nativeClients  = []policy.ClientAppType{policy.MobileAppsAndDesktopClients}
)

// protectionRules are about what a token protection policy says.
var protectionRules = []rule{
	{"office365Selected", "J-01", Error, true, "Select Exchange Online, SharePoint Online and Microsoft Teams Services by themselves.", protection(lookOffice365)},
	{"allResourcesSelected", "J-02", Error, false, "Select only the resources that support token protection.", protection(lookAllResources)},
	{"unsupportedResource", "J-03", Error, false, "Take the resource out, or make a policy of its own for it.", protection(lookUnsupported)},
	{"teamsNotSelected", "J-04", Warning, false, "Select Microsoft Teams Services too.", protection(lookTeams)},
	{"windowsAppIncomplete", "J-05", Warning, false, "Select Azure Virtual Desktop, Windows 365 and Windows Cloud Login together.", protection(lookWindowsApp)},
	{"clientAppsNotRestricted", "J-06", Error, true, "Set clientAppTypes to mobileAppsAndDesktopClients only.", protection(lookClientApps)},
	{"otherClientsSelected", "J-07", Error, false, "Set clientAppTypes to mobileAppsAndDesktopClients only, and block legacy authentication with a policy of its own.", protection(lookOtherClients)},
	{"platformsNotRestricted", "J-08", Error, false, "Include only the platform windows, and cover the others with companion policies.", protection(lookAllPlatforms)},
	{"otherPlatformsSelected", "J-09", Error, false, "Include only the platform windows, and cover the others with companion policies.", protection(lookOtherPlatforms)},
	{"noEmergencyExclusion", "J-10", Error, true, "Exclude the emergency-access accounts, or a group that holds them.", protection(lookEmergency)},
	{"guestsInScope", "J-23", Warning, false, "Exclude guests, or ask their organisations whether their devices are registered with fresh credentials.", protection(lookGuests)},
	{"blockWithTokenProtection", "J-25", Warning, false, "Make two policies: one that blocks, and one that requires token protection.", protection(lookBlock)},
	{"otherSessionControls", "J-25", Warning, false, "Put the other session controls into a policy of their own.", protection(lookOtherControls)},
	{"narrowedByConditions", "J-28", Info, false, "Remove the condition, unless another policy covers what it leaves out.", protection(lookNarrowed)},
	{"workloadsTargeted", "J-30", Warning, false, "Remove the session control: applications have no sign-in session that could be bound.", protection(lookWorkloads)},
}

// lookOffice365 finds S43's exception to the usual advice.
func lookOffice365(d *draft) []sighting {
	if !slices.Contains(d.Conditions.Applications.IncludeApplications, policy.Office365) {
		return nil
	}
	found := at(includeApps, "The policy selects the Office 365 group of applications, which may cause unintended failures with token protection.")
	return mendedBy(found, func(p *policy.Policy) {
		a := &p.Conditions.Applications
		named := without(a.IncludeApplications, []string{policy.Office365})
		a.IncludeApplications = append(named, without(guideResources, slices.Concat(named, a.ExcludeApplications))...)
	})
}

func lookAllResources(d *draft) []sighting {
	if !slices.Contains(d.Conditions.Applications.IncludeApplications, policy.All) {
		return nil
	}
	found := at(includeApps, "The policy selects all resources; most of them do not support token protection, and clients of theirs would be blocked.")
	return mendedBy(found, func(p *policy.Policy) {
		a := &p.Conditions.Applications
		a.IncludeApplications, a.ExcludeApplications = without(guideResources, a.ExcludeApplications), nil
	})
}

// lookUnsupported finds resources outside S14 that are not the organisation's own, and user actions, which come before there is
// a session to be bound.
func lookUnsupported(d *draft) []sighting {
	a := d.Conditions.Applications
	if len(a.IncludeUserActions) > 0 {
		return at("/conditions/applications/includeUserActions", "Who registers a device or a second factor has no session that is bound to a device yet: nobody could.")
	}
	foreign := map[string]string{policy.AdminPortals: policy.AdminPortals}
	for _, r := range d.resources() {
		if r.BuiltIn && !r.Supported {
			foreign[string(r.AppID)] = r.DisplayName
		}
	}
	var indices []int
	var found, names []string
	for i, id := range a.IncludeApplications {
		if name, unsupported := foreign[id]; unsupported {
			indices, found, names = append(indices, i), append(found, id), append(names, name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return mendedBy(at(pointerInto(includeApps, indices), "Token protection is not supported for %s: clients that ask for it would be blocked.", some(names)), func(p *policy.Policy) {
		p.Conditions.Applications.IncludeApplications = without(p.Conditions.Applications.IncludeApplications, found)
	})
}

func lookTeams(d *draft) []sighting {
	selected := d.Conditions.Applications.IncludeApplications
	if len(common(guideResources[:2], selected)) != 2 || slices.Contains(selected, guideResources[2]) || slices.Contains(selected, policy.Office365) {
		return nil
	}
	found := at(includeApps, "The policy selects Exchange and SharePoint and leaves Microsoft Teams Services out, whose tokens reach the same mail and files.")
	return mendedBy(found, selecting(guideResources[2:]))
}

// selecting returns the mending that selects resources and stops excluding them.
func selecting(ids []string) func(*policy.Policy) {
	return func(p *policy.Policy) {
		a := &p.Conditions.Applications
		a.IncludeApplications = append(a.IncludeApplications, without(ids, a.IncludeApplications)...)
		a.ExcludeApplications = without(a.ExcludeApplications, ids)
	}
}

func lookWindowsApp(d *draft) []sighting {
	missing := without(windowsApp, d.Conditions.Applications.IncludeApplications)
	if len(missing) == 0 || len(missing) == len(windowsApp) {
		return nil
	}
	var names []string
	for _, r := range directory.WellKnownResources() {
		if slices.Contains(missing, string(r.AppID)) {
			names = append(names, r.DisplayName)
		}
	}
	found := at(includeApps, "Windows App signs in to three resources together; the policy leaves %s out.", strings.Join(names, " and "))
	return mendedBy(found, selecting(missing))
}

func restrictToNative(p *policy.Policy) { p.Conditions.ClientAppTypes = slices.Clone(nativeClients) }

// lookClientApps finds that browsers are in the policy's scope (S45).
func lookClientApps(d *draft) []sighting {
	types := d.Conditions.ClientAppTypes
	switch {
	case slices.Contains(types, policy.Browser):
		return mendedBy(at(clientAppTypes, "The policy is about browsers too: applications in them, such as Teams on the web, would be blocked."), restrictToNative)
	case len(types) == 0 || slices.Contains(types, policy.AllClientApps):
		return mendedBy(at(clientAppTypes, "The policy is about all client applications: those in browsers, such as Teams on the web, would be blocked."), restrictToNative)
	}
	return nil
}

func lookOtherClients(d *draft) []sighting {
	others := common(d.Conditions.ClientAppTypes, []policy.ClientAppType{policy.ExchangeActiveSync, policy.EASSupported, policy.OtherClients})
	if len(others) == 0 {
		return nil
	}
	found := at(clientAppTypes, "The policy is about %s: such clients have no sign-in session that could be bound, and would be blocked.", joined(others))
	return mendedBy(found, restrictToNative)
}

func restrictToWindows(p *policy.Policy) {
	p.Conditions.Platforms = &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Windows}}
}

func lookAllPlatforms(d *draft) []sighting {
	if p := d.Conditions.Platforms; p != nil && !slices.Contains(p.IncludePlatforms, policy.AllPlatforms) {
		return nil
	}
	return mendedBy(at(platforms, "The policy is not limited to Windows; sign-ins from other platforms cannot be bound and would be blocked."), restrictToWindows)
}

func lookOtherPlatforms(d *draft) []sighting {
	if d.Conditions.Platforms == nil {
		return nil
	}
	others := without(d.Conditions.Platforms.IncludePlatforms, []policy.Platform{policy.Windows, policy.AllPlatforms})
	if len(others) == 0 {
		return nil
	}
	found := at(includePlatforms, "The policy is about %s: sign-ins from there cannot be bound and would be blocked.", joined(others))
	return mendedBy(found, restrictToWindows)
}

// lookEmergency finds emergency-access accounts in scope (S42), or that nobody is excluded at all.
func lookEmergency(d *draft) []sighting {
	caught := d.caught()
	switch {
	case d.Conditions.ClientApplications != nil:
		return nil
	case !d.excludesSomebody():
		return mendedBy(at(users, "The policy excludes nobody: if it goes wrong, no account is left that can mend it."), d.excludeEmergency)
	case len(caught) > 0:
		return mendedBy(at(users, "The policy applies to emergency-access accounts: %s.", namesOf(caught)), d.excludeEmergency)
	}
	return nil
}

func (d *draft) excludesSomebody() bool {
	u := d.Conditions.Users
	return len(u.ExcludeUsers)+len(u.ExcludeGroups)+len(u.ExcludeRoles) > 0
}

// caught returns the emergency-access accounts that the policy applies to.
func (d *draft) caught() []Account {
	if d.Tenant == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.Tenant.Emergency), func(a Account) bool { return !a.inScope(d.Conditions.Users) })
}

// excludeEmergency excludes the emergency-access accounts that are not excluded yet.
func (d *draft) excludeEmergency(p *policy.Policy) {
	if d.Tenant == nil {
		return
	}
	u := &p.Conditions.Users
	for _, a := range d.Tenant.Emergency {
		if !a.named(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles) {
			u.ExcludeUsers = append(u.ExcludeUsers, string(a.ID))
			u.IncludeUsers = without(u.IncludeUsers, []string{string(a.ID)})
		}
	}
}

func (a Account) named(users, groups, roles []string) bool {
	return slices.Contains(users, string(a.ID)) ||
		slices.ContainsFunc(groups, func(id string) bool { return a.Groups[directory.ObjectID(id)] }) ||
		slices.ContainsFunc(roles, func(id string) bool { return a.Roles[directory.Role(id)] })
}

func (a Account) inScope(u policy.Users) bool {
	return !a.named(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles) &&
		(slices.Contains(u.IncludeUsers, policy.All) || a.named(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles))
}

func namesOf(accounts []Account) string {
	names := make([]string, len(accounts))
	for i, a := range accounts {
		names[i] = a.Name
	}
	return strings.Join(names, ", ")
}

func joined[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

func lookGuests(d *draft) []sighting {
	u := d.Conditions.Users
	included := slices.Contains(u.IncludeUsers, policy.All) || slices.Contains(u.IncludeUsers, policy.GuestsOrExternalUsers) || u.IncludeGuestsOrExternalUsers != nil
	if !included || slices.Contains(u.ExcludeUsers, policy.GuestsOrExternalUsers) || u.ExcludeGuestsOrExternalUsers != nil {
		return nil
	}
	return at(users, "The policy is about guests: those whose devices their own organisation has not registered are refused without a way to mend it.")
}

func lookBlock(d *draft) []sighting {
	if !d.Blocks() {
		return nil
	}
	return at(grantControls, "The policy blocks whoever it is about, so that token protection is never looked at and never shows in the log.")
}

// lookOtherControls finds session controls that queries for token protection alone do not expect beside it.
func lookOtherControls(d *draft) []sighting {
	others := d.NotEnforced()
	if f := d.SessionControls.SignInFrequency; f != nil && f.IsEnabled {
		others = append(others, "SignInFrequency")
	}
	if b := d.SessionControls.PersistentBrowser; b != nil && b.IsEnabled {
		others = append(others, "PersistentBrowserSessionMode")
	}
	if len(others) == 0 {
		return nil
	}
	return at(sessionControls, "Beside token protection the policy has %s: queries of the log that look for token protection alone do not find it.", strings.Join(others, ", "))
}

func lookNarrowed(d *draft) []sighting {
	var found []sighting
	c := d.Conditions
	for _, condition := range []struct {
		used          bool
		pointer, what string
	}{
		{c.Locations != nil, "/conditions/locations", "locations"},
		{c.AuthenticationFlows != nil, "/conditions/authenticationFlows", "authentication flows"},
		{len(d.Risky()) > 0, "/conditions", "risk"},
	} {
		if condition.used {
			found = append(found, at(condition.pointer, "The policy is narrowed by %s: a copied token that is used outside of them is not covered.", condition.what)...)
		}
	}
	return found
}

func lookWorkloads(d *draft) []sighting {
	if d.Conditions.ClientApplications == nil {
		return nil
	}
	return at("/conditions/clientApplications", "The policy is about applications that ask for themselves; token protection has no meaning for them.")
}
