package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
// server cannot enforce, and a condition on risk, which it does not measure, are refused in a policy that is On and kept in
// the others.
func Validate(p Policy) error {
	v := &validation{}
	v.head(p)
	v.applications(p.Conditions.Applications)
	v.users(p.Conditions.Users)
	v.clientAppTypes(p.Conditions.ClientAppTypes)
	v.platforms(p.Conditions.Platforms)
	v.devices(p.Conditions.Devices)
	v.flows(p.Conditions.AuthenticationFlows)
	v.locations(p.Conditions.Locations)
	v.clients(p.Conditions)
	v.risks(p.Conditions)
	v.measured(p)
	v.grant(p)
	v.passwordChange(p)
	v.session(p)
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
	codePasswordChange = 1032
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
	const actions, contexts = "/conditions/applications/includeUserActions", "/conditions/applications/includeAuthenticationContextClassReferences"
	for i, action := range a.IncludeUserActions {
		oneOf(v, actions+"/"+strconv.Itoa(i), action, userActions)
	}
	for i, id := range a.IncludeAuthenticationContextClassReferences {
		if !IsContext(id) {
			v.add(contexts+"/"+strconv.Itoa(i), "Use one of c1 to c99.", "%q is no authentication context.", id).Code = codeSchema
		}
	}
	if a.ApplicationFilter != nil {
		v.notSupported("/conditions/applications/applicationFilter", "Filters for applications")
	}
	kinds := 0
	for _, list := range [][]string{a.IncludeApplications, a.IncludeUserActions, a.IncludeAuthenticationContextClassReferences} {
		if len(list) > 0 {
			kinds++
		}
	}
	switch {
	case kinds == 0 && a.ApplicationFilter == nil:
		v.add(include, "Name the resources that the policy is about.", "The policy names no resource.")
	case kinds > 1:
		v.add("/conditions/applications", "Make a policy of its own for each.", "A policy is about resources, or about user actions, or about authentication contexts.")
	case len(a.IncludeApplications) == 0 && len(a.ExcludeApplications) > 0:
		v.add(exclude, "Remove the exclusions.", "User actions and authentication contexts have no resources to exclude.")
	}
}

// IsContext reports whether id can name an authentication context: c1 to c99.
func IsContext(id string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "c"))
	return err == nil && 1 <= n && n <= 99 && id == "c"+strconv.Itoa(n)
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
	v.externals("/conditions/users/includeGuestsOrExternalUsers", u.IncludeGuestsOrExternalUsers)
	v.externals("/conditions/users/excludeGuestsOrExternalUsers", u.ExcludeGuestsOrExternalUsers)
}

// includesPeople reports whether u includes anybody, or says that it means nobody.
func (u Users) includesPeople() bool {
	return len(u.IncludeUsers)+len(u.IncludeGroups)+len(u.IncludeRoles) > 0 || u.IncludeGuestsOrExternalUsers != nil
}

func (v *validation) externals(pointer string, e *ExternalUsers) {
	if e == nil {
		return
	}
	for _, kind := range e.kinds() {
		oneOf(v, pointer+"/guestOrExternalUserTypes", ExternalKind(kind), externalKinds)
	}
	t := e.ExternalTenants
	if t == nil {
		return
	}
	oneOf(v, pointer+"/externalTenants/membershipKind", t.MembershipKind, membershipKinds)
	v.ids(pointer+"/externalTenants/members", t.Members, "tenant id")
	if t.MembershipKind == enumeratedTenants && len(t.Members) == 0 {
		v.add(pointer+"/externalTenants/members", "Name a tenant, or set membershipKind to all.", "The enumeration names no tenant.")
	}
}

// locations checks the names of locations; whether they exist is known where the policy is stored.
func (v *validation) locations(l *Locations) {
	if l == nil {
		return
	}
	const include, exclude = "/conditions/locations/includeLocations", "/conditions/locations/excludeLocations"
	v.ids(include, l.IncludeLocations, "named location's id", All, AllTrusted)
	v.ids(exclude, l.ExcludeLocations, "named location's id", All, AllTrusted)
	v.alone(include, l.IncludeLocations, All)
	if len(l.IncludeLocations) == 0 {
		v.add(include, "Include All, or name the locations.", "The locations condition includes no location.")
	}
	if slices.Contains(l.IncludeLocations, MFATrustedIPs) {
		v.add(include, "Use a named location.", "There are no multifactor trusted IP addresses here, so the policy would be about nothing.")
	}
}

// clients checks whom the policy is about: people or workload identities.
func (v *validation) clients(c Conditions) {
	const people = "/conditions/users/includeUsers"
	a := c.ClientApplications
	if a == nil {
		if !c.Users.includesPeople() {
			v.add(people, "Include users, groups or directory roles; a small pilot group is a good beginning.", "The policy includes nobody.")
		}
		return
	}
	const include, exclude = "/conditions/clientApplications/includeServicePrincipals", "/conditions/clientApplications/excludeServicePrincipals"
	v.ids(include, a.IncludeServicePrincipals, "service principal's id", OwnServicePrincipals)
	v.ids(exclude, a.ExcludeServicePrincipals, "service principal's id", OwnServicePrincipals)
	v.alone(include, a.IncludeServicePrincipals, OwnServicePrincipals)
	if len(a.IncludeServicePrincipals) == 0 {
		v.add(include, "Name a service principal, or "+OwnServicePrincipals+".", "The policy includes no workload identity.")
	}
	if c.Users.includesPeople() && !slices.Equal(c.Users.IncludeUsers, []string{None}) ||
		len(c.Users.IncludeGroups)+len(c.Users.IncludeRoles) > 0 || c.Users.IncludeGuestsOrExternalUsers != nil {
		v.add(people, "Set includeUsers to None, or make a policy of its own for the people.", "A policy for workload identities includes no people.")
	}
	for _, member := range []struct {
		used          bool
		pointer, what string
	}{
		{a.ServicePrincipalFilter != nil, "servicePrincipalFilter", "Filters for service principals"},
		{len(a.IncludeAgentIDServicePrincipals) > 0, "includeAgentIdServicePrincipals", "Agent identities"},
		{len(a.ExcludeAgentIDServicePrincipals) > 0, "excludeAgentIdServicePrincipals", "Agent identities"},
		{a.AgentIDServicePrincipalFilter != nil, "agentIdServicePrincipalFilter", "Agent identities"},
	} {
		if member.used {
			v.notSupported("/conditions/clientApplications/"+member.pointer, member.what)
		}
	}
}

// risks checks the levels of risk.
func (v *validation) risks(c Conditions) {
	for _, list := range []struct {
		member string
		levels []RiskLevel
	}{{"signInRiskLevels", c.SignInRiskLevels}, {"userRiskLevels", c.UserRiskLevels}, {"servicePrincipalRiskLevels", c.ServicePrincipalRiskLevels}} {
		for i, level := range list.levels {
			oneOf(v, "/conditions/"+list.member+"/"+strconv.Itoa(i), level, riskLevels)
		}
	}
	for _, level := range flags(c.InsiderRiskLevels) {
		oneOf(v, "/conditions/insiderRiskLevels", InsiderRisk(level), insiderLevels)
	}
	if c.AgentIDRiskLevels != "" {
		v.notSupported("/conditions/agentIdRiskLevels", "Agent risk levels")
	}
}

// Risky returns the pointers of the policy's conditions on risk. They need a P2 licence in Entra, and are not measured here.
func (p Policy) Risky() []string {
	c := p.Conditions
	var pointers []string
	for _, condition := range []struct {
		used    bool
		pointer string
	}{
		{len(c.SignInRiskLevels) > 0, "/conditions/signInRiskLevels"}, {len(c.UserRiskLevels) > 0, "/conditions/userRiskLevels"},
		{len(c.ServicePrincipalRiskLevels) > 0, "/conditions/servicePrincipalRiskLevels"}, {c.InsiderRiskLevels != "", "/conditions/insiderRiskLevels"},
	} {
		if condition.used {
			pointers = append(pointers, condition.pointer)
		}
	}
	return pointers
}

// measured refuses a policy that is On and about a risk: an unknown risk is in scope, so the policy would be about everybody.
func (v *validation) measured(p Policy) {
	if p.State != Enabled {
		return
	}
	for _, pointer := range p.Risky() {
		v.add(pointer, "Remove the condition, or set the policy to report-only, where an unknown risk counts as in scope.",
			"This server measures no risk, so the policy cannot be set On.")
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
	if needs&controlStrengthUnknown != 0 {
		v.add("/grantControls/authenticationStrength/id", "Use one of the built-in strengths: "+StrengthMFA+" (multifactor authentication), "+
			StrengthPasswordless+" (passwordless), "+StrengthPhishingResistant+" (phishing-resistant).",
			"There is no authentication strength %q.", g.AuthenticationStrength.ID).Code = codeSchema
	}
	if needs&controlMFA != 0 && needs&strengths != 0 {
		v.add("/grantControls/authenticationStrength", "Keep one of the two.", "mfa and an authentication strength exclude each other.")
	}
	if missing := needs &^ enforceable &^ controlStrengthUnknown; missing != 0 && p.State == Enabled {
		v.add("/grantControls", "Remove the control, or set the policy to report-only, where it shows as not met.",
			"This server cannot enforce %s, so the policy cannot be set On.", strings.Join(missing.names(), ", "))
	}
}

// passwordChange checks what a password change goes with: everywhere, for risky users, together with a second factor.
func (v *validation) passwordChange(p Policy) {
	if p.GrantControls.controls()&controlPasswordChange == 0 {
		return
	}
	c, g := p.Conditions, p.GrantControls
	other := c.Platforms != nil || c.Locations != nil || c.Devices != nil || c.AuthenticationFlows != nil || len(c.SignInRiskLevels) > 0 ||
		c.InsiderRiskLevels != "" || !unconfigured(c.ClientAppTypes)
	switch {
	case !slices.Equal(c.Applications.IncludeApplications, []string{All}) || len(c.Applications.ExcludeApplications) > 0,
		len(c.UserRiskLevels) == 0, other, g.controls()&(controlMFA|strengths) == 0, g.Operator != "AND":
		v.add("/grantControls/builtInControls", "Include All resources without exclusions, set userRiskLevels and no other condition, and demand mfa AND passwordChange.",
			"Policy validation failed due to InvalidPasswordResetControl.").Code = codePasswordChange
	}
}

// session checks the values of controls, those included that are only kept.
func (v *validation) session(p Policy) {
	s := p.SessionControls
	if s == nil {
		return
	}
	if c := s.CloudAppSecurity; c != nil && c.CloudAppSecurityType != "" {
		oneOf(v, "/sessionControls/cloudAppSecurity/cloudAppSecurityType", c.CloudAppSecurityType, []string{"mcasConfigured", "monitorOnly", "blockDownloads"})
	}
	if b := s.PersistentBrowser; b != nil && (b.IsEnabled || b.Mode != "") {
		const pointer = "/sessionControls/persistentBrowser"
		oneOf(v, pointer+"/mode", b.Mode, persistentModes)
		if b.IsEnabled && !slices.Contains(p.Conditions.Applications.IncludeApplications, All) {
			v.add(pointer, "Include All resources, or remove the control.", "A browser has one session for all resources, so the control needs all of them.")
		}
	}
	if c := s.ContinuousAccessEvaluation; c != nil {
		oneOf(v, "/sessionControls/continuousAccessEvaluation/mode", c.Mode, []string{"strictEnforcement", "disabled", "strictLocation"})
	}
	if f := s.SignInFrequency; f != nil {
		v.frequency(f)
	}
}

// maxFrequency bounds a sign-in frequency.
const maxFrequency = 365 * 24 * time.Hour

func (v *validation) frequency(f *SignInFrequency) {
	const pointer = "/sessionControls/signInFrequency"
	for _, member := range []struct {
		name, value string
		values      []string
	}{
		{"type", f.Type, frequencyTypes}, {"frequencyInterval", f.FrequencyInterval, frequencyIntervals},
		{"authenticationType", f.AuthenticationType, frequencyAuthentications},
	} {
		if member.value != "" {
			oneOf(v, pointer+"/"+member.name, member.value, member.values)
		}
	}
	if f.FrequencyInterval == timeBased && f.AuthenticationType == secondaryAuthentication {
		v.add(pointer, "Use primaryAndSecondaryAuthentication, or everyTime.", "timeBased goes with primaryAndSecondaryAuthentication only.").Code = 1104
	}
	if !f.IsEnabled || f.FrequencyInterval == everyTime {
		return
	}
	if f.Value == nil || f.Type == "" {
		v.add(pointer, "Set value and type, such as 4 hours, or frequencyInterval to everyTime.", "The frequency has no value, or no unit.")
		return
	}
	if age, ok := f.period(); !ok || age > maxFrequency {
		v.add(pointer+"/value", "Use a value between 1 hour and 365 days.", "%d %s is no sign-in frequency.", *f.Value, f.Type)
	}
}

// everyTimeAge is how old a sign-in may be where one is demanded every time. It is not zero, for a client that has just
// signed the person in redeems a code and asks for its tokens; nor longer than a registration takes a sign-in to be fresh.
const everyTimeAge = 10 * time.Minute

// period returns a time-based frequency; ok is false where it is none.
func (f *SignInFrequency) period() (age time.Duration, ok bool) {
	unit := map[string]time.Duration{"hours": time.Hour, "days": 24 * time.Hour}[f.Type]
	if f.Value == nil || *f.Value < 1 || unit == 0 || *f.Value > int(maxFrequency/time.Hour) {
		return 0, false
	}
	return time.Duration(*f.Value) * unit, true
}

// maxAge returns how long ago the person may have proven who they are, if the controls limit that. A frequency that cannot
// be read is the shortest.
func (s *SessionControls) maxAge() (age time.Duration, limited bool) {
	if s == nil || s.SignInFrequency == nil || !s.SignInFrequency.IsEnabled {
		return 0, false
	}
	age, ok := s.SignInFrequency.period()
	if !ok || s.SignInFrequency.FrequencyInterval == everyTime {
		return everyTimeAge, true
	}
	return age, true
}

// persistence returns what the controls say of browser sessions that outlive the browser; "" for nothing.
func (s *SessionControls) persistence() PersistentBrowserMode {
	if s == nil || s.PersistentBrowser == nil || !s.PersistentBrowser.IsEnabled {
		return ""
	}
	return s.PersistentBrowser.Mode
}

// enforcedSessionControls returns the session controls that the policy switches on and this server enforces, under the names
// that logs have for them.
func (p Policy) enforcedSessionControls() []string {
	names := []string{}
	if _, limited := p.SessionControls.maxAge(); limited {
		names = append(names, frequencyControl...)
	}
	if p.RequiresTokenProtection() {
		names = append(names, protectionControl...)
	}
	if p.SessionControls.persistence() != "" {
		names = append(names, "PersistentBrowserSessionMode")
	}
	return names
}

// The session controls that can be unmet, under their names in the log.
var (
	frequencyControl  = []string{string(RequireRecentSignIn)}
	protectionControl = []string{string(RequireTokenProtection)}
	bothControls      = slices.Concat(frequencyControl, protectionControl)
)

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
