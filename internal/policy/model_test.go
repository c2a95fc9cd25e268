package policy

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/aadsts"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
)

// The model is Conditional Access once more, written from its description without indexes, masks or ranks: slow, and with
// nothing in common with the evaluator but the documents that both read.
type model struct {
	policies []Policy
	facts    Facts
}

// part is what the model says of one policy.
type part struct {
	result                 Result
	satisfied, unsatisfied Condition
	sessionUnmet           []string
	cause                  *aadsts.Error
}

func (m model) part(p Policy) part {
	if p.State == Disabled {
		return part{result: "notEnabled"}
	}
	relabel := func(r Result) Result {
		if p.State == ReportOnly {
			return Result("reportOnly" + strings.ToUpper(string(r[:1])) + string(r[1:]))
		}
		if r == "interrupted" {
			return "failure"
		}
		return r
	}
	out := part{result: relabel("notApplied")}
	if !m.aboutApplication(p.Conditions.Applications) {
		out.unsatisfied = 1
		return out
	}
	who, about := Condition(2), m.aboutUser(p.Conditions.Users)
	if m.facts.ServicePrincipal != "" {
		who, about = 8192, m.aboutWorkload(p.Conditions.ClientApplications)
	}
	if !about {
		out.satisfied, out.unsatisfied = 1, who
		return out
	}
	out.satisfied = 1 + who
	look := func(flag Condition, configured, holds bool) {
		switch {
		case configured && holds:
			out.satisfied += flag
		case configured:
			out.unsatisfied += flag
		}
	}
	c := p.Conditions
	look(4, c.Platforms != nil, c.Platforms == nil || m.aboutPlatform(*c.Platforms))
	look(16, len(c.ClientAppTypes) > 0 && c.ClientAppTypes[0] != "all", m.aboutClient(c.ClientAppTypes))
	look(256, c.Devices != nil, c.Devices == nil || m.aboutDevice(*c.Devices.DeviceFilter))
	look(32768, c.AuthenticationFlows != nil, c.AuthenticationFlows == nil || m.aboutFlow(c.AuthenticationFlows.TransferMethods))
	look(8+1024, c.Locations != nil, c.Locations == nil || m.aboutPlace(*c.Locations))
	look(32, len(c.SignInRiskLevels) > 0, m.aboutRisk(c.SignInRiskLevels, m.facts.SignInRisk))
	look(64, len(c.UserRiskLevels) > 0, m.aboutRisk(c.UserRiskLevels, m.facts.UserRisk))
	look(16384, len(c.ServicePrincipalRiskLevels) > 0, m.aboutRisk(c.ServicePrincipalRiskLevels, m.facts.ServicePrincipalRisk))
	look(65536, c.InsiderRiskLevels != "", m.facts.InsiderRisk == "" || strings.Contains(c.InsiderRiskLevels, string(m.facts.InsiderRisk)))
	if out.unsatisfied != 0 {
		return out
	}
	outcome := Result("success")
	outcome, out.cause, out.sessionUnmet = m.controls(p)
	out.result = relabel(outcome)
	return out
}

func (m model) aboutApplication(a Applications) bool {
	for _, action := range a.IncludeUserActions {
		if action == string(m.facts.UserAction) {
			return true
		}
	}
	for _, id := range a.IncludeAuthenticationContextClassReferences {
		if slices.Contains(m.facts.Contexts, id) {
			return true
		}
	}
	azure := func(id directory.AppID) bool { return id == directory.AzureManagement || id == directory.AzurePortal }
	names := func(list []string, id directory.AppID, portal bool) bool {
		office := id == directory.ExchangeOnline || id == directory.SharePointOnline || id == directory.TeamsServices
		return slices.Contains(list, "All") || slices.Contains(list, string(id)) || office && slices.Contains(list, "Office365") ||
			(portal || azure(id)) && slices.Contains(list, "MicrosoftAdminPortals")
	}
	known := slices.DeleteFunc(slices.Clone(m.facts.Audiences), func(id directory.AppID) bool { return id == "" })
	if len(known) == 0 {
		somethingElse := len(m.facts.Audiences) == 0 && (m.facts.UserAction != "" || len(m.facts.Contexts) > 0)
		return !somethingElse && len(a.IncludeApplications) > 0 && !slices.Equal(a.IncludeApplications, []string{"None"})
	}
	is, isNot := m.facts.Client == directory.CommandLine, m.facts.Client != "" && m.facts.Client != directory.CommandLine
	return slices.ContainsFunc(known, func(id directory.AppID) bool {
		return names(a.IncludeApplications, id, !isNot) && !names(a.ExcludeApplications, id, is)
	})
}

func (m model) aboutWorkload(a *ClientApplications) bool {
	names := func(ids []string) bool {
		return slices.Contains(ids, "ServicePrincipalsInMyTenant") || slices.Contains(ids, string(m.facts.ServicePrincipal))
	}
	return a != nil && names(a.IncludeServicePrincipals) && !names(a.ExcludeServicePrincipals)
}

// aboutGuest says whether the facts may be those of a guest that e is about, and whether they certainly are.
func (m model) aboutGuest(e *ExternalUsers) (may, must bool) {
	if e == nil || !m.facts.Guest {
		return false, false
	}
	for _, kind := range strings.Split(e.GuestOrExternalUserTypes, ",") {
		home := e.ExternalTenants == nil || e.ExternalTenants.MembershipKind == "all" || kind == "internalGuest" ||
			slices.Contains(e.ExternalTenants.Members, string(m.facts.HomeTenant))
		switch string(m.facts.ExternalKind) {
		case kind:
			may, must = may || home || m.facts.HomeTenant == "", must || home
		case "":
			may = may || home || m.facts.HomeTenant == ""
		}
	}
	return may, must
}

// aboutPlace looks at each address of the locations by itself.
func (m model) aboutPlace(l Locations) bool {
	at := func(id string) (may, must bool) {
		if id == "All" {
			return true, true
		}
		for _, known := range someLocations {
			if known.ID != id && (id != "AllTrusted" || !known.Trusted) {
				continue
			}
			if known.Kind == CountryLocation {
				in := slices.Contains(known.Countries, m.facts.Country) || m.facts.Country == "??" && known.IncludeUnknown
				return in || m.facts.Country == "" || m.facts.Country == "??", in
			}
			in := slices.ContainsFunc(known.Ranges, func(r netip.Prefix) bool { return r.Contains(m.facts.Address.Unmap()) })
			return in || !m.facts.Address.IsValid(), in
		}
		return !m.facts.Address.IsValid(), false
	}
	return slices.ContainsFunc(l.IncludeLocations, func(id string) bool { may, _ := at(id); return may }) &&
		!slices.ContainsFunc(l.ExcludeLocations, func(id string) bool { _, must := at(id); return must })
}

func (m model) aboutRisk(levels []RiskLevel, level RiskLevel) bool {
	return len(levels) == 0 || level == "" || level == "hidden" || slices.Contains(levels, level)
}

func (m model) aboutUser(u Users) bool {
	named := func(users, groups, roles []string) bool {
		for _, id := range users {
			if id == "All" || id == string(m.facts.User) || id == "GuestsOrExternalUsers" && m.facts.Guest {
				return true
			}
		}
		for _, id := range groups {
			if m.facts.Groups[directory.ObjectID(id)] {
				return true
			}
		}
		for _, id := range roles {
			if m.facts.Roles[directory.Role(id)] {
				return true
			}
		}
		return false
	}
	mayBe, _ := m.aboutGuest(u.IncludeGuestsOrExternalUsers)
	_, mustNot := m.aboutGuest(u.ExcludeGuestsOrExternalUsers)
	return (mayBe || named(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles)) && !mustNot && !named(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles)
}

func (m model) aboutPlatform(p Platforms) bool {
	switch m.facts.Platform {
	case "windows", "windowsPhone", "macOS", "iOS", "android", "linux":
		in := slices.Contains(p.IncludePlatforms, "all") || slices.Contains(p.IncludePlatforms, m.facts.Platform)
		return in && !slices.Contains(p.ExcludePlatforms, m.facts.Platform)
	}
	return true
}

func (m model) aboutClient(types []ClientAppType) bool {
	for _, t := range types {
		if t == "all" || t == m.facts.ClientApp || t == "easSupported" && m.facts.ClientApp == "exchangeActiveSync" {
			return true
		}
	}
	return !slices.Contains([]ClientAppType{"browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "other"}, m.facts.ClientApp)
}

func (m model) aboutDevice(f Filter) bool {
	rule, err := devicefilter.Parse(f.Rule)
	if err != nil {
		panic(err)
	}
	return rule.Match(m.facts.Device) == (f.Mode == "include")
}

func (m model) aboutFlow(methods string) bool {
	known := slices.Contains([]string{"none", "deviceCodeFlow", "authenticationTransfer"}, m.facts.TransferMethod)
	return !known || strings.Contains(methods, m.facts.TransferMethod)
}

// controls says what comes of a policy that applies.
func (m model) controls(p Policy) (outcome Result, cause *aadsts.Error, unmetSession []string) {
	protects := p.SessionControls != nil && p.SessionControls.SecureSignInSession != nil && p.SessionControls.SecureSignInSession.IsEnabled
	var needs, unmet []string
	either := false
	if g := p.GrantControls; g != nil {
		needs, either = slices.Clone(g.BuiltInControls), g.Operator == "OR"
		if g.AuthenticationStrength != nil {
			needs = append(needs, map[string]string{"2": "mfa", "3": "passkey", "4": "passkey"}[g.AuthenticationStrength.ID[35:]])
		}
	}
	f := m.facts
	met := map[string]bool{"mfa": f.MultiFactor || f.Passkey, "passkey": f.Passkey, "compliantDevice": f.Compliant, "domainJoinedDevice": f.HybridJoined}
	for _, name := range needs {
		if !met[name] {
			unmet = append(unmet, name)
		}
	}
	if either && len(unmet) < len(needs) {
		unmet = nil
	}
	has := func(name string) bool { return slices.Contains(unmet, name) }
	if has("block") {
		return "failure", aadsts.BlockedByConditionalAccess, nil
	}
	if m.tooOld(p) {
		unmetSession = append(unmetSession, "SignInFrequency")
	}
	unbound := protects && f.Binding.Status != "bound"
	if unbound {
		unmetSession = append(unmetSession, "SignInTokenProtection")
	}
	promptable := len(unmet) > 0
	for _, name := range unmet {
		if prompt := name == "mfa" || name == "passkey"; !prompt && !either {
			promptable = false
		}
	}
	promptable = promptable && (has("mfa") || has("passkey"))
	switch {
	case unbound:
		return "failure", aadsts.TokenProtectionRequired, unmetSession
	case promptable:
		return "interrupted", aadsts.MultiFactorRequired, unmetSession
	case has("compliantDevice"):
		return "failure", aadsts.DeviceNotCompliant, unmetSession
	case has("domainJoinedDevice"):
		return "failure", aadsts.DeviceNotHybridJoined, unmetSession
	case len(unmet) > 0:
		return "failure", aadsts.ControlCannotBeMet, unmetSession
	case len(unmetSession) > 0:
		return "interrupted", aadsts.SignInTooOld, unmetSession
	}
	return "success", nil, nil
}

func (m model) tooOld(p Policy) bool {
	if p.SessionControls == nil || p.SessionControls.SignInFrequency == nil || m.facts.ServicePrincipal != "" {
		return false
	}
	f := p.SessionControls.SignInFrequency
	limit := 10 * time.Minute
	if f.FrequencyInterval == "timeBased" {
		limit = time.Duration(*f.Value) * map[string]time.Duration{"hours": time.Hour, "days": 24 * time.Hour}[f.Type]
	}
	return m.facts.AuthTime.IsZero() || m.facts.AuthTime.Add(limit).Before(m.facts.At)
}

// cause returns the id of the policy in this state that gives the cause, and the refusal.
func (m model) cause(s State) (string, *aadsts.Error) {
	order := [][]*aadsts.Error{{aadsts.BlockedByConditionalAccess}, {aadsts.TokenProtectionRequired},
		{aadsts.DeviceNotCompliant, aadsts.DeviceNotHybridJoined, aadsts.ControlCannotBeMet}, {aadsts.MultiFactorRequired}, {aadsts.SignInTooOld}}
	for _, rank := range order {
		var named string
		var cause *aadsts.Error
		for _, p := range m.policies {
			c := m.part(p).cause
			if p.State != s || c == nil || !slices.Contains(rank, c) {
				continue
			}
			if m.asksForPasskey(p) {
				return p.ID, c
			}
			if cause == nil {
				named, cause = p.ID, c
			}
		}
		if cause != nil {
			return named, cause
		}
	}
	return "", nil
}

// asksForPasskey reports whether what p asks for can be had by a passkey only: it comes before any other second factor.
func (m model) asksForPasskey(p Policy) bool {
	g := p.GrantControls
	return m.part(p).cause == aadsts.MultiFactorRequired && g.AuthenticationStrength != nil && g.AuthenticationStrength.ID != StrengthMFA
}

func (m model) status() AccessStatus {
	status := AccessStatus("notApplied")
	for _, p := range m.policies {
		switch m.part(p).result {
		case "failure":
			return "failure"
		case "success":
			status = "success"
		}
	}
	return status
}

// agree compares the evaluator with the model, and the fast path with the full one.
func agree(t testing.TB, policies []Policy, f Facts) {
	t.Helper()
	s := mustSet(t, policies...)
	v, m := s.Evaluate(f), model{policies, f}
	if decision := s.Decide(f); decision != v.Decision {
		t.Fatalf("Decide = %+v, Evaluate = %+v", decision, v.Decision)
	}
	id, err := m.cause(Enabled)
	wouldID, wouldErr := m.cause(ReportOnly)
	if v.Cause.PolicyID != id || v.Cause.Err != err || v.WouldBe.PolicyID != wouldID || v.WouldBe.Err != wouldErr || v.Status != m.status() {
		t.Fatalf("Evaluate(%+v) with %+v\n = %+v,\nthe model: %s %v, %s %v, %s", f, policies, v.Decision, id, err, wouldID, wouldErr, m.status())
	}
	for i, p := range policies {
		want, got := m.part(p), v.Applied[i]
		unmet := got.SessionControlsNotSatisfied()
		if got.Result() != want.result || got.Satisfied != want.satisfied || got.NotSatisfied != want.unsatisfied || !slices.Equal(unmet, want.sessionUnmet) {
			t.Fatalf("policy %+v on %+v:\n got %s %d/%d %q\nwant %+v", p, f, got.Result(), got.Satisfied, got.NotSatisfied, unmet, want)
		}
	}
}

// pick returns one of options, and picks returns some.
func pick[T any](r *rand.Rand, options ...T) T { return options[r.IntN(len(options))] }

func picks[T any](r *rand.Rand, options ...T) []T {
	var some []T
	for _, o := range options {
		if r.IntN(3) == 0 {
			some = append(some, o)
		}
	}
	return some
}

func orElse[T any](some []T, otherwise T) []T {
	if len(some) == 0 {
		return []T{otherwise}
	}
	return some
}

func randomPolicy(r *rand.Rand, id string) Policy {
	exchange, sharePoint := string(directory.ExchangeOnline), string(directory.SharePointOnline)
	p := Policy{ID: id, DisplayName: "policy " + id, State: pick(r, Enabled, ReportOnly, Disabled)}
	c := &p.Conditions
	c.Applications.IncludeApplications = pick(r, []string{All}, []string{None}, []string{Office365}, orElse(picks(r, exchange, otherApp, Office365, AdminPortals, string(directory.AzureManagement)), sharePoint))
	c.Applications.ExcludeApplications = pick(r, nil, picks(r, exchange, otherApp, Office365, AdminPortals))
	switch r.IntN(8) {
	case 0:
		c.Applications = Applications{IncludeUserActions: orElse(picks(r, string(RegisterDevice)), string(RegisterSecurityInformation))}
	case 1:
		c.Applications = Applications{IncludeAuthenticationContextClassReferences: orElse(picks(r, "c1", "c2"), "c3")}
	}
	c.Users.IncludeUsers = pick(r, []string{All}, []string{All}, []string{None}, picks(r, pilot, stranger, GuestsOrExternalUsers))
	c.Users.IncludeGroups, c.Users.IncludeRoles = picks(r, pilotGroup, breakGlass), picks(r, admin)
	if len(c.Users.IncludeUsers)+len(c.Users.IncludeGroups)+len(c.Users.IncludeRoles) == 0 {
		c.Users.IncludeUsers = []string{All}
	}
	if r.IntN(3) == 0 {
		c.Users.ExcludeUsers, c.Users.ExcludeGroups, c.Users.ExcludeRoles = picks(r, pilot, GuestsOrExternalUsers), picks(r, breakGlass), picks(r, admin)
	}
	if r.IntN(4) == 0 {
		c.Users.IncludeGuestsOrExternalUsers = randomExternals(r)
	}
	if r.IntN(4) == 0 {
		c.Users.ExcludeGuestsOrExternalUsers = randomExternals(r)
	}
	if r.IntN(5) == 0 {
		c.Users = Users{IncludeUsers: []string{None}}
		c.ClientApplications = &ClientApplications{IncludeServicePrincipals: pick(r, []string{OwnServicePrincipals}, orElse(picks(r, robot), pilot)), ExcludeServicePrincipals: picks(r, robot)}
	}
	if r.IntN(3) == 0 {
		c.Locations = &Locations{pick(r, []string{All}, orElse(picks(r, AllTrusted, office, annexe, atHome), nowhere)), picks(r, AllTrusted, office, atHome, nowhere, MFATrustedIPs)}
	}
	if r.IntN(4) == 0 {
		c.SignInRiskLevels, c.UserRiskLevels = picks(r, RiskNone, RiskLow, RiskHigh), picks(r, RiskMedium, RiskHigh)
		c.ServicePrincipalRiskLevels, c.InsiderRiskLevels = picks(r, RiskHigh), pick(r, "", "minor", "minor,elevated")
	}
	c.ClientAppTypes = pick(r, nil, []ClientAppType{AllClientApps}, orElse(picks(r, Browser, MobileAppsAndDesktopClients, EASSupported), OtherClients))
	if r.IntN(2) == 0 {
		c.Platforms = &Platforms{pick(r, []Platform{AllPlatforms}, orElse(picks(r, MacOS, IOS, Linux), Windows)), picks(r, MacOS, Windows)}
	}
	if r.IntN(3) == 0 {
		c.Devices = &Devices{DeviceFilter: &Filter{pick(r, "include", "exclude"), pick(r, `trustType -eq "AzureAD"`, `systemLabels -notContains "CloudPC"`, `isCompliant -eq True`)}}
	}
	if r.IntN(5) == 0 {
		c.AuthenticationFlows = &AuthenticationFlows{pick(r, "deviceCodeFlow", "authenticationTransfer", "deviceCodeFlow,authenticationTransfer")}
	}
	if r.IntN(2) == 0 {
		p.SessionControls = &SessionControls{SecureSignInSession: &Switch{r.IntN(4) > 0}}
	}
	if r.IntN(4) == 0 {
		value := 1 + r.IntN(30)
		if p.SessionControls == nil {
			p.SessionControls = &SessionControls{}
		}
		p.SessionControls.SignInFrequency = &SignInFrequency{IsEnabled: true, Value: &value, Type: pick(r, "hours", "days"), FrequencyInterval: pick(r, "timeBased", "timeBased", "everyTime")}
	}
	if r.IntN(2) == 0 {
		p.GrantControls = &GrantControls{Operator: pick(r, "AND", "OR"),
			BuiltInControls: pick(r, []string{"block"}, orElse(picks(r, "mfa", "compliantDevice", "domainJoinedDevice", "passwordChange"), "mfa"))}
		if r.IntN(3) == 0 {
			p.GrantControls.BuiltInControls = picks(r, "compliantDevice", "domainJoinedDevice")
			p.GrantControls.AuthenticationStrength = &AuthenticationStrength{ID: pick(r, StrengthMFA, StrengthPasswordless, StrengthPhishingResistant)}
		}
	}
	return p
}

func randomExternals(r *rand.Rand) *ExternalUsers {
	return &ExternalUsers{
		GuestOrExternalUserTypes: strings.Join(orElse(picks(r, "internalGuest", "b2bCollaborationGuest"), "serviceProvider"), ","),
		ExternalTenants:          pick(r, nil, &ExternalTenants{"all", nil}, &ExternalTenants{"enumerated", []string{fabrikam}}),
	}
}

func randomPolicies(r *rand.Rand) []Policy {
	policies := make([]Policy, r.IntN(6))
	for i := range policies {
		policies[i] = randomPolicy(r, string(rune('a'+i)))
	}
	return policies
}

func randomFacts(r *rand.Rand) Facts {
	f := Facts{User: pick[directory.ObjectID](r, pilot, stranger), Guest: r.IntN(4) == 0, Groups: map[directory.ObjectID]bool{}, Roles: map[directory.Role]bool{},
		Audiences: orElse(picks(r, directory.ExchangeOnline, directory.TeamsServices, otherApp, ""), directory.SharePointOnline),
		ClientApp: pick(r, "", "television", Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, OtherClients),
		Platform:  pick(r, UnknownPlatform, "beos", Windows, MacOS, Linux, Android), TransferMethod: pick(r, "", "none", "none", "deviceCodeFlow", "authenticationTransfer"),
		MultiFactor: r.IntN(2) == 0, Compliant: r.IntN(2) == 0, HybridJoined: r.IntN(2) == 0, Binding: pick(r, bound, judgement(CodeNoBroker, ReasonNoProof), Binding{}),
		Device: pick(r, nil, devicefilter.FromDevice(*laptop()), devicefilter.FromDevice(*laptop(label("CloudPC")))),
		Client: pick(r, "", directory.CommandLine, otherApp), Passkey: r.IntN(4) == 0,
		At: noon, AuthTime: pick(r, time.Time{}, noon, noon.Add(-15*time.Minute), noon.Add(-5*time.Hour), noon.Add(-80*time.Hour)),
		Address: pick(r, netip.Addr{}, netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("::ffff:203.0.113.255"), netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("198.51.100.127"), netip.MustParseAddr("198.51.100.128")),
		Country: pick(r, "", UnknownCountry, "DE", "CH", "FR"), SignInRisk: pick(r, "", RiskNone, RiskHigh, RiskHidden), UserRisk: pick(r, "", RiskNone, RiskMedium),
		ServicePrincipalRisk: pick(r, "", RiskHigh, RiskLow), InsiderRisk: pick(r, "", InsiderNone, InsiderMinor, InsiderElevated)}
	if f.Guest {
		f.ExternalKind, f.HomeTenant = pick(r, "", InternalGuest, CollaborationGuest, ServiceProvider), pick[directory.TenantID](r, "", fabrikam, pilot)
	}
	switch r.IntN(8) {
	case 0:
		f.ServicePrincipal, f.User, f.Guest = pick[directory.ObjectID](r, robot, pilot, stranger), "", false
	case 1:
		f.UserAction = pick(r, RegisterDevice, RegisterSecurityInformation)
		f.Audiences = pick(r, nil, f.Audiences)
	case 2:
		f.Contexts = orElse(picks(r, "c1"), "c2")
	}
	for _, id := range picks[directory.ObjectID](r, pilotGroup, breakGlass, stranger) {
		f.Groups[id] = r.IntN(4) > 0
	}
	for _, id := range picks(r, directory.ConditionalAccessAdministrator, directory.SecurityReader) {
		f.Roles[id] = true
	}
	return f
}

func TestTheEvaluatorAgreesWithTheModel(t *testing.T) { // P18
	r := rand.New(rand.NewPCG(7, 8))
	for range 20000 {
		agree(t, randomPolicies(r), randomFacts(r))
	}
}

// BenchmarkAMillionVerdicts holds the evaluator against the model on a million random requests. // P18
func BenchmarkAMillionVerdicts(b *testing.B) {
	seed := uint64(15)
	for b.Loop() {
		r := rand.New(rand.NewPCG(seed, 16))
		for range 1_000_000 {
			agree(b, randomPolicies(r), randomFacts(r))
		}
		seed++
	}
}

func FuzzEvaluate(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		agree(t, randomPolicies(r), randomFacts(r))
	})
}

// P09: a report-only policy says of every request what it would say if it were On, under another label, and never refuses.
func TestReportOnlyIsEnforcedRelabelled(t *testing.T) {
	labels := map[Result][]Result{
		ResultReportOnlySuccess: {ResultSuccess}, ResultReportOnlyFailure: {ResultFailure},
		ResultReportOnlyInterrupted: {ResultFailure}, ResultReportOnlyNotApplied: {ResultNotApplied},
	}
	r := rand.New(rand.NewPCG(9, 10))
	for range 10000 {
		policies, f := randomPolicies(r), randomFacts(r)
		inState := func(s State) Verdict {
			for i := range policies {
				policies[i].State = s
			}
			return mustSet(t, policies...).Evaluate(f)
		}
		enforced, reported := inState(Enabled), inState(ReportOnly)
		if reported.Err() != nil || enforced.WouldBe.Refuses() || reported.WouldBe != enforced.Cause || reported.Status != AccessNotApplied {
			t.Fatalf("enforced %+v, report-only %+v", enforced.Decision, reported.Decision)
		}
		for i := range policies {
			e, o := enforced.Applied[i], reported.Applied[i]
			if !slices.Contains(labels[o.Result()], e.Result()) || e.Satisfied != o.Satisfied || e.NotSatisfied != o.NotSatisfied || e.Reason() != o.Reason() ||
				!cmp.Equal(e.SessionControlsNotSatisfied(), o.SessionControlsNotSatisfied()) || !cmp.Equal(e.GrantControlsNotSatisfied(), o.GrantControlsNotSatisfied()) {
				t.Fatalf("policy %+v on %+v: enforced %+v, report-only %+v", policies[i], f, lineOf(e), lineOf(o))
			}
		}
	}
}

// noResource takes the resource away from a request that has nothing else to ask for.
func noResource(f *Facts) {
	f.Audiences = nil
	if f.UserAction != "" || len(f.Contexts) > 0 {
		f.Audiences = []directory.AppID{""}
	}
}

// P07: taking a signal away, or making nonsense of it, never turns a refusal into access.
func TestUnknownSignalsNeverOpen(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	spoil := []func(*Facts){
		on(UnknownPlatform), on("beos"), client(""), client("television"), noResource, asking(""), by(""), by("pigeon"),
		func(f *Facts) { f.Binding = Binding{} }, func(f *Facts) { f.Compliant = false }, func(f *Facts) { f.HybridJoined = false }, func(f *Facts) { f.MultiFactor = false },
		func(f *Facts) { f.Passkey = false }, func(f *Facts) { f.AuthTime = time.Time{} }, func(f *Facts) { f.Address = netip.Addr{} }, func(f *Facts) { f.Country = "" },
		func(f *Facts) { f.Client = "" }, func(f *Facts) { f.ExternalKind = "" }, func(f *Facts) { f.HomeTenant = "" },
		func(f *Facts) { f.SignInRisk, f.UserRisk = "", RiskHidden }, func(f *Facts) { f.ServicePrincipalRisk, f.InsiderRisk = "", "" },
	}
	for range 10000 {
		policies, f := randomPolicies(r), randomFacts(r)
		s := mustSet(t, policies...)
		before := s.Decide(f)
		spoilt := f
		for range 1 + r.IntN(3) {
			pick(r, spoil...)(&spoilt)
		}
		after := s.Decide(spoilt)
		if before.Cause.Refuses() && !after.Cause.Refuses() || before.WouldBe.Refuses() && !after.WouldBe.Refuses() {
			t.Fatalf("%+v\nis refused with %+v\nand let in with  %+v", policies, f, spoilt)
		}
	}
}

// P10: there is a cause exactly where some policy in force fails, and the policy that is named is one that fails.
func TestACauseIsAFailingPolicy(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for range 10000 {
		policies, f := randomPolicies(r), randomFacts(r)
		v := mustSet(t, policies...).Evaluate(f)
		failing := map[string]bool{}
		for _, a := range v.Applied {
			if a.Result() == ResultFailure {
				failing[a.PolicyID()] = true
			}
			if a.Reason() == "" {
				t.Fatalf("no reason for %s", a.Result())
			}
		}
		if v.Cause.Refuses() != (len(failing) > 0) || v.Cause.Refuses() != failing[v.Cause.PolicyID] || v.Cause.Refuses() != (v.Err() != nil) {
			t.Fatalf("cause %+v, failing %v", v.Cause, failing)
		}
	}
}
