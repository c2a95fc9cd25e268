package policylint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// generalRules are about every policy.
var generalRules = []rule{
	{"notValid", "", Error, false, "Correct the policy: it would be refused.", lookInvalid},
	{"placeholder", "", Info, false, "Nothing, where the file is a template; else write the id.", lookPlaceholders},
	{"everyoneLockedOut", "", Error, true, "Exclude the emergency-access accounts, or make the policy about less.", lookLockout},
	{"noEmergencyExclusion", "", Warning, false, "Exclude the emergency-access accounts, or a group that holds them.", lookEmergencyElsewhere},
	{"controlNotEnforceable", "", Warning, false, "Remove the control; with it the policy cannot be set On.", lookGrant},
	{"sessionControlNotEnforced", "", Warning, false, "Do not rely on the control here, or remove it.", lookSession},
	{"demandsNothing", "J-29", Warning, false, "Set sessionControls/secureSignInSession/isEnabled to true, or name another control.", lookNothing},
	{"riskNotMeasured", "", Warning, false, "Remove the condition; with it the policy cannot be set On.", lookRisk},
	{"countryUnknown", "", Warning, false, "Name ranges of addresses instead, or give the server a database of countries.", lookCountries},
	{"office365Meaning", "", Info, false, "Name other resources by themselves.", lookOffice365Meaning},
	{"adminPortalsMeaning", "", Info, false, "Name other resources by themselves.", lookPortalsMeaning},
	{"unknownRole", "", Warning, false, "Name roles that /directoryRoles lists.", lookRoles},
	{"neverApplies", "", Warning, false, "Include somebody and something that is not excluded, or delete the policy.", lookNever},
	{"redundantAssignment", "", Info, false, "Remove it: the policy stays the same.", lookRedundant},
}

// lookInvalid finds what would be refused. What is wrong with a filter has rules of its own, and so have placeholders.
func lookInvalid(d *draft) []sighting {
	var invalid *policy.InvalidError
	if !errors.As(policy.Validate(d.Policy), &invalid) {
		return nil
	}
	var found []sighting
	for _, p := range invalid.Problems {
		if p.Pointer == deviceFilterRule && d.filter.wrong != nil || d.placeholderAt(p.Pointer) {
			continue
		}
		found = append(found, sighting{pointer: p.Pointer, message: p.Reason, remedy: p.Remedy})
	}
	return found
}

// idLists are the lists of ids of a policy by their pointers.
func idLists(c policy.Conditions) map[string][]string {
	lists := map[string][]string{
		includeApps: c.Applications.IncludeApplications, excludeApps: c.Applications.ExcludeApplications,
		includeUsers: c.Users.IncludeUsers, users + "/excludeUsers": c.Users.ExcludeUsers,
		users + "/includeGroups": c.Users.IncludeGroups, users + "/excludeGroups": c.Users.ExcludeGroups,
		users + "/includeRoles": c.Users.IncludeRoles, users + "/excludeRoles": c.Users.ExcludeRoles,
	}
	if l := c.Locations; l != nil {
		lists["/conditions/locations/includeLocations"], lists["/conditions/locations/excludeLocations"] = l.IncludeLocations, l.ExcludeLocations
	}
	if a := c.ClientApplications; a != nil {
		lists["/conditions/clientApplications/includeServicePrincipals"] = a.IncludeServicePrincipals
		lists["/conditions/clientApplications/excludeServicePrincipals"] = a.ExcludeServicePrincipals
	}
	return lists
}

// isPlaceholder reports whether an id stands for one that is put in later, as in files that travel between tenants.
func isPlaceholder(id string) bool {
	return len(id) > 2 && strings.HasPrefix(id, "<") && strings.HasSuffix(id, ">")
}

// placeholderAt reports whether a member of a list is a placeholder that may stand there: in a file that is judged by itself.
func (d *draft) placeholderAt(pointer string) bool {
	cut := strings.LastIndexByte(pointer, '/')
	if d.Tenant != nil || cut < 0 {
		return false
	}
	list := idLists(d.Conditions)[pointer[:cut]]
	i, err := strconv.Atoi(pointer[cut+1:])
	return err == nil && i >= 0 && i < len(list) && isPlaceholder(list[i])
}

// lookPlaceholders names the placeholders of a file that is judged by itself; in a tenant they are no ids.
func lookPlaceholders(d *draft) []sighting {
	if d.Tenant != nil {
		return nil
	}
	var found []string
	for _, list := range idLists(d.Conditions) {
		found = append(found, slices.DeleteFunc(slices.Clone(list), func(id string) bool { return !isPlaceholder(id) })...)
	}
	if len(found) == 0 {
		return nil
	}
	slices.Sort(found)
	return at("/conditions", "Placeholders stand where ids belong: %s.", some(slices.Compact(found)))
}

// lookLockout finds a policy that nobody gets past, wherever they come from.
func lookLockout(d *draft) []sighting {
	u, c := d.Conditions.Users, d.Conditions
	_, hopeless := d.Unenforceable()
	switch {
	case !d.Policy.Blocks() && !hopeless,
		!slices.Contains(u.IncludeUsers, policy.All) || d.excludesSomebody() || u.ExcludeGuestsOrExternalUsers != nil,
		!everyResource(d.Policy) || narrowed(c) || !everyPlatform(c.Platforms):
		return nil
	}
	why := "blocks access"
	if hopeless {
		why = "demands what nobody can meet here"
	}
	found := at(grantControls, "The policy %s for all users, all resources and everywhere, and excludes nobody: once it is On, nobody signs in, administrators included.", why)
	return mendedBy(found, d.excludeEmergency)
}

func everyPlatform(p *policy.Platforms) bool {
	return p == nil || slices.Contains(p.IncludePlatforms, policy.AllPlatforms) && len(p.ExcludePlatforms) == 0
}

// lookEmergencyElsewhere is lookEmergency for policies without token protection. Second factors of emergency accounts may be
// meant, a block is not.
func lookEmergencyElsewhere(d *draft) []sighting {
	if d.RequiresTokenProtection() || d.GrantControls == nil && d.SessionControls == nil {
		return nil
	}
	if d.Tenant != nil && len(d.Tenant.Emergency) > 0 && len(d.caught()) == 0 {
		return nil // nobody is excluded because nobody of them is included
	}
	found := lookEmergency(d)
	if len(found) > 0 && (d.Policy.Blocks() || slices.Contains(d.Conditions.Users.IncludeUsers, policy.All)) {
		found[0].severity = Error
	}
	return found
}

// lookGrant finds a grant control that would be refused if the policy were On.
func lookGrant(d *draft) []sighting {
	names, hopeless := d.Unenforceable()
	if len(names) == 0 || d.State == policy.Enabled {
		return nil
	}
	found := at(grantControls, "This server cannot enforce %s; in report-only it shows as not met.", strings.Join(names, ", "))
	if hopeless || d.GrantControls.Operator != "OR" {
		return found // without the control the policy would demand less
	}
	return mendedBy(found, func(p *policy.Policy) {
		g := p.GrantControls
		g.CustomAuthenticationFactors, g.TermsOfUse = nil, nil
		g.BuiltInControls = common(g.BuiltInControls, slices.Concat([]string{"mfa"}, managedControls))
	})
}

func lookSession(d *draft) []sighting {
	names := d.NotEnforced()
	if len(names) == 0 {
		return nil
	}
	return at(sessionControls, "This server keeps these session controls and does not enforce them: %s.", strings.Join(names, ", "))
}

// lookNothing finds a policy that demands nothing, or token protection that is there and switched off.
func lookNothing(d *draft) []sighting {
	s := d.SessionControls
	switch {
	case s != nil && s.SecureSignInSession != nil && !s.SecureSignInSession.IsEnabled:
		return at(sessionControls+"/secureSignInSession", "The policy names token protection and has it switched off.")
	case d.GrantControls == nil && (s == nil || *s == policy.SessionControls{}):
		return at(grantControls, "The policy has neither grant nor session controls: it demands nothing.")
	}
	return nil
}

func lookRisk(d *draft) []sighting {
	var found []sighting
	for _, pointer := range d.Risky() {
		found = append(found, at(pointer, "This server measures no risk: every sign-in counts as one that the condition is about.")...)
	}
	return found
}

// lookCountries finds named countries that nobody can tell.
func lookCountries(d *draft) []sighting {
	l := d.Conditions.Locations
	if d.Tenant == nil || l == nil {
		return nil
	}
	var found []sighting
	for _, list := range []struct {
		member string
		ids    []string
	}{{"includeLocations", l.IncludeLocations}, {"excludeLocations", l.ExcludeLocations}} {
		for i, id := range list.ids {
			if why := d.countryUnknown(id); why != "" {
				found = append(found, at(fmt.Sprintf("/conditions/locations/%s/%d", list.member, i), "%s Every sign-in counts as one from an included place, and as none from an excluded one.", why)...)
			}
		}
	}
	return found
}

// countryUnknown says why nobody can tell whether a sign-in comes from a location; "" where it can be told.
func (d *draft) countryUnknown(id string) string {
	known := slices.IndexFunc(d.Tenant.Locations, func(l policy.NamedLocation) bool { return strings.EqualFold(l.ID, id) })
	switch {
	case known < 0 || d.Tenant.Locations[known].Kind != policy.CountryLocation:
		return ""
	case d.Tenant.Locations[known].LookUp == policy.ByGPS:
		return fmt.Sprintf("%q is told by the position of a telephone, which this server does not ask for.", d.Tenant.Locations[known].DisplayName)
	case d.Countries != nil && !*d.Countries:
		return fmt.Sprintf("%q is a list of countries, and the server has no database to tell the country of an address.", d.Tenant.Locations[known].DisplayName)
	}
	return ""
}

// lookOffice365Meaning says what the group is here; with token protection it is a mistake, which another rule finds.
func lookOffice365Meaning(d *draft) []sighting {
	a := d.Conditions.Applications
	if d.RequiresTokenProtection() || !slices.Contains(slices.Concat(a.IncludeApplications, a.ExcludeApplications), policy.Office365) {
		return nil
	}
	return at("/conditions/applications", "Office365 stands for Exchange Online, SharePoint Online and Microsoft Teams Services here.")
}

func lookPortalsMeaning(d *draft) []sighting {
	a := d.Conditions.Applications
	if !slices.Contains(slices.Concat(a.IncludeApplications, a.ExcludeApplications), policy.AdminPortals) {
		return nil
	}
	return at("/conditions/applications", "MicrosoftAdminPortals stands for this server's own administration and Azure's management here.")
}

func lookRoles(d *draft) []sighting {
	var indices []int
	var unknown []string
	for i, id := range d.Conditions.Users.IncludeRoles {
		if _, known := directory.RoleNames[directory.Role(id)]; !known {
			indices, unknown = append(indices, i), append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	found := at(pointerInto("/conditions/users/includeRoles", indices), "Nobody can hold these roles here, so they bring nobody into the policy's scope: %s.", some(unknown))
	return mendedBy(found, func(p *policy.Policy) {
		p.Conditions.Users.IncludeRoles = without(p.Conditions.Users.IncludeRoles, unknown)
	})
}

// lookNever finds a policy that applies to nothing, as far as its lists tell.
func lookNever(d *draft) []sighting {
	c := d.Conditions
	var found []sighting
	if a := c.Applications; len(a.IncludeApplications) > 0 && len(without(without(a.IncludeApplications, a.ExcludeApplications), []string{policy.None})) == 0 {
		found = append(found, at(includeApps, "The policy is about no resource: it includes none that it does not exclude.")...)
	}
	if c.ClientApplications == nil && nobodyLeft(c.Users) {
		found = append(found, at(users, "The policy is about nobody: it includes none whom it does not exclude.")...)
	}
	if a := c.ClientApplications; a != nil && len(a.IncludeServicePrincipals) > 0 && len(without(a.IncludeServicePrincipals, a.ExcludeServicePrincipals)) == 0 {
		found = append(found, at("/conditions/clientApplications", "The policy is about no application: it includes none that it does not exclude.")...)
	}
	if l := c.Locations; l != nil && (slices.Contains(l.ExcludeLocations, policy.All) || len(l.IncludeLocations) > 0 && len(without(l.IncludeLocations, l.ExcludeLocations)) == 0) {
		found = append(found, at("/conditions/locations", "The policy is about no place: it includes none that it does not exclude.")...)
	}
	if p := c.Platforms; p != nil && len(p.IncludePlatforms) > 0 && len(without(p.IncludePlatforms, p.ExcludePlatforms)) == 0 {
		found = append(found, at(platforms, "The policy excludes every platform that it includes: only sign-ins from an unknown platform are left.")...)
	}
	return found
}

func nobodyLeft(u policy.Users) bool {
	people := without(without(u.IncludeUsers, u.ExcludeUsers), []string{policy.None})
	if slices.Contains(u.IncludeUsers, policy.All) {
		return false
	}
	return len(people)+len(without(u.IncludeGroups, u.ExcludeGroups))+len(without(u.IncludeRoles, u.ExcludeRoles)) == 0 && u.IncludeGuestsOrExternalUsers == nil
}

// lookRedundant finds what is included and excluded, which the exclusion settles, and what All includes already.
func lookRedundant(d *draft) []sighting {
	var found []sighting
	for _, pair := range pairs {
		include, exclude := pair.lists(&d.Policy)
		if both := common(*include, exclude); len(both) > 0 && len(both) < len(*include) {
			found = append(found, sighting{pointer: pair.pointer,
				message: fmt.Sprintf("Included and excluded, and so excluded: %s.", some(both)),
				mend: func(p *policy.Policy) {
					include, exclude := pair.lists(p)
					*include = without(*include, exclude)
				}})
		}
	}
	u := d.Conditions.Users
	if slices.Contains(u.IncludeUsers, policy.All) && (len(u.IncludeGroups)+len(u.IncludeRoles) > 0 || u.IncludeGuestsOrExternalUsers != nil) {
		found = append(found, mendedBy(at(users, "The policy includes all users, and groups, roles or guests beside them."), func(p *policy.Policy) {
			p.Conditions.Users.IncludeGroups, p.Conditions.Users.IncludeRoles, p.Conditions.Users.IncludeGuestsOrExternalUsers = nil, nil, nil
		})...)
	}
	return found
}

// pairs are the lists of which one includes and the other excludes.
var pairs = []struct {
	pointer string
	lists   func(*policy.Policy) (include *[]string, exclude []string)
}{
	{includeUsers, func(p *policy.Policy) (*[]string, []string) {
		return &p.Conditions.Users.IncludeUsers, p.Conditions.Users.ExcludeUsers
	}},
	{"/conditions/users/includeGroups", func(p *policy.Policy) (*[]string, []string) {
		return &p.Conditions.Users.IncludeGroups, p.Conditions.Users.ExcludeGroups
	}},
	{"/conditions/users/includeRoles", func(p *policy.Policy) (*[]string, []string) {
		return &p.Conditions.Users.IncludeRoles, p.Conditions.Users.ExcludeRoles
	}},
	{includeApps, func(p *policy.Policy) (*[]string, []string) {
		return &p.Conditions.Applications.IncludeApplications, p.Conditions.Applications.ExcludeApplications
	}},
}
