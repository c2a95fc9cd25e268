// Package devicefilter is the rule language in which a Conditional Access policy names devices, such as
//
//	device.trustType -eq "AzureAD" -and device.systemLabels -contains "CloudPC"
//
// It parses a rule, prints it, and matches it against what is known of a device. What a match means for a policy
// (include or exclude) is the business of package policy.
//
// The language is the one that Microsoft documents for "filter for devices", read generously where administrators write
// it in more than one way: the "device." prefix and the hyphen before an operator may be left out, case does not matter,
// and typographic quotes and dashes that come with pasted text count as plain ones. It is read strictly where a guess
// could let a device through: an unknown property, an operator that the property does not have, or a bare word is an
// error that points at its place and, where it can, offers the mended rule.
//
// Every property of an unregistered device is null. A positive comparison with null is false and a negative one true, so
// a negative rule matches every unregistered device; used to exclude, it lets them all out of the policy.
package devicefilter

import "slices"

// MaxLength is the greatest length of a rule, in characters.
const MaxLength = 3072

// A Rule is a parsed device filter. Get one from Parse; the zero Rule matches nothing. Rules are immutable and safe for
// concurrent use.
type Rule struct {
	source string
	tree   expr
	match  matcher
}

// Parse reads a rule. A refused rule gives a *SyntaxError and no Rule.
func Parse(src string) (Rule, error) {
	tree, err := parse(src)
	if err != nil {
		return Rule{}, mend(src, err)
	}
	return Rule{source: src, tree: tree, match: tree.compile()}, nil
}

// Match reports whether the rule is true of d; nil is an unregistered device. It allocates nothing and cannot fail.
func (r Rule) Match(d *Device) bool {
	if r.match == nil {
		return false
	}
	if d == nil {
		d = &unregistered
	}
	return r.match(d)
}

// unregistered is a device of which nothing is known. It is never written.
var unregistered Device

// Source returns the rule as it was written.
func (r Rule) Source() string { return r.source }

// String returns the rule in full form: every property with its prefix, every operator with its hyphen and in its
// documented spelling, parentheses only where they change the meaning. It parses back to the same rule. A rule whose full
// form would be longer than MaxLength is returned as it was written.
func (r Rule) String() string {
	if r.tree == nil {
		return ""
	}
	full := string(r.tree.appendTo(nil))
	if countRunes(full) > MaxLength {
		return r.source
	}
	return full
}

// Properties returns the properties that the rule names, in the order of their declaration, each once.
func (r Rule) Properties() []Property {
	if r.tree == nil {
		return nil
	}
	all := r.tree.properties(nil)
	slices.Sort(all)
	return slices.Compact(all)
}
