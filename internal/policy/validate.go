package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/devicefilter"
)

// A Problem is one thing that is wrong with a policy.
type Problem struct {
	Pointer string // where, as a JSON pointer (RFC 6901) into the policy
	Reason  string // what is wrong, in a sentence
	Remedy  string // what to do about it, in the imperative
	// Code is the number under which Microsoft Graph reports the problem; 0 where none is known.
	Code int
}

// String returns the problem on one line.
func (p Problem) String() string {
	s := p.Pointer + ": " + p.Reason
	if p.Remedy != "" {
		s += " " + p.Remedy
	}
	return s
}

// An InvalidError holds everything that is wrong with a policy.
type InvalidError struct{ Problems []Problem }

// Error implements error, one problem a line.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "policy: not valid: " + strings.Join(lines, "\n")
}

// Limits of a policy, so that one document cannot make every sign-in slow.
const (
	maxDisplayName = 256
	maxDescription = 4096
	maxMembers     = 5000 // of one list
)

// Validate returns nil where p may be stored, and otherwise an *InvalidError that lists every problem. It reads p as
// Normalise returns it. What the evaluator does not support is refused by name, never ignored; a grant control that this
// server cannot enforce is refused in a policy that is On and kept in the others.
func Validate(p Policy) error {
	v := &validation{}
	v.head(p)
	v.applications(p.Conditions.Applications)
	v.users(p.Conditions.Users)
	v.clientAppTypes(p.Conditions.ClientAppTypes)
	v.platforms(p.Conditions.Platforms)
	v.devices(p.Conditions.Devices)
	v.flows(p.Conditions.AuthenticationFlows)
	v.unsupported(p.Conditions)
	v.grant(p)
	v.session(p.SessionControls)
	if len(v.problems) > 0 {
		return &InvalidError{v.problems}
	}
	return nil
}

// A validation collects problems.
type validation struct{ problems []Problem }

func (v *validation) add(pointer, remedy, reason string, args ...any) *Problem {
	v.problems = append(v.problems, Problem{Pointer: pointer, Reason: fmt.Sprintf(reason, args...), Remedy: remedy})
	return &v.problems[len(v.problems)-1]
}

func (v *validation) head(p Policy) {
	if strings.TrimSpace(p.DisplayName) == "" {
		v.add("/displayName", "Give the policy a name.", "A policy needs a name.")
	}
	if len([]rune(p.DisplayName)) > maxDisplayName {
		v.add("/displayName", "Shorten the name.", "The name is longer than %d characters.", maxDisplayName)
	}
	if len([]rune(p.Description)) > maxDescription {
		v.add("/description", "Shorten the description.", "The description is longer than %d characters.", maxDescription)
	}
	oneOf(v, "/state", p.State, states)
}

// oneOf refuses a value outside an enumeration.
func oneOf[T ~string](v *validation, pointer string, value T, values []T) {
	if !slices.Contains(values, value) {
		v.add(pointer, "Use one of "+join(values)+".", "%q is not a known value.", value).Code = codeSchema
	}
}

// The numbers of Graph's validation messages.
const (
	codeSchema         = 1007
	codeClientAppTypes = 1064
	codeDeviceStates   = 1088
	codeFilter         = 1400
)

func join[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return strings.Join(texts, ", ")
}

func (v *validation) applications(a Applications) {
	const include, exclude = "/conditions/applications/includeApplications", "/conditions/applications/excludeApplications"
	v.ids(include, a.IncludeApplications, "application id", All, None, Office365, AdminPortals)
	v.ids(exclude, a.ExcludeApplications, "application id", Office365, AdminPortals)
	v.alone(include, a.IncludeApplications, All, None)
	for _, list := range []struct {
		pointer string
		ids     []string
	}{{include, a.IncludeApplications}, {exclude, a.ExcludeApplications}} {
		if slices.Contains(list.ids, AdminPortals) {
			v.add(list.pointer, "Name the applications by their ids.", "%s is not supported here.", AdminPortals)
		}
	}
	if len(a.IncludeUserActions) > 0 {
		v.notSupported("/conditions/applications/includeUserActions", "User actions")
	}
	if len(a.IncludeAuthenticationContextClassReferences) > 0 {
		v.notSupported("/conditions/applications/includeAuthenticationContextClassReferences", "Authentication contexts")
	}
	if a.ApplicationFilter != nil {
		v.notSupported("/conditions/applications/applicationFilter", "Filters for applications")
	}
	if len(a.IncludeApplications)+len(a.IncludeUserActions)+len(a.IncludeAuthenticationContextClassReferences) == 0 && a.ApplicationFilter == nil {
		v.add(include, "Name the resources that the policy is about.", "The policy names no resource.")
	}
}

func (v *validation) users(u Users) {
	const include = "/conditions/users/includeUsers"
	v.ids(include, u.IncludeUsers, "user id", All, None, GuestsOrExternalUsers)
	v.ids("/conditions/users/excludeUsers", u.ExcludeUsers, "user id", GuestsOrExternalUsers)
	v.ids("/conditions/users/includeGroups", u.IncludeGroups, "group id")
	v.ids("/conditions/users/excludeGroups", u.ExcludeGroups, "group id")
	v.ids("/conditions/users/includeRoles", u.IncludeRoles, "role template id")
	v.ids("/conditions/users/excludeRoles", u.ExcludeRoles, "role template id")
	v.alone(include, u.IncludeUsers, All, None)
	if u.IncludeGuestsOrExternalUsers != nil {
		v.notSupported("/conditions/users/includeGuestsOrExternalUsers", "Guests by kind or home tenant").Remedy = "Use " + GuestsOrExternalUsers + " in includeUsers."
	}
	if u.ExcludeGuestsOrExternalUsers != nil {
		v.notSupported("/conditions/users/excludeGuestsOrExternalUsers", "Guests by kind or home tenant").Remedy = "Use " + GuestsOrExternalUsers + " in excludeUsers."
	}
	if len(u.IncludeUsers)+len(u.IncludeGroups)+len(u.IncludeRoles) == 0 && u.IncludeGuestsOrExternalUsers == nil {
		v.add(include, "Include users, groups or directory roles; a small pilot group is a good beginning.", "The policy includes nobody.")
	}
}

// ids checks a list of GUIDs, among which literals may stand.
func (v *validation) ids(pointer string, ids []string, what string, literals ...string) {
	if len(ids) > maxMembers {
		v.add(pointer, "Use a group instead.", "The list has more than %d members.", maxMembers)
		return
	}
	for i, id := range ids {
		if isGUID(id) || slices.Contains(literals, id) {
			continue
		}
		remedy := "Use the object's id."
		if len(literals) > 0 {
			remedy = "Use the object's id, or one of " + join(literals) + "."
		}
		v.add(pointer+"/"+strconv.Itoa(i), remedy, "%q is not a %s.", id, what).Code = codeSchema
	}
}

// alone refuses a literal that stands beside other members of its list.
func (v *validation) alone(pointer string, ids []string, literals ...string) {
	for _, literal := range literals {
		if len(ids) > 1 && slices.Contains(ids, literal) {
			v.add(pointer, "Remove the other members, or "+literal+".", "%s must stand alone.", literal)
		}
	}
}

func (v *validation) clientAppTypes(types []ClientAppType) {
	const pointer = "/conditions/clientAppTypes"
	if types != nil && len(types) == 0 {
		v.add(pointer, "Leave the member out for all client applications, or name some.", "The list of client application types is empty.").Code = codeClientAppTypes
	}
	for i, t := range types {
		oneOf(v, pointer+"/"+strconv.Itoa(i), t, clientAppTypes)
	}
	if len(types) > 1 && slices.Contains(types, AllClientApps) {
		v.add(pointer, "Remove the other members, or all.", "all must stand alone.")
	}
}

func (v *validation) platforms(p *Platforms) {
	if p == nil {
		return
	}
	const include, exclude = "/conditions/platforms/includePlatforms", "/conditions/platforms/excludePlatforms"
	if len(p.IncludePlatforms) == 0 {
		v.add(include, "Name a platform, or remove the condition.", "The platforms condition includes no platform.")
	}
	for i, platform := range p.IncludePlatforms {
		oneOf(v, include+"/"+strconv.Itoa(i), platform, platforms)
	}
	for i, platform := range p.ExcludePlatforms {
		oneOf(v, exclude+"/"+strconv.Itoa(i), platform, platforms[:len(platforms)-1]) // all cannot be excluded
	}
	if len(p.IncludePlatforms) > 1 && slices.Contains(p.IncludePlatforms, AllPlatforms) {
		v.add(include, "Remove the other members, or all.", "all must stand alone.")
	}
}

func (v *validation) devices(d *Devices) {
	if d == nil {
		return
	}
	if len(d.IncludeDevices)+len(d.ExcludeDevices) > 0 {
		v.notSupported("/conditions/devices", "includeDevices and excludeDevices").Remedy = "Use deviceFilter."
	}
	if d.DeviceFilter == nil {
		return
	}
	oneOf(v, "/conditions/devices/deviceFilter/mode", d.DeviceFilter.Mode, filterModes)
	_, err := devicefilter.Parse(d.DeviceFilter.Rule)
	var syntax *devicefilter.SyntaxError
	if errors.As(err, &syntax) {
		remedy := "Correct the rule."
		if syntax.Suggestion != "" {
			remedy = "Did you mean: " + syntax.Suggestion
		}
		v.add("/conditions/devices/deviceFilter/rule", remedy, "deviceFilter rule invalid at %d (line %d, column %d): %s",
			syntax.Offset, syntax.Line, syntax.Column, syntax.Message).Code = codeFilter
	}
}

func (v *validation) flows(f *AuthenticationFlows) {
	if f == nil {
		return
	}
	const pointer = "/conditions/authenticationFlows/transferMethods"
	methods := f.methods()
	if len(methods) == 0 {
		v.add(pointer, "Name a transfer method, or remove the condition.", "The condition names no transfer method.")
	}
	for _, m := range methods {
		oneOf(v, pointer, m, transferMethods)
	}
}

func (v *validation) notSupported(pointer, what string) *Problem {
	return v.add(pointer, "Remove the condition: a policy that looked at less than it says would be unsafe.", "%s are not supported here.", what)
}

// unsupported refuses conditions that a policy can hold and the evaluator does not read.
func (v *validation) unsupported(c Conditions) {
	for _, condition := range []struct {
		used          bool
		pointer, what string
	}{
		{c.Locations != nil, "/conditions/locations", "Locations"},
		{c.ClientApplications != nil, "/conditions/clientApplications", "Workload identities"},
		{len(c.SignInRiskLevels) > 0, "/conditions/signInRiskLevels", "Sign-in risk levels"},
		{len(c.UserRiskLevels) > 0, "/conditions/userRiskLevels", "User risk levels"},
		{len(c.ServicePrincipalRiskLevels) > 0, "/conditions/servicePrincipalRiskLevels", "Service principal risk levels"},
		{c.InsiderRiskLevels != "", "/conditions/insiderRiskLevels", "Insider risk levels"},
		{c.AgentIDRiskLevels != "", "/conditions/agentIdRiskLevels", "Agent risk levels"},
	} {
		if condition.used {
			v.notSupported(condition.pointer, condition.what)
		}
	}
}

func (v *validation) grant(p Policy) {
	g := p.GrantControls
	if g == nil {
		return
	}
	const builtIn = "/grantControls/builtInControls"
	oneOf(v, "/grantControls/operator", g.Operator, operators)
	for i, name := range g.BuiltInControls {
		oneOf(v, builtIn+"/"+strconv.Itoa(i), name, builtInControls())
	}
	needs := g.controls()
	if needs == 0 && len(g.BuiltInControls) == 0 {
		v.add("/grantControls", "Name a control, or set grantControls to null.", "The grant controls name no control.")
	}
	if needs&controlBlock != 0 && needs != controlBlock {
		v.add(builtIn, "Remove the other controls, or block.", "block must stand alone.")
	}
	if needs&controlMFA != 0 && needs&controlStrength != 0 {
		v.add("/grantControls/authenticationStrength", "Keep one of the two.", "mfa and an authentication strength exclude each other.")
	}
	if missing := needs &^ enforceable; missing != 0 && p.State == Enabled {
		v.add("/grantControls", "Remove the control, or set the policy to report-only, where it shows as not met.",
			"This server cannot enforce %s, so the policy cannot be set On.", strings.Join(missing.names(), ", "))
	}
}

// session checks the values of controls, those included that are only kept.
func (v *validation) session(s *SessionControls) {
	if s == nil {
		return
	}
	if c := s.CloudAppSecurity; c != nil && c.CloudAppSecurityType != "" {
		oneOf(v, "/sessionControls/cloudAppSecurity/cloudAppSecurityType", c.CloudAppSecurityType, []string{"mcasConfigured", "monitorOnly", "blockDownloads"})
	}
	if b := s.PersistentBrowser; b != nil && b.Mode != "" {
		oneOf(v, "/sessionControls/persistentBrowser/mode", b.Mode, []string{"always", "never"})
	}
	if c := s.ContinuousAccessEvaluation; c != nil {
		oneOf(v, "/sessionControls/continuousAccessEvaluation/mode", c.Mode, []string{"strictEnforcement", "disabled", "strictLocation"})
	}
	if f := s.SignInFrequency; f != nil {
		v.frequency(f)
	}
}

func (v *validation) frequency(f *SignInFrequency) {
	const pointer = "/sessionControls/signInFrequency"
	for _, member := range []struct {
		name, value string
		values      []string
	}{
		{"type", f.Type, []string{"days", "hours"}},
		{"frequencyInterval", f.FrequencyInterval, []string{"timeBased", "everyTime"}},
		{"authenticationType", f.AuthenticationType, []string{"primaryAndSecondaryAuthentication", "secondaryAuthentication"}},
	} {
		if member.value != "" {
			oneOf(v, pointer+"/"+member.name, member.value, member.values)
		}
	}
	if f.FrequencyInterval == "timeBased" && f.AuthenticationType == "secondaryAuthentication" {
		v.add(pointer, "Use primaryAndSecondaryAuthentication, or everyTime.", "timeBased goes with primaryAndSecondaryAuthentication only.").Code = 1104
	}
}

// A keptControl is a session control that is kept and not enforced.
type keptControl struct {
	name string
	on   bool
}

// NotEnforced returns the session controls that the policy switches on and this server does not enforce, under the names
// that logs have for them.
func (p Policy) NotEnforced() []string {
	s := p.SessionControls
	if s == nil {
		return nil
	}
	var names []string
	for _, c := range []keptControl{
		{"AppEnforcedRestrictions", s.ApplicationEnforcedRestrictions.on()},
		{"CloudAppSecurity", s.CloudAppSecurity != nil && s.CloudAppSecurity.IsEnabled},
		{"PersistentBrowserSessionMode", s.PersistentBrowser != nil && s.PersistentBrowser.IsEnabled},
		{"SignInFrequency", s.SignInFrequency != nil && s.SignInFrequency.IsEnabled},
		{"ContinuousAccessEvaluation", s.ContinuousAccessEvaluation != nil},
		{"DisableResilienceDefaults", s.DisableResilienceDefaults != nil && *s.DisableResilienceDefaults},
		{"GlobalSecureAccessFilteringProfile", s.GlobalSecureAccessFilteringProfile != nil && s.GlobalSecureAccessFilteringProfile.IsEnabled},
	} {
		if c.on {
			names = append(names, c.name)
		}
	}
	return names
}
