package lower

import (
	"strings"
	"unicode"

	"boundgate/internal/kql/plan"
	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/sema"
)

func op(name string, args ...plan.Expr) *plan.Op { return &plan.Op{Name: name, Args: args} }

func str(s string) *plan.Const { return &plan.Const{Value: s, Type: schema.String} }

// cond lowers an expression in a place where null and false act alike: a where, or an operand of and and or in one.
// A positive comparison needs no wrapping there, which leaves indexes and zone maps their chance.
func (l *lowerer) cond(x sema.Expr) plan.Expr {
	c, ok := x.(*sema.Call)
	if !ok {
		if in, ok := x.(*sema.InQuery); ok {
			return l.inQuery(in)
		}
		return l.expr(x)
	}
	switch c.Fn {
	case "and", "or":
		return op(c.Fn, l.cond(c.Args[0]), l.cond(c.Args[1]))
	case "not":
		return op("not", l.expr(c.Args[0]))
	}
	return l.comparison(c, true)
}

func (l *lowerer) expr(x sema.Expr) plan.Expr {
	switch x := x.(type) {
	case *sema.Ref:
		return &plan.Ref{Col: l.col(x.Col)}
	case *sema.Const:
		return &plan.Const{Value: x.Value, Type: x.T}
	case *sema.InQuery:
		return op("is_true", l.inQuery(x))
	case *sema.ToScalar:
		in := l.rel(x.Query)
		n := l.project(&plan.Sort{Input: in.node, Keys: in.order, N: 1}, x.Query.Columns()[:1], nil)
		s := &plan.Scalar{Query: n}
		if isString(x.Type()) {
			return op("coalesce", s, str(""))
		}
		return s
	case *sema.Call:
		return l.comparison(x, false)
	}
	return &plan.Const{} // sema makes no other
}

func isString(t schema.Type) bool { return t == schema.String || t == schema.GUID }

// nullable reports whether a value can be null. A string cannot.
func nullable(x sema.Expr) bool {
	if c, ok := x.(*sema.Const); ok {
		return c.Value == nil
	}
	return !isString(x.Type())
}

// text is a string operand: null for a dynamic that is null, unlike tostring.
func (l *lowerer) text(x sema.Expr) plan.Expr {
	if x.Type() == schema.Dynamic {
		return l.jsonText(l.expr(x))
	}
	return l.expr(x)
}

func (l *lowerer) jsonText(x plan.Expr) plan.Expr {
	if c, ok := x.(*plan.Const); ok && c.Value == nil {
		return &plan.Const{Type: schema.String}
	}
	if o, ok := x.(*plan.Op); ok && (o.Name == "json_member" || o.Name == "json_path") {
		return op("json_text_at", o.Args...)
	}
	return op("json_text", x)
}

// comparison lowers ==, the string operators and their negations; every other call goes to function.
//
// With one side null, KQL says false for the positive operators and true for the negative ones; with both null, null.
// SQL says null throughout, so `where d.result != "x"` would lose the rows where the member is missing.
func (l *lowerer) comparison(c *sema.Call, filter bool) plan.Expr {
	name, negative := strings.CutPrefix(c.Fn, "!")
	switch {
	case c.Fn == "==" || c.Fn == "!=":
		return l.equality(c.Fn, c.Args[0], c.Args[1], filter)
	case c.Fn == "!~":
		name, negative = "=~", true
	case strings.HasPrefix(name, "in"):
		if name == "in" || name == "in~" {
			return l.in(c, name, negative, filter)
		}
	}
	var positive plan.Expr
	switch name {
	case "has_any", "has_all":
		var each []plan.Expr
		for _, item := range c.Args[1:] {
			each = append(each, l.stringOperator("has", c.Args[0], item))
		}
		positive = op(map[string]string{"has_any": "or", "has_all": "and"}[name], each...)
		if len(each) == 0 {
			return &plan.Const{Value: name == "has_all", Type: schema.Bool}
		}
	case "=~", "has", "has_cs", "contains", "contains_cs", "startswith", "startswith_cs", "endswith", "endswith_cs", "matches regex":
		positive = l.stringOperator(name, c.Args[0], c.Args[1])
	default:
		return l.function(c)
	}
	return l.nullRule(positive, c.Args[0], c.Args[1], negative, filter)
}

// nullRule applies the null table to a comparison that SQL would answer with null.
func (l *lowerer) nullRule(positive plan.Expr, a, b sema.Expr, negative, filter bool) plan.Expr {
	if !negative && filter {
		return positive
	}
	result := positive
	if nullable(a) || nullable(b) {
		result = op("is_true", positive)
	}
	if negative {
		result = op("not", result)
	}
	if nullable(a) && nullable(b) && !filter {
		return op("null_if_both_null", l.expr(a), l.expr(b), result)
	}
	return result
}

func (l *lowerer) equality(fn string, a, b sema.Expr, filter bool) plan.Expr {
	x, y := l.expr(a), l.expr(b)
	if a.Type() == schema.Dynamic || b.Type() == schema.Dynamic || isString(a.Type()) && isString(b.Type()) {
		x, y = l.text(a), l.text(b)
	}
	some, both := nullable(a) || nullable(b), nullable(a) && nullable(b)
	if fn == "==" {
		switch {
		case filter || !some:
			return op("=", x, y)
		case both:
			return op("null_if_both_null", x, y, op("not_distinct", x, y))
		}
		return op("is_true", op("=", x, y))
	}
	switch {
	case !some:
		return op("<>", x, y)
	case both && !filter:
		return op("null_if_both_null", x, y, op("distinct", x, y))
	}
	return op("distinct", x, y)
}

func (l *lowerer) in(c *sema.Call, name string, negative, filter bool) plan.Expr {
	fold := func(x sema.Expr) plan.Expr {
		if x.Type() == schema.Dynamic || isString(x.Type()) {
			if name == "in~" {
				return lowerText(l.text(x))
			}
			return l.text(x)
		}
		return l.expr(x)
	}
	args := []plan.Expr{}
	for _, a := range c.Args {
		args = append(args, fold(a))
	}
	if len(args) == 1 {
		return &plan.Const{Value: negative, Type: schema.Bool}
	}
	positive := op("in", args...)
	constant := &sema.Const{Value: ""}
	return l.nullRule(positive, c.Args[0], constant, negative, filter)
}

func (l *lowerer) inQuery(x *sema.InQuery) plan.Expr {
	name, negative := strings.CutPrefix(x.Op, "!")
	in := l.rel(x.Query)
	first := x.Query.Columns()[0]
	value := &sema.Ref{Col: first}
	v, e := l.text(x.X), l.text(value)
	if name == "in~" {
		v, e = lowerText(v), lowerText(e)
	}
	// A null among the values would make SQL's NOT IN null for every row.
	col := &plan.Column{Name: "value", Type: first.Type}
	values := &plan.Project{Input: in.node, Items: []plan.Item{{Col: col, X: e}}}
	found := &plan.InQuery{X: v, Query: &plan.Filter{Input: values, Cond: op("isnotnull", &plan.Ref{Col: col})}}
	if negative {
		return op("not", op("is_true", found))
	}
	return found
}

// lowerText lowers the case, of a constant in the compiler.
func lowerText(x plan.Expr) plan.Expr {
	if c, ok := x.(*plan.Const); ok {
		if s, ok := c.Value.(string); ok {
			return str(strings.ToLower(s))
		}
	}
	return op("lower", x)
}

// stringOperator lowers a positive string operator. All ignore case unless they end in _cs, but for matches regex.
func (l *lowerer) stringOperator(name string, a, b sema.Expr) plan.Expr {
	x, y := l.text(a), l.text(b)
	base, sensitive := strings.CutSuffix(name, "_cs")
	if !sensitive && name != "matches regex" {
		x, y = lowerText(x), lowerText(y)
	}
	switch base {
	case "=~":
		return op("=", x, y)
	case "has":
		if c, ok := y.(*plan.Const); ok {
			s, _ := c.Value.(string)
			return hasTerm(x, s)
		}
	}
	return op(base, x, y)
}

// hasTerm is `x has term`. A term is a whole run of letters and digits: a boundary is needed at each end of the needle
// that is one. The cheap test for a substring comes first, as it removes nearly all rows.
func hasTerm(x plan.Expr, term string) plan.Expr {
	if term == "" {
		return op("isnotnull", x)
	}
	runes := []rune(term)
	var re strings.Builder
	if isTerm(runes[0]) {
		re.WriteString(`(^|[^\p{L}\p{N}])`)
	}
	re.WriteString(quoteRegex(term))
	if isTerm(runes[len(runes)-1]) {
		re.WriteString(`($|[^\p{L}\p{N}])`)
	}
	return op("and", op("contains", x, str(term)), op("matches regex", x, str(re.String())))
}

func isTerm(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

func quoteRegex(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\.+*?()|[]{}^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
