package policylint

import (
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/policy"
)

// The templates of the companion policies (S48), by the keys under which they can be created.
const (
	TemplateUnknownPlatforms = "block-unknown-platforms"
	TemplateManagedDevice    = "require-compliant-or-hybrid-joined-device"
)

// companionRules are about the policies beside token protection: it covers one platform, and whoever appears to come from
// another is outside of it.
var companionRules = []rule{
	{"unknownPlatformsNotBlocked", "J-20", Warning, false, "Create the companion policy: boundgate policy companions.", protection(unknownPlatforms.lookMissing)},
	{"otherPlatformsNotManaged", "J-21", Warning, false, "Create the companion policy: boundgate policy companions.", protection(managedDevice.lookMissing)},
	{"companionNotInForce", "J-22", Info, false, "Set the companion policy On when its report-only results are as expected.", protection(lookNotInForce)},
	{"companionExcludesMore", "J-22", Info, false, "Exclude from the companion policy nobody whom this policy is about.", protection(lookExcludesMore)},
}

// managedControls are the grant controls that take a device the organisation manages.
var managedControls = []string{"compliantDevice", "domainJoinedDevice"}

// A companion is one of the two policies beside token protection.
type companion struct {
	template string
	missing  string
	is       func(policy.Policy) bool
}

var (
	unknownPlatforms = companion{TemplateUnknownPlatforms,
		"No policy blocks unknown and unsupported platforms: whoever claims to come from one is outside of this policy.", blocksUnknownPlatforms}
	managedDevice = companion{TemplateManagedDevice,
		"No policy requires a managed device on the other platforms: whoever claims to come from one is outside of this policy.", requiresManagedDevice}
	companions = []companion{unknownPlatforms, managedDevice}
)

func (c companion) lookMissing(d *draft) []sighting {
	if d.Tenant == nil || len(c.among(d)) > 0 {
		return nil
	}
	return []sighting{{message: c.missing, template: c.template}}
}

// among returns the tenant's policies that do the companion's work, those that are off apart.
func (c companion) among(d *draft) []policy.Policy {
	if d.Tenant == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.Tenant.Policies), func(p policy.Policy) bool {
		return d.ID != "" && p.ID == d.ID || p.State == policy.Disabled || !covers(p.Conditions.Users, d.Conditions.Users) ||
			!everyResource(p) || narrowed(p.Conditions) || !c.is(p)
	})
}

// covers reports whether wide includes whoever narrow includes, as far as the lists tell.
func covers(wide, narrow policy.Users) bool {
	if slices.Contains(wide.IncludeUsers, policy.All) {
		return true
	}
	return narrow.IncludeGuestsOrExternalUsers == nil && len(without(narrow.IncludeUsers, wide.IncludeUsers)) == 0 &&
		len(without(narrow.IncludeGroups, wide.IncludeGroups)) == 0 && len(without(narrow.IncludeRoles, wide.IncludeRoles)) == 0
}

func everyResource(p policy.Policy) bool {
	return slices.Contains(p.Conditions.Applications.IncludeApplications, policy.All) && len(p.Conditions.Applications.ExcludeApplications) == 0
}

// narrowed reports whether a policy has conditions beside people, resources and platforms.
func narrowed(c policy.Conditions) bool {
	return c.Devices != nil && c.Devices.DeviceFilter != nil || c.Locations != nil || c.AuthenticationFlows != nil || c.ClientApplications != nil || !everyClient(c) ||
		len(c.SignInRiskLevels)+len(c.UserRiskLevels)+len(c.ServicePrincipalRiskLevels) > 0 || c.InsiderRiskLevels != ""
}

func everyClient(c policy.Conditions) bool {
	return len(c.ClientAppTypes) == 0 || slices.Contains(c.ClientAppTypes, policy.AllClientApps)
}

// isAbout reports whether a policy is about a platform that is known.
func isAbout(p *policy.Platforms, platform policy.Platform) bool {
	return p == nil || (slices.Contains(p.IncludePlatforms, policy.AllPlatforms) || slices.Contains(p.IncludePlatforms, platform)) &&
		!slices.Contains(p.ExcludePlatforms, platform)
}

// blocksUnknownPlatforms reports whether a policy blocks what no other policy names. A platform that nobody uses stands for
// them; that Windows must be left in is clear.
func blocksUnknownPlatforms(p policy.Policy) bool {
	return p.Blocks() && isAbout(p.Conditions.Platforms, policy.WindowsPhone)
}

// requiresManagedDevice reports whether a policy lets in nobody from the common platforms beside Windows without a device
// that the organisation manages.
func requiresManagedDevice(p policy.Policy) bool {
	if p.GrantControls == nil {
		return false
	}
	for _, platform := range []policy.Platform{policy.Android, policy.IOS, policy.MacOS} {
		if !isAbout(p.Conditions.Platforms, platform) {
			return false
		}
	}
	g := p.GrantControls
	managed := common(g.BuiltInControls, managedControls)
	alternatives := len(g.BuiltInControls) - len(managed) + len(g.CustomAuthenticationFactors) + len(g.TermsOfUse)
	if g.AuthenticationStrength != nil {
		alternatives++
	}
	return len(managed) > 0 && (g.Operator == "AND" || alternatives == 0)
}

func lookNotInForce(d *draft) []sighting {
	var found []sighting
	for _, c := range companions {
		list := c.among(d)
		if len(list) == 0 || slices.ContainsFunc(list, func(p policy.Policy) bool { return p.State == policy.Enabled }) {
			continue
		}
		found = append(found, sighting{template: c.template, message: fmt.Sprintf("The companion policy %q is report-only: it keeps nobody out yet.", list[0].DisplayName)})
	}
	return found
}

// lookExcludesMore finds companions all of which leave people out whom this policy does not leave out.
func lookExcludesMore(d *draft) []sighting {
	var found []sighting
	for _, c := range companions {
		var names []string
		list := c.among(d)
		for _, p := range list {
			if excludesMore(p.Conditions.Users, d.Conditions.Users) {
				names = append(names, fmt.Sprintf("%q", p.DisplayName))
			}
		}
		if len(names) > 0 && len(names) == len(list) {
			found = append(found, sighting{template: c.template,
				message: fmt.Sprintf("Companion policies exclude people whom this policy does not: %s.", strings.Join(names, ", "))})
		}
	}
	return found
}

func excludesMore(other, own policy.Users) bool {
	return len(without(other.ExcludeUsers, own.ExcludeUsers)) > 0 || len(without(other.ExcludeGroups, own.ExcludeGroups)) > 0 ||
		len(without(other.ExcludeRoles, own.ExcludeRoles)) > 0 || other.ExcludeGuestsOrExternalUsers != nil && own.ExcludeGuestsOrExternalUsers == nil
}
