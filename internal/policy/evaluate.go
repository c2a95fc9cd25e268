package policy

import (
	"slices"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
)

// A Decision is what the policies together say of a sign-in.
type Decision struct {
	// Status is the outcome of the policies in force (Graph's conditionalAccessStatus).
	Status AccessStatus
	// Cause is the one root cause of a refusal (P10); its zero value means that access is granted.
	Cause Cause
	// WouldBe is the cause that the report-only policies would give if they were in force.
	WouldBe Cause
	// PersistentBrowser is what the policies in force say of a browser session that outlives the browser: PersistAlways,
	// PersistNever, or "" where they leave it to the person.
	PersistentBrowser PersistentBrowserMode
}

// PersistentBrowserMode says whether a browser session outlives the browser, in Graph's spelling.
type PersistentBrowserMode string

// The modes of a persistent browser session. Where policies differ, never wins.
const (
	PersistAlways PersistentBrowserMode = "always"
	PersistNever  PersistentBrowserMode = "never"
)

// An AccessStatus is the outcome of a whole sign-in.
type AccessStatus string

// The outcomes. Report-only policies have no part in them.
const (
	AccessSuccess    AccessStatus = "success"
	AccessFailure    AccessStatus = "failure"
	AccessNotApplied AccessStatus = "notApplied"
)

// A Cause is the requirement that a refusal rests on and the policy that makes it.
type Cause struct {
	PolicyID    string
	PolicyName  string
	Requirement Requirement
	// Err is the refusal; nil where there is none.
	Err *aadsts.Error
}

// Refuses reports whether there is a cause.
func (c Cause) Refuses() bool { return c.Err != nil }

// Err returns the refusal, an *aadsts.Error, or nil where access is granted.
func (d Decision) Err() error {
	if d.Cause.Err == nil {
		return nil
	}
	return d.Cause.Err
}

// A Verdict is a decision and what each policy has to do with it.
type Verdict struct {
	Decision
	// Applied has every policy of the set in its order: those that are off and those that do not apply, too.
	Applied []Applied
}

// Decide returns the decision alone. It allocates nothing.
func (s *Set) Decide(f Facts) Decision {
	return s.decide(&f, nil)
}

// Evaluate returns the decision and every policy's part in it. It does not stop at the first refusal.
func (s *Set) Evaluate(f Facts) Verdict {
	applied := slices.Clone(s.blank)
	decision := s.decide(&f, applied)
	return Verdict{Decision: decision, Applied: applied}
}

// decide is the one function behind both, and behind report-only and enforced alike. It fills in report, if there is one.
func (s *Set) decide(f *Facts, report []Applied) Decision {
	applies, refused := false, ranked{}
	var wouldBe ranked
	var persistent PersistentBrowserMode
	for i, b := range s.blocks {
		var a assessment
		b.assess(f, &a)
		inForce := a.applied.and(b.enabled)
		applies = applies || !inForce.empty()
		persistent = b.persistence(inForce, persistent)
		refused.keepWorse(b, &a, b.enabled)
		wouldBe.keepWorse(b, &a, b.reportOnly)
		if report != nil {
			b.report(report[i*blockSize:][:len(b.policies)], &a)
		}
	}
	return Decision{Status: statusOf(applies, refused.Cause), Cause: refused.Cause, WouldBe: wouldBe.Cause, PersistentBrowser: persistent}
}

// persistence adds what the policies that apply say of a browser session to what is said already.
func (b *block) persistence(inForce mask, said PersistentBrowserMode) PersistentBrowserMode {
	switch {
	case said == PersistNever || !inForce.and(b.persistNever).empty():
		return PersistNever
	case said == PersistAlways || !inForce.and(b.persistAlways).empty():
		return PersistAlways
	}
	return ""
}

func statusOf(applies bool, cause Cause) AccessStatus {
	switch {
	case cause.Refuses():
		return AccessFailure
	case applies:
		return AccessSuccess
	}
	return AccessNotApplied
}

// An assessment is what a block's policies have to do with a request, one bit a policy. It takes no notice of whether a
// policy is in force or report-only.
type assessment struct {
	// Which conditions hold. A condition that a policy has not holds.
	app, user, platform, clientApp, flow, filter, place mask
	signInRisk, userRisk, clientRisk, insiderRisk       mask
	applied                                             mask // all of them hold

	workload bool // an application asks for itself, so user is about service principals

	// What is unmet, among the policies that apply, in the order in which it is named as the cause.
	unmet [rankCount]mask
	have  controls
	stale mask // the policies whose sign-in frequency is unmet
}

// rank orders the causes of a refusal: the worse, the lower. Nothing helps against a block; no prompt gives a session the
// binding that it has not; and nobody should be asked for a second factor only to be refused afterwards. A passkey is asked
// for before any second factor, which it is as well, and the sign-in anew last.
type rank int

const (
	rankBlock rank = iota
	rankTokenProtection
	rankGrant     // a grant control that no prompt can meet
	rankPasskey   // a grant control that a passkey can meet
	rankPrompt    // a grant control that any second factor can meet
	rankFrequency // the sign-in is too old
	rankCount
)

// assess fills a, which the caller owns so that it need not be allocated.
func (b *block) assess(f *Facts, a *assessment) {
	a.workload = f.ServicePrincipal != ""
	a.app = b.apps.match(f)
	a.user = b.users.match(f)
	a.platform = b.platforms[slotOfPlatform(f.Platform)]
	a.clientApp = b.clientApps[slotOfClientApp(f.ClientApp)]
	a.flow = b.flows[slotOfFlow(f.TransferMethod)]
	a.signInRisk = b.signInRisk[slotOfRisk(f.SignInRisk)]
	a.userRisk = b.userRisk[slotOfRisk(f.UserRisk)]
	a.clientRisk = b.clientRisk[slotOfRisk(f.ServicePrincipalRisk)]
	a.insiderRisk = b.insiderRisk[slotOfInsider(f.InsiderRisk)]
	a.have = f.have()
	active := b.enabled.or(b.reportOnly)
	inScope := a.app.and(a.user).and(active)
	a.filter = b.matchFilters(f, inScope)
	a.place = b.places.match(f, inScope)
	a.applied = inScope.and(a.platform).and(a.clientApp).and(a.flow).and(a.filter).and(a.place).
		and(a.signInRisk).and(a.userRisk).and(a.clientRisk).and(a.insiderRisk)
	if f.Binding.Status != Bound {
		a.unmet[rankTokenProtection] = a.applied.and(b.tokenProtection)
	}
	for i := range b.frequencies {
		if x := &b.frequencies[i]; f.signInOlderThan(x.maxAge) {
			a.stale = a.stale.or(a.applied.and(x.policies))
		}
	}
	a.unmet[rankFrequency] = a.stale
	for i := range b.grants {
		b.grants[i].assess(a)
	}
}

func (g *grantIndex) assess(a *assessment) {
	policies := a.applied.and(g.policies)
	missing, curable := g.grant.unmet(a.have)
	if missing == 0 || policies.empty() {
		return
	}
	at := rankGrant
	switch {
	case missing&controlBlock != 0:
		at = rankBlock
	case curable && missing&passkeyControls != 0:
		at = rankPasskey
	case curable:
		at = rankPrompt
	}
	a.unmet[at] = a.unmet[at].or(policies)
}

// signInOlderThan reports whether the person proved who they are longer ago than age, or nobody knows when. An application
// that asks for itself proves it with every request.
func (f *Facts) signInOlderThan(age time.Duration) bool {
	return f.ServicePrincipal == "" && (f.AuthTime.IsZero() || f.At.Sub(f.AuthTime) > age)
}

// match returns the policies that are about what is asked for: one of the audiences, the user action, one of the contexts. A
// request whose resource is unknown is about any resource.
func (x *appIndex) match(f *Facts) mask {
	var matched mask
	known := len(f.Audiences) == 0 && (f.UserAction != "" || len(f.Contexts) > 0)
	for _, audience := range f.Audiences {
		if audience == "" {
			continue
		}
		known = true
		named := inOutMasks{include: x.all}
		named.add(x.apps.lookUp(audience))
		switch {
		case f.administers() || slices.Contains(adminResources, audience):
			named.add(&x.portals)
		case f.Client == "":
			named.include = named.include.or(x.portals.include)
		}
		matched = matched.or(named.include.andNot(named.exclude))
	}
	if !known {
		matched = x.any
	}
	if f.UserAction != "" {
		matched = matched.or(x.actions[f.UserAction])
	}
	for _, id := range f.Contexts {
		matched = matched.or(x.contexts[id])
	}
	return matched
}

// administers reports whether the client is known to be one of this server's own administration.
func (f *Facts) administers() bool { return slices.Contains(adminClients, f.Client) }

// match returns the policies that are about whoever asks. Whoever is excluded is out, whatever includes them.
func (x *userIndex) match(f *Facts) mask {
	if f.ServicePrincipal != "" {
		return x.workloads.match(f.ServicePrincipal)
	}
	sum := inOutMasks{include: x.all}
	if f.User == "" {
		sum.include = x.any
	}
	sum.add(x.users.lookUp(f.User))
	if f.Guest {
		sum.add(&x.guests)
		x.addExternals(&sum, f)
	}
	addHeld(&sum, &x.groups, f.Groups)
	addHeld(&sum, &x.roles, f.Roles)
	return sum.include.andNot(sum.exclude)
}

// addExternals adds the policies that name the guest by kind and home. Who may be one of those that a policy names is
// included by it, and not excluded.
func (x *userIndex) addExternals(sum *inOutMasks, f *Facts) {
	for i := range x.externals {
		e := &x.externals[i]
		switch e.ExternalUsers.match(f.ExternalKind, f.HomeTenant) {
		case namedGuest:
			sum.add(&e.inOutMasks)
		case maybeGuest:
			sum.include = sum.include.or(e.include)
		case otherGuest:
		}
	}
}

// match returns the policies that are about a workload identity.
func (x *workloadIndex) match(id directory.ObjectID) mask {
	sum := x.own
	sum.add(x.principals.lookUp(id))
	return sum.include.andNot(sum.exclude)
}

// match returns the policies about the place that the request comes from, of those in scope, and all that name no place. Of
// a place nobody knows the request may come from it: whoever includes it means the request, and whoever excludes it does not.
func (x *placeIndex) match(f *Facts, inScope mask) mask {
	if x.configured.and(inScope).empty() {
		return everyPolicy
	}
	sum := x.all
	for i := range x.places {
		p := &x.places[i]
		if p.include.or(p.exclude).and(inScope).empty() {
			continue
		}
		switch p.holds(f.Address, f.Country) {
		case inside:
			sum.add(&p.inOutMasks)
		case nobodyKnows:
			sum.include = sum.include.or(p.include)
		case outside:
		}
	}
	return everyPolicy.andNot(x.configured).or(sum.include.andNot(sum.exclude))
}

// add takes the policies of o in; nil is none.
func (m *inOutMasks) add(o *inOutMasks) {
	if o == nil {
		return
	}
	for i := range m.include {
		m.include[i] |= o.include[i]
		m.exclude[i] |= o.exclude[i]
	}
}

// addHeld adds the policies that name what the person holds. It walks the shorter of the two maps.
func addHeld[ID ~string](sum *inOutMasks, named *inOut[ID], held map[ID]bool) {
	if len(named.masks) < len(held) {
		for id, masks := range named.masks {
			if held[id] {
				sum.add(masks)
			}
		}
		return
	}
	for id, holds := range held {
		if holds {
			sum.add(named.lookUp(id))
		}
	}
}

// matchFilters returns the policies whose device filter lets the device in, of those in scope, and all that have none.
func (b *block) matchFilters(f *Facts, inScope mask) mask {
	out := mask{}
	for i := range b.filters {
		x := &b.filters[i]
		if x.include.or(x.exclude).and(inScope).empty() {
			continue
		}
		if x.rule.Match(f.Device) {
			out = out.or(x.exclude)
		} else {
			out = out.or(x.include)
		}
	}
	return everyPolicy.andNot(out)
}

// A ranked is a cause and how bad it is.
type ranked struct {
	Cause
	rank rank
}

// keepWorse replaces r by the cause that the policies of among give, if that is worse. Of equals the first is kept.
func (r *ranked) keepWorse(b *block, a *assessment, among mask) {
	for at := range rankCount {
		if r.Refuses() && r.rank <= at {
			return
		}
		policies := a.unmet[at].and(among)
		if policies.empty() {
			continue
		}
		r.Cause, r.rank = b.causeOf(policies.first(), at, a.have), at
		return
	}
}

// causeOf returns the cause that a policy gives.
func (b *block) causeOf(i int, at rank, have controls) Cause {
	p := &b.policies[i]
	cause := Cause{PolicyID: p.ID, PolicyName: p.DisplayName}
	switch at {
	case rankTokenProtection:
		cause.Requirement, cause.Err = RequireTokenProtection, aadsts.TokenProtectionRequired
		return cause
	case rankFrequency:
		cause.Requirement, cause.Err = RequireRecentSignIn, aadsts.SignInTooOld
		return cause
	}
	cause.Requirement, cause.Err = refusalFor(p.grant.unmet(have))
	return cause
}
