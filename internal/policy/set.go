package policy

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
)

// A Set is a tenant's policies, compiled. It is immutable and safe for concurrent use; a change of policies makes a new
// one.
//
// Policies are held in blocks of 256, and each question about a sign-in ("which policies include this group?") has one
// bit for each policy of a block as its answer. Matching then costs as many look-ups as the sign-in has facts, however many
// policies there are.
type Set struct {
	blocks []*block
	blank  []Applied // a report in which nothing is known yet
}

// mask has a bit for each policy of a block.
type mask [blockSize / 64]uint64

const blockSize = 256

// set and has take the place of a policy in its block. The remainder tells the compiler that it is within bounds.
func (m *mask) set(i int)      { m[uint(i)/64%(blockSize/64)] |= 1 << (uint(i) % 64) }
func (m *mask) has(i int) bool { return m[uint(i)/64%(blockSize/64)]>>(uint(i)%64)&1 != 0 }

func (m mask) and(o mask) mask {
	return mask{m[0] & o[0], m[1] & o[1], m[2] & o[2], m[3] & o[3]}
}

func (m mask) or(o mask) mask {
	return mask{m[0] | o[0], m[1] | o[1], m[2] | o[2], m[3] | o[3]}
}

func (m mask) andNot(o mask) mask {
	return mask{m[0] &^ o[0], m[1] &^ o[1], m[2] &^ o[2], m[3] &^ o[3]}
}

func (m mask) empty() bool { return m[0]|m[1]|m[2]|m[3] == 0 }

// first returns the lowest policy in m; m is not empty.
func (m mask) first() int {
	for i, word := range m {
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return blockSize
}

// everyPolicy is a condition that nothing narrows.
var everyPolicy = mask{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

// A block is up to 256 policies and the index over them.
type block struct {
	policies            []compiled
	enabled, reportOnly mask

	apps  appIndex
	users userIndex

	// For each value of a fact, the policies whose condition it satisfies; and the policies that have the condition.
	platforms   [platformCount]mask
	clientApps  [clientAppCount]mask
	flows       [flowCount]mask
	signInRisk  [riskCount]mask
	userRisk    [riskCount]mask
	clientRisk  [riskCount]mask // of service principals
	insiderRisk [insiderCount]mask
	filters     []filterIndex
	places      placeIndex

	platformsSet, clientAppsSet, flowsSet, filtersSet         mask
	signInRiskSet, userRiskSet, clientRiskSet, insiderRiskSet mask

	tokenProtection             mask
	grants                      []grantIndex
	frequencies                 []frequencyIndex
	persistAlways, persistNever mask
}

// compiled is one policy and what the report says of it whatever the facts.
type compiled struct {
	Policy
	grant        grant
	grantNames   []string
	sessionNames []string
	notEnforced  []string
	// The places that the policy includes and excludes, All apart.
	inside, outside []place
}

// inOut holds the policies that include and that exclude each id, together: a sign-in asks for both at once.
type inOut[ID ~string] struct {
	masks map[ID]*inOutMasks
	// hints has a bit set for every id that is named, by part of its text. People are in many groups of which policies
	// name few: for the others the hint saves the look-up.
	hints [hintBits / 64]uint64
}

type inOutMasks struct{ include, exclude mask }

const hintBits = 1024

// hintOf returns the place of an id's hint, from the last eight characters: GUIDs differ everywhere, ids made by hand at
// the end.
func hintOf[ID ~string](id ID) uint {
	var tail uint64
	if n := len(id); n >= 8 {
		tail = uint64(id[n-8]) | uint64(id[n-7])<<8 | uint64(id[n-6])<<16 | uint64(id[n-5])<<24 |
			uint64(id[n-4])<<32 | uint64(id[n-3])<<40 | uint64(id[n-2])<<48 | uint64(id[n-1])<<56
	}
	return uint(tail * 0x9e3779b97f4a7c15 >> 54) // Fibonacci hashing to ten bits
}

// lookUp returns the policies that name id, or nil.
func (m *inOut[ID]) lookUp(id ID) *inOutMasks {
	if hint := hintOf(id); m.hints[hint/64]&(1<<(hint%64)) == 0 {
		return nil
	}
	return m.masks[id]
}

// naming returns the policies that name id, to be changed.
func (m *inOut[ID]) naming(id string) *inOutMasks {
	if m.masks == nil {
		m.masks = map[ID]*inOutMasks{}
	}
	if m.masks[ID(id)] == nil {
		m.masks[ID(id)] = &inOutMasks{}
	}
	hint := hintOf(id)
	m.hints[hint/64] |= 1 << (hint % 64)
	return m.masks[ID(id)]
}

func (m *inOut[ID]) include(id string, policy int) { m.naming(id).include.set(policy) }
func (m *inOut[ID]) exclude(id string, policy int) { m.naming(id).exclude.set(policy) }

// An appIndex answers which policies are about what is asked for.
type appIndex struct {
	any, all mask // policies that include a resource; that include All
	apps     inOut[directory.AppID]
	portals  inOutMasks // AdminPortals
	actions  map[UserAction]mask
	contexts map[string]mask
}

// A userIndex answers which policies are about a person.
type userIndex struct {
	any, all  mask // policies that include somebody; that include All
	guests    inOutMasks
	externals []externalIndex
	users     inOut[directory.ObjectID]
	groups    inOut[directory.ObjectID]
	roles     inOut[directory.Role]
	// The policies for workload identities, which are about nobody else.
	workloads workloadIndex
}

// An externalIndex is a set of guests and the policies that name it.
type externalIndex struct {
	ExternalUsers
	inOutMasks
}

// A workloadIndex answers which policies are about an application that asks for itself.
type workloadIndex struct {
	any        mask
	own        inOutMasks // OwnServicePrincipals
	principals inOut[directory.ObjectID]
}

// A placeIndex answers which policies are about the place that a request comes from.
type placeIndex struct {
	configured mask
	all        inOutMasks
	places     []place
}

// A place is a named location, or all trusted ones together, and the policies that name it.
type place struct {
	id    string
	holds isFrom
	inOutMasks
}

// isFrom is the question whether an address, or its country, is in a place.
type isFrom func(address netip.Addr, country string) membership

// A frequencyIndex is a sign-in frequency and the policies that demand it.
type frequencyIndex struct {
	maxAge   time.Duration
	policies mask
}

// A filterIndex is a device filter and the policies that use it.
type filterIndex struct {
	rule             devicefilter.Rule
	include, exclude mask
}

// A grantIndex is a combination of grant controls and the policies that demand it.
type grantIndex struct {
	grant    grant
	policies mask
}

// NewSet compiles policies, whose order it keeps: among causes of equal rank the earlier policy is named. A policy that
// Validate would not have let in for its conditions or its filter, or that names a location that is not among locations, is
// an error, unless it is off: a set that looked past it would let through what it refuses.
func NewSet(policies []Policy, locations []NamedLocation) (*Set, error) {
	s := &Set{}
	var problems []error
	for chunk := range slices.Chunk(policies, blockSize) {
		b := &block{}
		for i, p := range chunk {
			if err := b.add(i, Normalise(p), locations); err != nil {
				problems = append(problems, fmt.Errorf("policy: %q (%s) cannot be evaluated: %w", p.DisplayName, p.ID, err))
			}
		}
		s.blocks = append(s.blocks, b)
		for i := range b.policies {
			s.blank = append(s.blank, Applied{policy: &b.policies[i]})
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return s, nil
}

// Len returns the number of policies.
func (s *Set) Len() int { return len(s.blank) }

func (b *block) add(i int, p Policy, locations []NamedLocation) error {
	c := compiled{Policy: p, grant: p.GrantControls.compile(), grantNames: p.GrantControls.logged(), sessionNames: p.enforcedSessionControls(),
		notEnforced: p.NotEnforced()}
	b.policies = append(b.policies, c)
	switch p.State {
	case Disabled:
		return nil
	case Enabled:
		b.enabled.set(i)
	case ReportOnly:
		b.reportOnly.set(i)
	default:
		return fmt.Errorf("%q is no state", p.State)
	}
	if err := checkConditions(p.Conditions); err != nil {
		return err
	}
	b.addApplications(i, p.Conditions.Applications)
	b.addUsers(i, p.Conditions.Users)
	b.users.workloads.add(i, p.Conditions.ClientApplications)
	b.addPlatforms(i, p.Conditions.Platforms)
	b.addClientApps(i, p.Conditions.ClientAppTypes)
	b.addFlows(i, p.Conditions.AuthenticationFlows)
	b.addRisks(i, p.Conditions)
	b.addControls(i, c)
	return errors.Join(b.addFilter(i, p.Conditions.Devices), b.addLocations(i, p.Conditions.Locations, locations))
}

// checkConditions refuses conditions that cannot be evaluated as they are written.
func checkConditions(c Conditions) error {
	v := &validation{}
	v.applications(c.Applications)
	v.users(c.Users)
	v.clientAppTypes(c.ClientAppTypes)
	v.platforms(c.Platforms)
	v.devices(c.Devices)
	v.flows(c.AuthenticationFlows)
	v.locations(c.Locations)
	v.clients(c)
	v.risks(c)
	if len(v.problems) > 0 {
		return &InvalidError{v.problems}
	}
	return nil
}

// adminClients are the clients that AdminPortals stands for, and adminResources the resources: those of Azure's management.
var (
	adminClients   = []directory.AppID{directory.CommandLine}
	adminResources = []directory.AppID{directory.AzureManagement, directory.AzurePortal}
)

// office365Applications are the resources of S14 that the group of that name stands for.
var office365Applications = []directory.AppID{directory.ExchangeOnline, directory.SharePointOnline, directory.TeamsServices}

func (b *block) addApplications(i int, a Applications) {
	for _, id := range a.IncludeApplications {
		if id == None {
			continue
		}
		b.apps.any.set(i)
		switch id {
		case All:
			b.apps.all.set(i)
		case Office365:
			for _, app := range office365Applications {
				b.apps.apps.include(string(app), i)
			}
		case AdminPortals:
			b.apps.portals.include.set(i)
		default:
			b.apps.apps.include(id, i)
		}
	}
	for _, id := range a.ExcludeApplications {
		switch id {
		case Office365:
			for _, app := range office365Applications {
				b.apps.apps.exclude(string(app), i)
			}
		case AdminPortals:
			b.apps.portals.exclude.set(i)
		default:
			b.apps.apps.exclude(id, i)
		}
	}
	for _, action := range a.IncludeUserActions {
		note(&b.apps.actions, UserAction(action), i)
	}
	for _, id := range a.IncludeAuthenticationContextClassReferences {
		note(&b.apps.contexts, id, i)
	}
}

// note adds a policy to those that name id.
func note[ID comparable](to *map[ID]mask, id ID, policy int) {
	if *to == nil {
		*to = map[ID]mask{}
	}
	policies := (*to)[id]
	policies.set(policy)
	(*to)[id] = policies
}

func (b *block) addUsers(i int, u Users) {
	x := &b.users
	for _, id := range u.IncludeUsers {
		switch id {
		case None:
		case All:
			x.all.set(i)
		case GuestsOrExternalUsers:
			x.guests.include.set(i)
		default:
			x.users.include(id, i)
		}
	}
	for _, id := range u.ExcludeUsers {
		if id == GuestsOrExternalUsers {
			x.guests.exclude.set(i)
			continue
		}
		x.users.exclude(id, i)
	}
	addEach(i, u.IncludeGroups, x.groups.include)
	addEach(i, u.ExcludeGroups, x.groups.exclude)
	addEach(i, u.IncludeRoles, x.roles.include)
	addEach(i, u.ExcludeRoles, x.roles.exclude)
	if e := u.IncludeGuestsOrExternalUsers; e != nil {
		x.guestsLike(*e).include.set(i)
	}
	if e := u.ExcludeGuestsOrExternalUsers; e != nil {
		x.guestsLike(*e).exclude.set(i)
	}
	people := slices.ContainsFunc(u.IncludeUsers, func(id string) bool { return id != None })
	if people || len(u.IncludeGroups)+len(u.IncludeRoles) > 0 || u.IncludeGuestsOrExternalUsers != nil {
		x.any.set(i)
	}
}

// guestsLike returns the policies that name the guests e, to be changed.
func (x *userIndex) guestsLike(e ExternalUsers) *inOutMasks {
	at := slices.IndexFunc(x.externals, func(other externalIndex) bool { return reflect.DeepEqual(other.ExternalUsers, e) })
	if at < 0 {
		at = len(x.externals)
		x.externals = append(x.externals, externalIndex{ExternalUsers: e})
	}
	return &x.externals[at].inOutMasks
}

func (x *workloadIndex) add(i int, a *ClientApplications) {
	if a == nil {
		return
	}
	for _, id := range a.IncludeServicePrincipals {
		x.any.set(i)
		if id == OwnServicePrincipals {
			x.own.include.set(i)
			continue
		}
		x.principals.include(id, i)
	}
	for _, id := range a.ExcludeServicePrincipals {
		if id == OwnServicePrincipals {
			x.own.exclude.set(i)
			continue
		}
		x.principals.exclude(id, i)
	}
}

func addEach(policy int, ids []string, add func(string, int)) {
	for _, id := range ids {
		add(id, policy)
	}
}

func (b *block) addPlatforms(i int, p *Platforms) {
	if p != nil {
		b.platformsSet.set(i)
	}
	for slot := range b.platforms {
		if p.satisfiedBy(platformOfSlot(slot)) {
			b.platforms[slot].set(i)
		}
	}
}

func (b *block) addClientApps(i int, types []ClientAppType) {
	if !unconfigured(types) {
		b.clientAppsSet.set(i)
	}
	for slot := range b.clientApps {
		if clientAppSatisfies(types, clientAppOfSlot(slot)) {
			b.clientApps[slot].set(i)
		}
	}
}

func (b *block) addFlows(i int, f *AuthenticationFlows) {
	if f != nil {
		b.flowsSet.set(i)
	}
	for slot := range b.flows {
		if f.satisfiedBy(flowOfSlot(slot)) {
			b.flows[slot].set(i)
		}
	}
}

func (b *block) addRisks(i int, c Conditions) {
	addRisk(i, c.SignInRiskLevels, &b.signInRisk, &b.signInRiskSet)
	addRisk(i, c.UserRiskLevels, &b.userRisk, &b.userRiskSet)
	addRisk(i, c.ServicePrincipalRiskLevels, &b.clientRisk, &b.clientRiskSet)
	if c.InsiderRiskLevels != "" {
		b.insiderRiskSet.set(i)
	}
	for slot := range b.insiderRisk {
		if insiderSatisfies(c.InsiderRiskLevels, insiderSlots[slot]) {
			b.insiderRisk[slot].set(i)
		}
	}
}

func addRisk(policy int, levels []RiskLevel, to *[riskCount]mask, configured *mask) {
	if len(levels) > 0 {
		configured.set(policy)
	}
	for slot := range to {
		if riskSatisfies(levels, riskSlots[slot]) {
			to[slot].set(policy)
		}
	}
}

func (b *block) addLocations(i int, l *Locations, known []NamedLocation) error {
	if l == nil {
		return nil
	}
	b.places.configured.set(i)
	var missing []error
	each := func(ids []string, all *mask, named func(*place) *mask, keep *[]place) {
		for _, id := range ids {
			if id == All {
				all.set(i)
				continue
			}
			p, err := b.places.named(id, known)
			if err != nil {
				missing = append(missing, err)
				continue
			}
			named(p).set(i)
			*keep = append(*keep, *p)
		}
	}
	each(l.IncludeLocations, &b.places.all.include, func(p *place) *mask { return &p.include }, &b.policies[i].inside)
	each(l.ExcludeLocations, &b.places.all.exclude, func(p *place) *mask { return &p.exclude }, &b.policies[i].outside)
	return errors.Join(missing...)
}

// named returns the place with an id, to be changed.
func (x *placeIndex) named(id string, known []NamedLocation) (*place, error) {
	if i := slices.IndexFunc(x.places, func(p place) bool { return p.id == id }); i >= 0 {
		return &x.places[i], nil
	}
	exists := slices.ContainsFunc(known, func(l NamedLocation) bool { return strings.EqualFold(l.ID, id) })
	if !exists && id != AllTrusted && id != MFATrustedIPs {
		return nil, fmt.Errorf("there is no named location %s", id)
	}
	x.places = append(x.places, place{id: id, holds: membershipOf(id, known)})
	return &x.places[len(x.places)-1], nil
}

func (b *block) addFilter(i int, d *Devices) error {
	if d == nil || d.DeviceFilter == nil {
		return nil
	}
	rule, err := devicefilter.Parse(d.DeviceFilter.Rule)
	if err != nil {
		return err
	}
	b.filtersSet.set(i)
	at := slices.IndexFunc(b.filters, func(f filterIndex) bool { return f.rule.String() == rule.String() })
	if at < 0 {
		at = len(b.filters)
		b.filters = append(b.filters, filterIndex{rule: rule})
	}
	if d.DeviceFilter.Mode == FilterIncludes {
		b.filters[at].include.set(i)
	} else {
		b.filters[at].exclude.set(i)
	}
	return nil
}

func (b *block) addControls(i int, p compiled) {
	if p.RequiresTokenProtection() {
		b.tokenProtection.set(i)
	}
	b.addLimits(i, p.SessionControls)
	g := p.grant
	if g.needs == 0 {
		return
	}
	at := slices.IndexFunc(b.grants, func(x grantIndex) bool { return x.grant == g })
	if at < 0 {
		at = len(b.grants)
		b.grants = append(b.grants, grantIndex{grant: g})
	}
	b.grants[at].policies.set(i)
}

// addLimits adds what a policy demands of the session's age and of its life in a browser.
func (b *block) addLimits(i int, s *SessionControls) {
	if maxAge, limited := s.maxAge(); limited {
		at := slices.IndexFunc(b.frequencies, func(x frequencyIndex) bool { return x.maxAge == maxAge })
		if at < 0 {
			at = len(b.frequencies)
			b.frequencies = append(b.frequencies, frequencyIndex{maxAge: maxAge})
		}
		b.frequencies[at].policies.set(i)
	}
	switch s.persistence() {
	case PersistAlways:
		b.persistAlways.set(i)
	case PersistNever:
		b.persistNever.set(i)
	}
}
