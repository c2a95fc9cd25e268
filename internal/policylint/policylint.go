// Package policylint knows the mistakes that administrators make with Conditional Access policies, those with token
// protection before all others: why each is one, where it stands in the policy, and the policy as it would be without it.
//
// It is pure. A policy and its circumstances go in, findings come out; circumstances that are not known make the rules that
// need them silent. So a file can be linted without a server, and a server lints with everything that it knows.
//
//	protection.go  what a token protection policy is about (J-01 to J-10, J-23, J-25, J-28 to J-30)
//	filter.go      device filters (J-13 to J-19)
//	companion.go   the policies beside it (J-20 to J-22)
//	rollout.go     how it is introduced, and what the tenant has (J-11, J-12, J-24, J-26, J-27)
//	general.go     every policy
//
// What a rule says of a filter it has seen the rule language do to synthetic devices; nothing is guessed from its text.
package policylint

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // people will be locked out, or the protection has a hole
	Warning Severity = "warning" // it may be meant, and is worth a second look
	Info    Severity = "info"    // worth knowing
)

// A Finding is one thing that is worth saying about a policy.
type Finding struct {
	ID       string   // never changes, such as office365Selected
	Rule     string   // the rule of the rollout guide, such as J-01; "" for a general one
	Severity Severity // how bad it is
	Pointer  string   // where, as a JSON pointer (RFC 6901) into the policy; "" for the whole
	Message  string   // what is wrong and why that matters
	Remedy   string   // what to do, in the imperative
	// Mended is the whole policy as it would be after the remedy; nil where that takes a decision that is not a machine's.
	Mended *policy.Policy
	// Template is the key of the template of the policy that is missing; "" for none.
	Template string
	// Blocks is true where the policy should not be set On before somebody has given a reason.
	Blocks bool
}

// Circumstances are what a policy is judged against. What is nil is not known.
type Circumstances struct {
	Tenant   *Tenant
	History  *History
	Evidence *Evidence
	// Countries says whether the server can tell the country of an address.
	Countries *bool
	// LookBack is how long a policy should have been report-only before it is On; 0 means DefaultLookBack.
	LookBack time.Duration
}

// DefaultLookBack covers a working week with its weekend: what people use seldom shows in it.
const DefaultLookBack = 7 * 24 * time.Hour

// A Tenant is the organisation that the policy is for.
type Tenant struct {
	Policies  []policy.Policy // the policy itself may be among them
	Locations []policy.NamedLocation
	Licences  []directory.Licence
	Resources []directory.Resource
	Users     int // enabled members
	Emergency []Account
}

// An Account is an emergency-access account with where it belongs.
type Account struct {
	ID     directory.ObjectID
	Name   string
	Groups map[directory.ObjectID]bool
	Roles  map[directory.Role]bool
}

// Evidence is what the sign-in log of the look-back holds.
type Evidence struct {
	// NonInteractive says whether there is any non-interactive sign-in.
	NonInteractive bool
	// WouldBlock counts the sign-ins that the policy, report-only, would have refused.
	WouldBlock int
}

// Lint returns what there is to say about a policy, the worst first. It reads p as policy.Decode returns it.
func Lint(p policy.Policy, in Circumstances) []Finding {
	d := newDraft(p, in)
	var found []Finding
	for _, r := range rules {
		found = append(found, r.findings(d)...)
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return weight(a.Severity) - weight(b.Severity) })
	return found
}

// weight orders the severities, the worst first.
func weight(s Severity) int { return slices.Index([]Severity{Error, Warning, Info}, s) }

// Blocking returns those of the findings that stand against setting the policy On.
func Blocking(found []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return !f.Blocks })
}

// rules are looked at in this order.
var rules = slices.Concat(protectionRules, filterRules, companionRules, rolloutRules, generalRules)

// A rule looks for one mistake.
type rule struct {
	id, digest string
	severity   Severity
	blocks     bool
	remedy     string
	look       func(*draft) []sighting
}

// A sighting is one place where a rule's mistake stands.
type sighting struct {
	pointer, message string
	severity         Severity // "" for the rule's
	remedy           string   // "" for the rule's
	template         string
	mend             func(*policy.Policy) // nil where there is no mechanical mending
}

// at returns the only sighting of a rule.
func at(pointer, format string, args ...any) []sighting {
	return []sighting{{pointer: pointer, message: fmt.Sprintf(format, args...)}}
}

// mendedBy adds the mending to the only sighting of a rule.
func mendedBy(s []sighting, mend func(*policy.Policy)) []sighting {
	s[0].mend = mend
	return s
}

// findings returns what a rule has to say.
func (r rule) findings(d *draft) []Finding {
	sightings := r.look(d)
	found := make([]Finding, 0, len(sightings))
	for _, s := range sightings {
		f := Finding{ID: r.id, Rule: r.digest, Severity: r.severity, Pointer: s.pointer, Message: s.message, Remedy: r.remedy,
			Template: s.template, Blocks: r.blocks, Mended: r.mended(d, s, len(sightings))}
		if s.severity != "" {
			f.Severity = s.severity
		}
		if s.remedy != "" {
			f.Remedy = s.remedy
		}
		found = append(found, f)
	}
	return found
}

// mended returns the policy after the mending of one of several sightings, nil where there is none or where it would not do:
// the policy would not be valid, or the rule would find as much as before.
func (r rule) mended(d *draft, s sighting, sightings int) *policy.Policy {
	if s.mend == nil {
		return nil
	}
	p := clone(d.Policy)
	s.mend(&p)
	p = policy.Normalise(p)
	if policy.Validate(d.Policy) == nil && policy.Validate(p) != nil {
		return nil
	}
	left := r.look(newDraft(p, d.Circumstances))
	if len(left) >= sightings || slices.ContainsFunc(left, func(l sighting) bool { return l.message == s.message }) {
		return nil
	}
	return &p
}

// clone returns a copy of a policy that shares nothing with it. Times are values, and not all of them have a JSON form.
func clone(p policy.Policy) policy.Policy {
	created, modified := p.CreatedDateTime, p.ModifiedDateTime
	p.CreatedDateTime, p.ModifiedDateTime = time.Time{}, time.Time{}
	document, err := json.Marshal(p)
	var copied policy.Policy
	if err == nil {
		err = json.Unmarshal(document, &copied)
	}
	if err != nil {
		panic("policylint: a policy is not its own JSON: " + err.Error()) // without times such values always encode
	}
	copied.CreatedDateTime, copied.ModifiedDateTime = created, modified
	return policy.Normalise(copied)
}

// A draft is a policy under the eyes of the rules.
type draft struct {
	policy.Policy
	Circumstances
	filter filter
}

func newDraft(p policy.Policy, in Circumstances) *draft {
	if in.LookBack == 0 {
		in.LookBack = DefaultLookBack
	}
	return &draft{Policy: p, Circumstances: in, filter: filterOf(p)}
}

// resources returns the resources of the tenant; those that every tenant has where it is not known.
func (d *draft) resources() []directory.Resource {
	if d.Tenant == nil || d.Tenant.Resources == nil {
		return directory.WellKnownResources()
	}
	return d.Tenant.Resources
}

// protection limits a rule to token protection policies.
func protection(look func(*draft) []sighting) func(*draft) []sighting {
	return func(d *draft) []sighting {
		if !d.RequiresTokenProtection() {
			return nil
		}
		return look(d)
	}
}

// without returns list without the members of others. Lists can be long, and a set is quicker than looking each one up.
func without[T comparable](list, others []T) []T {
	out := setOf(others)
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return out[v] })
}

// common returns the members of list that are among others too.
func common[T comparable](list, others []T) []T {
	in := setOf(others)
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !in[v] })
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

// some names the first of a list that may be long.
func some[T ~string](list []T) string {
	const enough = 5
	if len(list) <= enough {
		return joined(list)
	}
	return fmt.Sprintf("%s and %d more", joined(list[:enough]), len(list)-enough)
}

// pointerInto points at the only one of several members of a list, or at the list.
func pointerInto(list string, indices []int) string {
	if len(indices) == 1 {
		return fmt.Sprintf("%s/%d", list, indices[0])
	}
	return list
}
