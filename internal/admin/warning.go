package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A Severity says how bad a warning is.
type Severity string

// The severities.
const (
	Serious  Severity = "error"   // people will be locked out, or the protection has a hole
	Advisory Severity = "warning" // it may be meant, and is worth a second look
)

// A Warning is advice beside a result. It never stops what it is about.
type Warning struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy"`
	Target   string   `json:"target,omitempty"` // JSON pointer into the policy, or the name of what is meant
}

// circumstances are what a policy is judged against.
type circumstances struct {
	licences  []directory.Licence
	users     int // enabled members
	emergency []account
}

// An account is an emergency-access account with where it belongs.
type account struct {
	user   directory.User
	groups map[directory.ObjectID]bool
	roles  map[directory.Role]bool
}

// A policyRule looks at one thing. It returns the message of its warning, "" for none.
type policyRule struct {
	id       string
	severity Severity
	target   string
	remedy   string
	check    func(p policy.Policy, in circumstances) string
}

// policyRules are looked at in this order.
var policyRules = []policyRule{
	{"office365Selected", Serious, "/conditions/applications/includeApplications",
		"Select Exchange Online, SharePoint Online and Microsoft Teams Services by themselves.", checkOffice365},
	{"allResourcesSelected", Serious, "/conditions/applications/includeApplications",
		"Select only the resources that support token protection.", checkAllResources},
	{"clientAppsNotRestricted", Serious, "/conditions/clientAppTypes",
		"Set clientAppTypes to mobileAppsAndDesktopClients only.", checkClientApps},
	{"platformsNotRestricted", Serious, "/conditions/platforms",
		"Include only the platform windows, and cover the others with companion policies.", checkPlatforms},
	{"noEmergencyExclusion", Serious, "/conditions/users",
		"Exclude the emergency-access accounts, or a group that holds them.", checkEmergency},
	{"noLicence", Advisory, "", "Renew the licence: until then the policy stays in force, but no policy can be created or enabled.", checkLapse},
	{"fewerUnitsThanUsers", Advisory, "", "Add licence units.", checkUnits},
	{"controlNotEnforceable", Advisory, "/grantControls", "Remove the control; with it the policy cannot be set On.", checkGrant},
	{"sessionControlNotEnforced", Advisory, "/sessionControls", "Do not rely on the control here, or remove it.", checkSession},
	{"unknownRole", Advisory, "/conditions/users/includeRoles", "Name roles that /directoryRoles lists.", checkRoles},
}

// warnings returns what the rules say of a policy.
func warnings(p policy.Policy, in circumstances) []Warning {
	list := []Warning{}
	for _, rule := range policyRules {
		if message := rule.check(p, in); message != "" {
			list = append(list, Warning{ID: rule.id, Severity: rule.severity, Message: message, Remedy: rule.remedy, Target: rule.target})
		}
	}
	return list
}

// warningsOf returns the warnings about a policy of a tenant.
func (s *Service) warningsOf(ctx context.Context, tenant directory.TenantID, p policy.Policy) ([]Warning, error) {
	in, err := s.circumstancesOf(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return warnings(p, in), nil
}

func (s *Service) circumstancesOf(ctx context.Context, tenant directory.TenantID) (circumstances, error) {
	var in circumstances
	var err error
	if in.licences, err = s.Store.Licences(ctx, tenant); err != nil {
		return in, fmt.Errorf("list licences: %w", err)
	}
	users, err := s.Store.Users(ctx, tenant)
	if err != nil {
		return in, fmt.Errorf("list users: %w", err)
	}
	for _, u := range users {
		if u.Enabled && u.Type == directory.Member {
			in.users++
		}
		if !u.EmergencyAccess {
			continue
		}
		groups, roles, err := s.Store.Memberships(ctx, tenant, u.ID)
		if err != nil {
			return in, fmt.Errorf("read memberships: %w", err)
		}
		in.emergency = append(in.emergency, account{u, groups, roles})
	}
	return in, nil
}

// checkOffice365 finds S43's exception to the usual advice.
func checkOffice365(p policy.Policy, _ circumstances) string {
	if !p.RequiresTokenProtection() || !slices.Contains(p.Conditions.Applications.IncludeApplications, policy.Office365) {
		return ""
	}
	return "The policy selects the Office 365 group of applications, which may cause unintended failures with token protection."
}

func checkAllResources(p policy.Policy, _ circumstances) string {
	if !p.RequiresTokenProtection() || !slices.Contains(p.Conditions.Applications.IncludeApplications, policy.All) {
		return ""
	}
	return "The policy selects all resources; most of them do not support token protection, and clients of theirs would be blocked."
}

func checkClientApps(p policy.Policy, _ circumstances) string {
	types := p.Conditions.ClientAppTypes
	if !p.RequiresTokenProtection() || len(types) == 1 && types[0] == policy.MobileAppsAndDesktopClients {
		return ""
	}
	if slices.Contains(types, policy.Browser) {
		return "The policy is about browsers too: applications in them, such as Teams on the web, would be blocked."
	}
	return "The policy is about all client applications or about more than native ones: applications in browsers, such as Teams on the web, would be blocked."
}

func checkPlatforms(p policy.Policy, _ circumstances) string {
	platforms := p.Conditions.Platforms
	if !p.RequiresTokenProtection() || platforms != nil && len(platforms.IncludePlatforms) == 1 && platforms.IncludePlatforms[0] == policy.Windows {
		return ""
	}
	return "The policy is not limited to Windows; sign-ins from other platforms cannot be bound and would be blocked."
}

// checkEmergency finds emergency-access accounts in scope (S42), or that nobody is excluded at all.
func checkEmergency(p policy.Policy, in circumstances) string {
	u := p.Conditions.Users
	if len(u.ExcludeUsers)+len(u.ExcludeGroups)+len(u.ExcludeRoles) == 0 {
		return "The policy excludes nobody: if it goes wrong, no account is left that can mend it."
	}
	var caught []string
	for _, a := range in.emergency {
		if inScope(u, a) {
			caught = append(caught, a.user.UPN)
		}
	}
	if len(caught) == 0 {
		return ""
	}
	return fmt.Sprintf("The policy applies to emergency-access accounts: %s.", strings.Join(caught, ", "))
}

func inScope(u policy.Users, a account) bool {
	names := func(users, groups, roles []string) bool {
		return slices.Contains(users, string(a.user.ID)) ||
			slices.ContainsFunc(groups, func(id string) bool { return a.groups[directory.ObjectID(id)] }) ||
			slices.ContainsFunc(roles, func(id string) bool { return a.roles[directory.Role(id)] })
	}
	if names(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles) {
		return false
	}
	return slices.Contains(u.IncludeUsers, policy.All) || names(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles)
}

// checkLapse warns of a licence that is gone; enforcement goes on (S10).
func checkLapse(_ policy.Policy, in circumstances) string {
	if directory.HasP1(in.licences) {
		return ""
	}
	return "The tenant has no active licence that includes Conditional Access."
}

func checkUnits(_ policy.Policy, in circumstances) string {
	units := 0
	for _, l := range in.licences {
		if directory.HasP1([]directory.Licence{l}) {
			units += l.Units
		}
	}
	if !directory.HasP1(in.licences) || units >= in.users {
		return ""
	}
	return fmt.Sprintf("The licences have %d units for %d enabled users.", units, in.users)
}

// checkGrant finds a grant control that would be refused if the policy were On.
func checkGrant(p policy.Policy, _ circumstances) string {
	if p.State == policy.Enabled || p.GrantControls == nil {
		return ""
	}
	p.State = policy.Enabled
	if policy.Validate(p) == nil {
		return ""
	}
	return "The policy has a grant control that this server cannot enforce; in report-only it shows as not met."
}

func checkSession(p policy.Policy, _ circumstances) string {
	names := p.NotEnforced()
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("This server keeps these session controls and does not enforce them: %s.", strings.Join(names, ", "))
}

func checkRoles(p policy.Policy, _ circumstances) string {
	for _, id := range p.Conditions.Users.IncludeRoles {
		if _, known := directory.RoleNames[directory.Role(id)]; !known {
			return fmt.Sprintf("Nobody can hold the role %s here, so it brings nobody into the policy's scope.", id)
		}
	}
	return ""
}
