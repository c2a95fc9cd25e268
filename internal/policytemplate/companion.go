package policytemplate

import (
	"slices"

	"boundgate/internal/policy"
)

// A Companion is a companion template and the policies of a tenant that do its work already.
type Companion struct {
	Template Template
	// Policies are those made from the template, or as wide as it; those in force first. None means that it is missing.
	Policies []policy.Policy
}

// Missing reports whether no policy of the tenant does the companion's work. One that is off is not missing: an
// administrator switched it off, and a second one would not be theirs to find.
func (c Companion) Missing() bool { return len(c.Policies) == 0 }

// Companions returns what there is beside token protection (S48) among the policies of a tenant.
func Companions(policies []policy.Policy) []Companion {
	var list []Companion
	for _, t := range templates {
		if !t.Companion {
			continue
		}
		c := Companion{Template: t}
		for _, p := range policies {
			if p.TemplateID == t.ID || p.State != policy.Disabled && covers(p, t.Details) {
				c.Policies = append(c.Policies, p)
			}
		}
		slices.SortStableFunc(c.Policies, func(a, b policy.Policy) int { return weight(b.State) - weight(a.State) })
		list = append(list, c)
	}
	return list
}

// weight orders the states: off, report-only, on.
func weight(s policy.State) int {
	return slices.Index([]policy.State{policy.Disabled, policy.ReportOnly, policy.Enabled}, s)
}

// covers reports whether p is about at least what a companion is about, exclusions of people aside, and demands as much.
func covers(p, companion policy.Policy) bool {
	c := p.Conditions
	narrowed := c.Devices != nil || c.Locations != nil || c.AuthenticationFlows != nil || c.ClientApplications != nil ||
		len(c.SignInRiskLevels)+len(c.UserRiskLevels)+len(c.ServicePrincipalRiskLevels) > 0 || c.InsiderRiskLevels != "" || c.AgentIDRiskLevels != "" ||
		c.Applications.ApplicationFilter != nil || len(c.Applications.ExcludeApplications) > 0
	return !narrowed && slices.Contains(c.Users.IncludeUsers, policy.All) &&
		slices.Contains(c.Applications.IncludeApplications, policy.All) &&
		(c.ClientAppTypes == nil || slices.Contains(c.ClientAppTypes, policy.AllClientApps)) &&
		coversPlatforms(c.Platforms, companion.Conditions.Platforms) && demandsAsMuch(p.GrantControls, companion.GrantControls)
}

// everyPlatform are the platforms that a request can come from; "" is one that nobody knows.
var everyPlatform = []policy.Platform{"", policy.Android, policy.IOS, policy.Windows, policy.WindowsPhone, policy.MacOS, policy.Linux}

// coversPlatforms reports whether whatever is in the scope of narrow is in the scope of wide, the platforms left to the
// administrator aside: what a policy for unknown platforms excludes are those that the organisation uses.
func coversPlatforms(wide, narrow *policy.Platforms) bool {
	for _, platform := range everyPlatform {
		if inScope(narrow, platform) && !inScope(wide, platform) && platform != policy.Linux {
			return false
		}
	}
	return true
}

func inScope(p *policy.Platforms, platform policy.Platform) bool {
	if p == nil || platform == "" {
		return true
	}
	return (slices.Contains(p.IncludePlatforms, policy.AllPlatforms) || slices.Contains(p.IncludePlatforms, platform)) &&
		!slices.Contains(p.ExcludePlatforms, platform)
}

// demandsAsMuch reports whether every way to satisfy given satisfies wanted.
func demandsAsMuch(given, wanted *policy.GrantControls) bool {
	if given == nil {
		return false
	}
	enough := func(control string) bool { return slices.Contains(wanted.BuiltInControls, control) }
	if given.Operator == "AND" {
		return slices.ContainsFunc(given.BuiltInControls, enough)
	}
	alternatives := len(given.CustomAuthenticationFactors) + len(given.TermsOfUse)
	if given.AuthenticationStrength != nil {
		alternatives++
	}
	return alternatives == 0 && len(given.BuiltInControls) > 0 && !slices.ContainsFunc(given.BuiltInControls, func(s string) bool { return !enough(s) })
}
