package policy

import (
	"slices"

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
	for i, b := range s.blocks {
		var a assessment
		b.assess(f, &a)
		applies = applies || !a.applied.and(b.enabled).empty()
		refused.keepWorse(b, &a, b.enabled)
		wouldBe.keepWorse(b, &a, b.reportOnly)
		if report != nil {
			b.report(report[i*blockSize:][:len(b.policies)], &a)
		}
	}
	return Decision{Status: statusOf(applies, refused.Cause), Cause: refused.Cause, WouldBe: wouldBe.Cause}
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
	app, user, platform, clientApp, flow, filter mask
	applied                                      mask // all of them hold

	// What is unmet, among the policies that apply, in the order in which it is named as the cause.
	unmet [rankCount]mask
	have  controls
}

// rank orders the causes of a refusal: the worse, the lower. Nothing helps against a block; no prompt gives a session the
// binding that it has not; and nobody should be asked for a second factor only to be refused afterwards.
type rank int

const (
	rankBlock rank = iota
	rankTokenProtection
	rankGrant  // a grant control that no prompt can meet
	rankPrompt // a grant control that a prompt can meet
	rankCount
)

// assess fills a, which the caller owns so that it need not be allocated.
func (b *block) assess(f *Facts, a *assessment) {
	a.app = b.apps.match(f.Audiences)
	a.user = b.users.match(f)
	a.platform = b.platforms[slotOfPlatform(f.Platform)]
	a.clientApp = b.clientApps[slotOfClientApp(f.ClientApp)]
	a.flow = b.flows[slotOfFlow(f.TransferMethod)]
	a.have = f.have()
	active := b.enabled.or(b.reportOnly)
	inScope := a.app.and(a.user).and(active)
	a.filter = b.matchFilters(f, inScope)
	a.applied = inScope.and(a.platform).and(a.clientApp).and(a.flow).and(a.filter)
	if f.Binding.Status != Bound {
		a.unmet[rankTokenProtection] = a.applied.and(b.tokenProtection)
	}
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
	case curable:
		at = rankPrompt
	}
	a.unmet[at] = a.unmet[at].or(policies)
}

// match returns the policies that are about one of the audiences. A request whose resource is unknown is about any.
func (x *appIndex) match(audiences []directory.AppID) mask {
	var matched mask
	known := false
	for _, audience := range audiences {
		if audience == "" {
			continue
		}
		known = true
		named := inOutMasks{include: x.all}
		named.add(x.apps.lookUp(audience))
		matched = matched.or(named.include.andNot(named.exclude))
	}
	if !known {
		return x.any
	}
	return matched
}

// match returns the policies that are about the person. Whoever is excluded is out, whatever includes them.
func (x *userIndex) match(f *Facts) mask {
	sum := inOutMasks{include: x.all}
	if f.User == "" {
		sum.include = x.any
	}
	sum.add(x.users.lookUp(f.User))
	if f.Guest {
		sum.add(&x.guests)
	}
	addHeld(&sum, &x.groups, f.Groups)
	addHeld(&sum, &x.roles, f.Roles)
	return sum.include.andNot(sum.exclude)
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
	if at == rankTokenProtection {
		cause.Requirement, cause.Err = RequireTokenProtection, aadsts.TokenProtectionRequired
		return cause
	}
	cause.Requirement, cause.Err = refusalFor(p.grant.unmet(have))
	return cause
}
