package devicefilter

import "strings"

// A matcher is a compiled rule or part of one.
type matcher func(*Device) bool

// An expr is a node of a rule's tree.
type expr interface {
	compile() matcher
	appendTo([]byte) []byte // in full form
	properties([]Property) []Property
}

// orExpr is true where one of its terms is; andExpr where all of them are. Both have at least two.
type orExpr struct{ terms []expr }
type andExpr struct{ terms []expr }
type notExpr struct{ term expr }

// A comparison holds a property against a value.
type comparison struct {
	property *property
	op       operator
	null     bool     // the value is null
	truth    bool     // the value, where the property is a bool
	values   []string // otherwise: one text, or the items of a list
}

func (e *orExpr) compile() matcher {
	if len(e.terms) == 2 {
		a, b := e.terms[0].compile(), e.terms[1].compile()
		return func(d *Device) bool { return a(d) || b(d) }
	}
	terms := compileAll(e.terms)
	return func(d *Device) bool {
		for _, term := range terms {
			if term(d) {
				return true
			}
		}
		return false
	}
}

func (e *andExpr) compile() matcher {
	if len(e.terms) == 2 {
		a, b := e.terms[0].compile(), e.terms[1].compile()
		return func(d *Device) bool { return a(d) && b(d) }
	}
	terms := compileAll(e.terms)
	return func(d *Device) bool {
		for _, term := range terms {
			if !term(d) {
				return false
			}
		}
		return true
	}
}

func (e *notExpr) compile() matcher {
	term := e.term.compile()
	return func(d *Device) bool { return !term(d) }
}

func compileAll(terms []expr) []matcher {
	compiled := make([]matcher, len(terms))
	for i, term := range terms {
		compiled[i] = term.compile()
	}
	return compiled
}

// compile turns a comparison into a test of its positive operator, which null fails, and denies the outcome where the
// operator is negative: so null satisfies every negative operator.
func (c *comparison) compile() matcher {
	negative := c.op.negative()
	switch {
	case c.null:
		isNull := c.compileNull()
		return func(d *Device) bool { return isNull(d) != negative }
	case c.property.kind == boolKind:
		truth := c.truth
		return func(d *Device) bool { return (d.compliant != nil && *d.compliant == truth) != negative }
	case c.property.kind == listKind:
		slot, want := c.property.list, foldLiteral(c.values[0])
		return func(d *Device) bool { return hasElement(d.lists[slot], want) != negative }
	case c.op.positive() == opIn:
		slot, wants := c.property.id, foldAll(c.values)
		return func(d *Device) bool { v := &d.text[slot]; return (v.present && isOneOf(v.text, wants)) != negative }
	case c.op.positive() == opEq:
		slot, want := c.property.id, foldLiteral(c.values[0])
		return func(d *Device) bool { v := &d.text[slot]; return (v.present && equalFold(v.text, want)) != negative }
	}
	slot, want, test := c.property.id, foldLiteral(c.values[0]), textTests[c.op.positive()]
	return func(d *Device) bool { v := &d.text[slot]; return (v.present && test(v.text, want)) != negative }
}

var textTests = map[operator]func(string, literal) bool{
	opStartsWith: hasPrefixFold,
	opEndsWith:   hasSuffixFold,
	opContains:   containsFold,
}

func (c *comparison) compileNull() matcher {
	switch c.property.kind {
	case boolKind:
		return func(d *Device) bool { return d.compliant == nil }
	case listKind:
		slot := c.property.list
		return func(d *Device) bool { return d.lists[slot] == nil }
	}
	slot := c.property.id
	return func(d *Device) bool { return !d.text[slot].present }
}

// hasElement is what -eq and -contains mean on a list: some element is the value, whole.
func hasElement(list []string, want literal) bool {
	for _, element := range list {
		if equalFold(element, want) {
			return true
		}
	}
	return false
}

func isOneOf(s string, wants []literal) bool {
	for _, want := range wants {
		if equalFold(s, want) {
			return true
		}
	}
	return false
}

func foldAll(values []string) []literal {
	folded := make([]literal, len(values))
	for i, v := range values {
		folded[i] = foldLiteral(v)
	}
	return folded
}

func (e *orExpr) appendTo(b []byte) []byte { return appendJoined(b, e.terms, " -or ") }

func (e *andExpr) appendTo(b []byte) []byte {
	for i, term := range e.terms {
		if i > 0 {
			b = append(b, " -and "...)
		}
		if _, weaker := term.(*orExpr); weaker {
			b = appendInParentheses(b, term)
		} else {
			b = term.appendTo(b)
		}
	}
	return b
}

// appendTo puts parentheses round everything that is denied: "-not device.x -eq …" is right but reads wrong.
func (e *notExpr) appendTo(b []byte) []byte {
	b = append(b, "-not "...)
	if _, again := e.term.(*notExpr); again {
		return e.term.appendTo(b)
	}
	return appendInParentheses(b, e.term)
}

func appendInParentheses(b []byte, e expr) []byte { return append(e.appendTo(append(b, '(')), ')') }

func appendJoined(b []byte, terms []expr, separator string) []byte {
	for i, term := range terms {
		if i > 0 {
			b = append(b, separator...)
		}
		b = term.appendTo(b)
	}
	return b
}

func (c *comparison) appendTo(b []byte) []byte {
	b = append(b, "device."+c.property.name+" "+c.op.String()+" "...)
	switch {
	case c.null:
		return append(b, "null"...)
	case c.property.kind == boolKind && c.truth:
		return append(b, "True"...)
	case c.property.kind == boolKind:
		return append(b, "False"...)
	case c.op.positive() == opIn:
		return appendList(b, c.values)
	}
	return append(b, quote(c.values[0])...)
}

func appendList(b []byte, values []string) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, quote(v)...)
	}
	return append(b, ']')
}

var quoteEscapes = strings.NewReplacer("`", "``", `"`, "`\"")

// quote writes s as the language does: in double quotes, with a backtick before a quote or a backtick.
func quote(s string) string { return `"` + quoteEscapes.Replace(s) + `"` }

func (e *orExpr) properties(into []Property) []Property  { return propertiesOf(into, e.terms) }
func (e *andExpr) properties(into []Property) []Property { return propertiesOf(into, e.terms) }
func (e *notExpr) properties(into []Property) []Property { return e.term.properties(into) }

func (c *comparison) properties(into []Property) []Property { return append(into, c.property.id) }

func propertiesOf(into []Property, terms []expr) []Property {
	for _, term := range terms {
		into = term.properties(into)
	}
	return into
}
