package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
	sessionUnmet           bool
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
	if !m.aboutUser(p.Conditions.Users) {
		out.satisfied, out.unsatisfied = 1, 2
		return out
	}
	out.satisfied = 3
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
	if out.unsatisfied != 0 {
		return out
	}
	outcome := Result("success")
	outcome, out.cause, out.sessionUnmet = m.controls(p)
	out.result = relabel(outcome)
	return out
}

func (m model) aboutApplication(a Applications) bool {
	names := func(list []string, id directory.AppID) bool {
		office := id == directory.ExchangeOnline || id == directory.SharePointOnline || id == directory.TeamsServices
		return slices.Contains(list, "All") || slices.Contains(list, string(id)) || office && slices.Contains(list, "Office365")
	}
	known := slices.DeleteFunc(slices.Clone(m.facts.Audiences), func(id directory.AppID) bool { return id == "" })
	if len(known) == 0 {
		return !slices.Equal(a.IncludeApplications, []string{"None"})
	}
	return slices.ContainsFunc(known, func(id directory.AppID) bool {
		return names(a.IncludeApplications, id) && !names(a.ExcludeApplications, id)
	})
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
	return named(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles) && !named(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles)
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
func (m model) controls(p Policy) (outcome Result, cause *aadsts.Error, sessionUnmet bool) {
	protects := p.SessionControls != nil && p.SessionControls.SecureSignInSession != nil && p.SessionControls.SecureSignInSession.IsEnabled
	var unmet []string
	met := 0
	if p.GrantControls != nil {
		for _, name := range p.GrantControls.BuiltInControls {
			if name == "mfa" && m.facts.MultiFactor || name == "compliantDevice" && m.facts.Compliant || name == "domainJoinedDevice" && m.facts.HybridJoined {
				met++
			} else {
				unmet = append(unmet, name)
			}
		}
		if p.GrantControls.Operator == "OR" && met > 0 {
			unmet = nil
		}
	}
	has := func(name string) bool { return slices.Contains(unmet, name) }
	switch {
	case has("block"):
		return "failure", aadsts.BlockedByConditionalAccess, false
	case protects && m.facts.Binding.Status != "bound":
		return "failure", aadsts.TokenProtectionRequired, true
	case len(unmet) == 0:
		return "success", nil, false
	case has("mfa") && (len(unmet) == 1 || p.GrantControls.Operator == "OR"):
		return "interrupted", aadsts.MultiFactorRequired, false
	case has("compliantDevice"):
		return "failure", aadsts.DeviceNotCompliant, false
	case has("domainJoinedDevice"):
		return "failure", aadsts.DeviceNotHybridJoined, false
	}
	return "failure", aadsts.ControlCannotBeMet, false
}

// cause returns the id of the policy in this state that gives the cause, and the refusal.
func (m model) cause(s State) (string, *aadsts.Error) {
	order := [][]*aadsts.Error{{aadsts.BlockedByConditionalAccess}, {aadsts.TokenProtectionRequired},
		{aadsts.DeviceNotCompliant, aadsts.DeviceNotHybridJoined, aadsts.ControlCannotBeMet}, {aadsts.MultiFactorRequired}}
	for _, rank := range order {
		for _, p := range m.policies {
			if c := m.part(p).cause; p.State == s && c != nil && slices.Contains(rank, c) {
				return p.ID, c
			}
		}
	}
	return "", nil
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
func agree(t *testing.T, policies []Policy, f Facts) {
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
		unmet := slices.Contains(got.SessionControlsNotSatisfied(), "SignInTokenProtection")
		if got.Result() != want.result || got.Satisfied != want.satisfied || got.NotSatisfied != want.unsatisfied || unmet != want.sessionUnmet {
			t.Fatalf("policy %+v on %+v:\n got %s %d/%d %t\nwant %+v", p, f, got.Result(), got.Satisfied, got.NotSatisfied, unmet, want)
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
	c.Applications.IncludeApplications = pick(r, []string{All}, []string{None}, []string{Office365}, orElse(picks(r, exchange, otherApp, Office365), sharePoint))
	c.Applications.ExcludeApplications = pick(r, nil, picks(r, exchange, otherApp, Office365))
	c.Users.IncludeUsers = pick(r, []string{All}, []string{All}, []string{None}, picks(r, pilot, stranger, GuestsOrExternalUsers))
	c.Users.IncludeGroups, c.Users.IncludeRoles = picks(r, pilotGroup, breakGlass), picks(r, admin)
	if len(c.Users.IncludeUsers)+len(c.Users.IncludeGroups)+len(c.Users.IncludeRoles) == 0 {
		c.Users.IncludeUsers = []string{All}
	}
	if r.IntN(3) == 0 {
		c.Users.ExcludeUsers, c.Users.ExcludeGroups, c.Users.ExcludeRoles = picks(r, pilot, GuestsOrExternalUsers), picks(r, breakGlass), picks(r, admin)
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
	if r.IntN(2) == 0 {
		p.GrantControls = &GrantControls{Operator: pick(r, "AND", "OR"),
			BuiltInControls: pick(r, []string{"block"}, orElse(picks(r, "mfa", "compliantDevice", "domainJoinedDevice", "passwordChange"), "mfa"))}
	}
	return p
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
		Device: pick(r, nil, devicefilter.FromDevice(*laptop()), devicefilter.FromDevice(*laptop(label("CloudPC"))))}
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

// P07: taking a signal away, or making nonsense of it, never turns a refusal into access.
func TestUnknownSignalsNeverOpen(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	spoil := []func(*Facts){
		on(UnknownPlatform), on("beos"), client(""), client("television"), asking(), asking(""), by(""), by("pigeon"),
		func(f *Facts) { f.Binding = Binding{} }, func(f *Facts) { f.Compliant = false }, func(f *Facts) { f.HybridJoined = false }, func(f *Facts) { f.MultiFactor = false },
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
