package policy

import (
	"slices"
	"strings"

	"boundgate/internal/directory"
)

// An Applied is one policy's part in a sign-in: what the sign-in log and What-If say of it.
//
// It is small, since a report has one for every policy of the tenant; its methods give the words.
type Applied struct {
	// Satisfied and NotSatisfied are the conditions that were looked at. Both are zero for a policy that is off.
	Satisfied, NotSatisfied Condition

	policy  *compiled
	outcome outcome
	unmet   controls // grant controls
	unbound bool     // token protection is unmet
	stale   bool     // the sign-in frequency is unmet
}

// outcome is what comes of a policy, whether it is in force or not.
type outcome uint8

const (
	notApplied outcome = iota
	satisfied
	failed
	interrupted // a prompt could still satisfy it
)

// A Condition is a set of conditions, as the flags of conditionsSatisfied and conditionsNotSatisfied. Log Analytics has
// the number, Graph the names.
type Condition int32

// The conditions that are evaluated.
const (
	ConditionApplication          Condition = 1
	ConditionUsers                Condition = 2
	ConditionDevicePlatform       Condition = 4
	ConditionLocation             Condition = 8 | 1024 // location and ipAddressSeenByAzureAD, which come together
	ConditionClientType           Condition = 16
	ConditionSignInRisk           Condition = 32
	ConditionUserRisk             Condition = 64
	ConditionDeviceState          Condition = 256 // the device filter
	ConditionServicePrincipals    Condition = 8192
	ConditionServicePrincipalRisk Condition = 16384
	ConditionAuthenticationFlows  Condition = 32768
	ConditionInsiderRisk          Condition = 65536
)

var conditionNames = []struct {
	flag Condition
	name string
}{
	{ConditionApplication, "application"}, {ConditionUsers, "users"}, {ConditionDevicePlatform, "devicePlatform"}, {8, "location"},
	{ConditionClientType, "clientType"}, {ConditionSignInRisk, "signInRisk"}, {ConditionUserRisk, "userRisk"}, {ConditionDeviceState, "deviceState"},
	{1024, "ipAddressSeenByAzureAD"}, {ConditionServicePrincipals, "servicePrincipals"}, {ConditionServicePrincipalRisk, "servicePrincipalRisk"},
	{ConditionAuthenticationFlows, "authenticationFlows"}, {ConditionInsiderRisk, "insiderRisk"},
}

// String returns the names, comma-separated, or none.
func (c Condition) String() string {
	var names []string
	for _, n := range conditionNames {
		if c&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

// A Result is what came of a policy, in Graph's spelling.
type Result string

// The results.
const (
	ResultSuccess               Result = "success"
	ResultFailure               Result = "failure"
	ResultNotApplied            Result = "notApplied"
	ResultNotEnabled            Result = "notEnabled"
	ResultReportOnlySuccess     Result = "reportOnlySuccess"
	ResultReportOnlyFailure     Result = "reportOnlyFailure"
	ResultReportOnlyNotApplied  Result = "reportOnlyNotApplied"
	ResultReportOnlyInterrupted Result = "reportOnlyInterrupted"
)

// results labels an outcome by the policy's state. It is all that tells report-only from enforced (P09).
var results = map[State][4]Result{
	Enabled:    {ResultNotApplied, ResultSuccess, ResultFailure, ResultFailure},
	ReportOnly: {ResultReportOnlyNotApplied, ResultReportOnlySuccess, ResultReportOnlyFailure, ResultReportOnlyInterrupted},
}

// report fills in the part of each policy of the block. The policies themselves are there already: a report begins as a copy
// of the set's blank one, which is quicker than writing so many pointers.
func (b *block) report(to []Applied, a *assessment) {
	active, refused := b.enabled.or(b.reportOnly), a.unmet[rankBlock]
	for _, unmet := range a.unmet[rankBlock+1:] {
		refused = refused.or(unmet)
	}
	for i := range to {
		if !active.has(i) {
			continue
		}
		applied := &to[i]
		applied.Satisfied, applied.NotSatisfied = b.conditions(i, a)
		if a.applied.has(i) {
			applied.outcome = satisfied
		}
		if refused.has(i) {
			applied.outcome = a.outcomeOf(i)
			applied.unbound, applied.stale = a.unmet[rankTokenProtection].has(i), a.stale.has(i)
			applied.unmet, _ = applied.policy.grant.unmet(a.have)
		}
	}
}

// outcomeOf returns what comes of a policy of which something is unmet.
func (a *assessment) outcomeOf(i int) outcome {
	if a.unmet[rankBlock].has(i) || a.unmet[rankTokenProtection].has(i) || a.unmet[rankGrant].has(i) {
		return failed
	}
	return interrupted
}

// conditions returns the flags of policy i. The application is looked at first, then the users; where one of them fails
// nothing else is. After them every condition that the policy has is looked at, and the others leave no flag.
func (b *block) conditions(i int, a *assessment) (satisfied, not Condition) {
	if !a.app.has(i) {
		return 0, ConditionApplication
	}
	who := ConditionUsers
	if a.workload {
		who = ConditionServicePrincipals
	}
	if !a.user.has(i) {
		return ConditionApplication, who
	}
	satisfied = ConditionApplication | who
	look := func(flag Condition, configured, holds *mask) {
		switch {
		case !configured.has(i):
		case holds.has(i):
			satisfied |= flag
		default:
			not |= flag
		}
	}
	look(ConditionDevicePlatform, &b.platformsSet, &a.platform)
	look(ConditionClientType, &b.clientAppsSet, &a.clientApp)
	look(ConditionDeviceState, &b.filtersSet, &a.filter)
	look(ConditionAuthenticationFlows, &b.flowsSet, &a.flow)
	look(ConditionLocation, &b.places.configured, &a.place)
	look(ConditionSignInRisk, &b.signInRiskSet, &a.signInRisk)
	look(ConditionUserRisk, &b.userRiskSet, &a.userRisk)
	look(ConditionServicePrincipalRisk, &b.clientRiskSet, &a.clientRisk)
	look(ConditionInsiderRisk, &b.insiderRiskSet, &a.insiderRisk)
	return satisfied, not
}

// PolicyID returns the policy's id.
func (a Applied) PolicyID() string { return a.policy.ID }

// DisplayName returns the policy's name.
func (a Applied) DisplayName() string { return a.policy.DisplayName }

// State returns the policy's state.
func (a Applied) State() State { return a.policy.State }

// Result returns what came of the policy.
func (a Applied) Result() Result {
	if a.policy.State == Disabled {
		return ResultNotEnabled
	}
	return results[a.policy.State][a.outcome]
}

// EnforcedGrantControls returns the policy's grant controls under their names in the log; none for a policy that is off.
// The slice is shared and must not be changed.
func (a Applied) EnforcedGrantControls() []string {
	if a.policy.State == Disabled {
		return []string{}
	}
	return a.policy.grantNames
}

// EnforcedSessionControls returns the session controls that this server enforces for the policy; none for a policy that
// is off. The slice is shared and must not be changed.
func (a Applied) EnforcedSessionControls() []string {
	if a.policy.State == Disabled {
		return []string{}
	}
	return a.policy.sessionNames
}

// NotEnforced returns the session controls that the policy switches on and this server does not enforce.
func (a Applied) NotEnforced() []string { return a.policy.notEnforced }

// SessionControlsNotSatisfied returns the session controls that are unmet. A policy that blocks reports none: nothing is
// asked of a session that is refused anyway. The slice is shared and must not be changed.
func (a Applied) SessionControlsNotSatisfied() []string {
	switch {
	case a.unmet&controlBlock != 0:
		return []string{}
	case a.unbound && a.stale:
		return bothControls
	case a.unbound:
		return protectionControl
	case a.stale:
		return frequencyControl
	}
	return []string{}
}

// GrantControlsNotSatisfied returns the grant controls that are unmet, under their names in the log.
func (a Applied) GrantControlsNotSatisfied() []string { return a.unmet.names() }

// Reason says in a sentence why the result is what it is.
func (a Applied) Reason() string {
	if a.policy.State == Disabled {
		return "The policy is off."
	}
	switch a.outcome {
	case notApplied:
		return a.reasonNotApplied()
	case satisfied:
		return "The policy applies, and everything that it requires is met."
	}
	switch {
	case a.unmet&controlBlock != 0:
		return "The policy blocks access."
	case a.unbound:
		return "The policy requires token protection, and the sign-in session is not bound to its device."
	}
	if a.unmet == 0 {
		return requirementReasons[RequireRecentSignIn]
	}
	_, curable := a.policy.grant.unmet(a.policy.grant.needs &^ a.unmet)
	requirement, _ := refusalFor(a.unmet, curable)
	return requirementReasons[requirement]
}

var requirementReasons = map[Requirement]string{
	RequireCompliantDevice:    "The policy requires a compliant device, and the device is not proven to be one.",
	RequireDomainJoinedDevice: "The policy requires a hybrid joined device, and the device is not proven to be one.",
	RequireMFA:                "The policy requires multifactor authentication, and the session carries one factor.",
	RequirePasskey:            "The policy requires an authentication strength that a passkey meets, and the session carries none.",
	RequireRecentSignIn:       "The policy limits the age of a sign-in, and the person proved who they are longer ago.",
	RequireOther:              "The policy requires a control that this server cannot perform.",
}

func (a Applied) reasonNotApplied() string {
	for _, c := range []struct {
		flag Condition
		text string
	}{
		{ConditionApplication, "The policy is not about the resource."},
		{ConditionUsers, "The policy does not include the user, or excludes them."},
		{ConditionServicePrincipals, "The policy does not include the service principal, or excludes it."},
		{ConditionDevicePlatform, "The policy is about other device platforms."},
		{ConditionClientType, "The policy is about other types of client application."},
		{ConditionDeviceState, "The policy's device filter leaves the device out."},
		{ConditionAuthenticationFlows, "The policy is about other authentication flows."},
		{ConditionLocation, "The policy is about other locations."},
		{ConditionSignInRisk, "The policy is about other levels of sign-in risk."},
		{ConditionUserRisk, "The policy is about other levels of user risk."},
		{ConditionServicePrincipalRisk, "The policy is about other levels of service principal risk."},
		{ConditionInsiderRisk, "The policy is about other levels of insider risk."},
	} {
		if a.NotSatisfied&c.flag != 0 {
			return c.text
		}
	}
	return "The policy does not apply."
}

// A RuleSatisfied is one entry of Graph's includeRulesSatisfied or excludeRulesSatisfied.
type RuleSatisfied struct {
	Condition string `json:"conditionalAccessCondition"`
	Rule      string `json:"ruleSatisfied"`
}

// Assumed returns the conditions that hold only because nobody knows the fact that they are about, as What-If shows it. The
// facts are those that were evaluated.
func (a Applied) Assumed(f Facts) Condition {
	resource := len(f.Audiences) == 0 && (f.UserAction != "" || len(f.Contexts) > 0) || slices.ContainsFunc(f.Audiences, func(id directory.AppID) bool { return id != "" })
	var assumed Condition
	for _, fact := range []struct {
		about   Condition
		unknown bool
	}{
		{ConditionApplication, !resource},
		{ConditionUsers, f.User == "" || f.Guest && f.ExternalKind == "" && a.policy.Conditions.Users.IncludeGuestsOrExternalUsers != nil},
		{ConditionDevicePlatform, slotOfPlatform(f.Platform) == unknownSlot},
		{ConditionClientType, slotOfClientApp(f.ClientApp) == unknownSlot},
		{ConditionAuthenticationFlows, slotOfFlow(f.TransferMethod) == unknownSlot},
		{ConditionLocation, a.placeUnknown(&f)},
		{ConditionSignInRisk, slotOfRisk(f.SignInRisk) == unknownSlot},
		{ConditionUserRisk, slotOfRisk(f.UserRisk) == unknownSlot},
		{ConditionServicePrincipalRisk, slotOfRisk(f.ServicePrincipalRisk) == unknownSlot},
		{ConditionInsiderRisk, slotOfInsider(f.InsiderRisk) == unknownSlot},
	} {
		if fact.unknown {
			assumed |= fact.about & a.Satisfied
		}
	}
	return assumed
}

// placeUnknown reports whether nobody knows if the request comes from a place that the policy names.
func (a Applied) placeUnknown(f *Facts) bool {
	return slices.ContainsFunc(slices.Concat(a.policy.inside, a.policy.outside), func(p place) bool { return p.holds(f.Address, f.Country) == nobodyKnows })
}

// Rules returns which of the policy's assignments the facts satisfy, those that include before those that exclude. The
// facts are those that were evaluated. It is worked out when asked for, since only Graph's beta shows it.
func (a Applied) Rules(f Facts) (include, exclude []RuleSatisfied) {
	looked := a.Satisfied | a.NotSatisfied
	r := &rules{facts: &f}
	c := a.policy.Conditions
	if looked&ConditionApplication != 0 {
		r.applications(c.Applications)
	}
	if looked&ConditionUsers != 0 {
		r.users(c.Users)
	}
	if looked&ConditionDevicePlatform != 0 {
		r.platforms(c.Platforms)
	}
	if looked&ConditionDeviceState != 0 {
		r.filter(c.Devices.DeviceFilter.Mode, a.Satisfied&ConditionDeviceState != 0)
	}
	if looked&ConditionLocation != 0 {
		r.locations(a.policy)
	}
	if a.Satisfied&ConditionAuthenticationFlows != 0 && f.TransferMethod != "" {
		r.in("authenticationFlows", f.TransferMethod)
	}
	if a.Satisfied&ConditionInsiderRisk != 0 {
		r.in("insiderRisk", "insiderRisk")
	}
	return r.include, r.exclude
}

// rules collects the assignments that facts satisfy.
type rules struct {
	facts            *Facts
	include, exclude []RuleSatisfied
}

func (r *rules) in(condition, rule string) {
	r.include = append(r.include, RuleSatisfied{condition, rule})
}
func (r *rules) out(condition, rule string) {
	r.exclude = append(r.exclude, RuleSatisfied{condition, rule})
}

func (r *rules) applications(a Applications) {
	const condition = "application"
	applicationRules(a.IncludeApplications, r.facts.Audiences, func(rule string) { r.in(condition, rule) })
	applicationRules(a.ExcludeApplications, r.facts.Audiences, func(rule string) { r.out(condition, rule) })
	if slices.ContainsFunc(a.IncludeAuthenticationContextClassReferences, func(id string) bool { return slices.Contains(r.facts.Contexts, id) }) {
		r.in(condition, "acr")
	}
	for _, list := range []struct {
		ids   []string
		found func(condition, rule string)
	}{{a.IncludeApplications, r.in}, {a.ExcludeApplications, r.out}} {
		if slices.Contains(list.ids, AdminPortals) && r.facts.administers() {
			list.found(condition, "microsoftAdminPortals")
		}
	}
}

func applicationRules(ids []string, audiences []directory.AppID, found func(rule string)) {
	isAudience := func(id string) bool { return slices.Contains(audiences, directory.AppID(id)) }
	if slices.Contains(ids, All) {
		found("allApps")
	}
	if slices.Contains(ids, Office365) && slices.ContainsFunc(office365Applications, func(id directory.AppID) bool { return isAudience(string(id)) }) {
		found("office365")
	}
	if slices.ContainsFunc(ids, isAudience) {
		found("appId")
	}
}

func (r *rules) users(u Users) {
	const condition = "users"
	if slices.Contains(u.IncludeUsers, All) {
		r.in(condition, "allUsers")
	}
	r.people(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles, func(rule string) { r.in(condition, rule) })
	r.people(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles, func(rule string) { r.out(condition, rule) })
	r.guest(u.IncludeGuestsOrExternalUsers, r.in)
	r.guest(u.ExcludeGuestsOrExternalUsers, r.out)
}

// guest finds the kind of guest, whose names are those of the rules.
func (r *rules) guest(e *ExternalUsers, found func(condition, rule string)) {
	if e != nil && r.facts.Guest && e.match(r.facts.ExternalKind, r.facts.HomeTenant) == namedGuest {
		found("users", string(r.facts.ExternalKind))
	}
}

func (r *rules) people(users, groups, roles []string, found func(rule string)) {
	if r.facts.Guest && slices.Contains(users, GuestsOrExternalUsers) {
		found("guest")
	}
	if slices.Contains(users, string(r.facts.User)) {
		found("userId")
	}
	if slices.ContainsFunc(groups, func(id string) bool { return r.facts.Groups[directory.ObjectID(id)] }) {
		found("groupId")
	}
	if slices.ContainsFunc(roles, func(id string) bool { return r.facts.Roles[directory.Role(id)] }) {
		found("roleId")
	}
}

func (r *rules) platforms(p *Platforms) {
	const condition = "devicePlatform"
	known := slotOfPlatform(r.facts.Platform) != unknownSlot
	switch {
	case slices.Contains(p.IncludePlatforms, AllPlatforms):
		r.in(condition, "allDevicePlatforms")
	case !known, slices.Contains(p.IncludePlatforms, r.facts.Platform):
		r.in(condition, "devicePlatform")
	}
	if known && slices.Contains(p.ExcludePlatforms, r.facts.Platform) {
		r.out(condition, "devicePlatform")
	}
}

// locations finds the locations that the request comes from, those included of which nobody knows.
func (r *rules) locations(p *compiled) {
	const condition = "location"
	for _, id := range p.Conditions.Locations.IncludeLocations {
		if id == All {
			r.in(condition, "allLocations")
		}
	}
	for _, at := range p.inside {
		if at.holds(r.facts.Address, r.facts.Country) != outside {
			r.in(condition, locationRule(at.id))
		}
	}
	for _, at := range p.outside {
		if at.holds(r.facts.Address, r.facts.Country) == inside {
			r.out(condition, locationRule(at.id))
		}
	}
}

func locationRule(id string) string {
	if id == AllTrusted {
		return "allTrustedLocations"
	}
	return "locationId"
}

func (r *rules) filter(mode string, holds bool) {
	const condition = "deviceState"
	switch {
	case mode == FilterIncludes && holds:
		r.in(condition, "deviceFilter")
	case mode == FilterIncludes:
		r.out(condition, "deviceFilterIncludeRuleNotMatched")
	case !holds:
		r.out(condition, "deviceFilter")
	}
}
