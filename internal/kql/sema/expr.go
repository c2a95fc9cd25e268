package sema

import (
	"regexp"
	"slices"
	"strings"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// failed stands for an expression that was wrong and reported. It fits every type.
type failed struct{}

func (*failed) Type() schema.Type { return "" }

func isFailed(xs ...Expr) bool {
	for _, x := range xs {
		if _, ok := x.(*failed); ok {
			return true
		}
	}
	return false
}

func call(fn string, t schema.Type, args ...Expr) *Call { return &Call{Fn: fn, Args: args, T: t} }

// condition binds an expression that must be a bool.
func (b *binder) condition(sc *scope, x syntax.Expr) Expr {
	bound := b.expr(sc, x)
	switch {
	case isFailed(bound) || bound.Type() == schema.Bool:
		return bound
	case bound.Type() == schema.Dynamic:
		return call("tobool", schema.Bool, bound)
	}
	b.errorf(syntax.CodeType, x.At(), "a condition is expected here, this is a %s", bound.Type())
	return &failed{}
}

// maxExpression bounds an expression with every let and function put in its place, so that lets that use each other twice
// cannot grow without end.
const maxExpression = 20_000

func (b *binder) expr(sc *scope, x syntax.Expr) Expr {
	bound := b.bare(sc, x)
	if b.size(bound) > maxExpression {
		b.errorf(syntax.CodeLimit, x.At(), "the expression is too large, with each let and function put in its place")
		return &failed{}
	}
	return bound
}

// size counts the parts of an expression, those that are shared as often as they are used.
func (b *binder) size(x Expr) int {
	c, ok := x.(*Call)
	if !ok {
		return 1
	}
	if n, ok := b.sizes[x]; ok {
		return n
	}
	n := 1
	for _, a := range c.Args {
		n = min(n+b.size(a), maxExpression+1)
	}
	b.sizes[x] = n
	return n
}

func (b *binder) bare(sc *scope, x syntax.Expr) Expr {
	switch x := x.(type) {
	case *syntax.Paren:
		return b.expr(sc, x.X)
	case *syntax.Literal:
		c, err := literal(x, b.now)
		if err != nil {
			b.errorf(syntax.CodeType, x.Span, "%s", err)
			return &failed{}
		}
		return c
	case *syntax.Name:
		return b.name(sc, x)
	case *syntax.Member:
		return b.member(sc, x.X, &Const{Value: x.Name.Text, T: schema.String}, x.Name.Span)
	case *syntax.Index:
		return b.member(sc, x.X, b.expr(&scope{env: sc.env, cols: sc.cols}, x.Index), x.Index.At())
	case *syntax.Unary:
		return b.unary(sc, x)
	case *syntax.Binary:
		return b.binary(sc, x)
	case *syntax.In:
		return b.in(sc, x)
	case *syntax.Between:
		return b.between(sc, x)
	case *syntax.Call:
		return b.call(sc, x)
	case *syntax.Bad:
		return &failed{}
	case *syntax.Wildcard:
		b.errorf(syntax.CodeSyntax, x.Span, "'%s' cannot stand here", x.Pattern)
	case *syntax.Named:
		b.errorf(syntax.CodeSyntax, x.Span, "'=' names a column and cannot stand here: use == to compare")
	default:
		b.errorf(syntax.CodeType, x.At(), "a scalar is expected here, this is a table: use toscalar(...)")
	}
	return &failed{}
}

// name finds a column first and a scalar let second: a column shadows a let.
func (b *binder) name(sc *scope, x *syntax.Name) Expr {
	if c := sc.column(x.Text); c != nil {
		if c.Type == "" { // what it is made of was wrong, and reported
			return &failed{}
		}
		return &Ref{c}
	}
	if l := sc.env.find(x.Text); l != nil {
		switch {
		case l.failed:
			return &failed{}
		case l.scalar != nil:
			if sc.rows && !within(l.scalar, sc.cols) {
				b.errorf(syntax.CodeType, x.Span, "'%s' is a value of the row that the function was called for: a table within the function cannot depend on it", x.Text)
				return &failed{}
			}
			return l.scalar
		case l.fn != nil && len(l.fn.Params) == 0 && !b.yieldsTable(l):
			return b.scalarFunction(sc, l, &syntax.Call{Span: x.Span, Func: x})
		}
		b.errorf(syntax.CodeType, x.Span, "'%s' is a table: a scalar is expected here, as with toscalar(%s)", x.Text, x.Text)
		return &failed{}
	}
	b.errs.add(unknown(x.Span, "column or scalar expression", x.Text, append(columnNames(sc.cols), sc.env.names(false)...)))
	return &failed{}
}

// within reports whether an expression uses no column but the given ones.
func within(x Expr, cols []*Column) bool {
	switch x := x.(type) {
	case *Ref:
		return slices.Contains(cols, x.Col)
	case *Call:
		return !slices.ContainsFunc(x.Args, func(a Expr) bool { return !within(a, cols) })
	case *InQuery:
		return within(x.X, cols)
	}
	return true
}

// member binds d.name, d["name"] and d[0]. Only a dynamic has members: a string column that holds JSON does not.
func (b *binder) member(sc *scope, of syntax.Expr, key Expr, at syntax.Span) Expr {
	d := b.expr(sc, of)
	if isFailed(d, key) {
		return &failed{}
	}
	if d.Type() != schema.Dynamic {
		b.errorf(syntax.CodeType, at, "a %s has no members: use parse_json(%s) first", d.Type(), of)
		return &failed{}
	}
	switch key.Type() {
	case schema.String:
		return call("member", schema.Dynamic, d, key)
	case schema.Long, schema.Int:
		return call("element", schema.Dynamic, d, key)
	case schema.Dynamic:
		return call("member", schema.Dynamic, d, call("tostring", schema.String, key))
	}
	b.errorf(syntax.CodeType, at, "a member is named by a string or numbered by a long, not by a %s", key.Type())
	return &failed{}
}

func (b *binder) unary(sc *scope, x *syntax.Unary) Expr {
	v := b.expr(sc, x.X)
	if isFailed(v) {
		return v
	}
	v = numeric(v)
	if !isNumber(v.Type()) && v.Type() != schema.TimeSpan {
		b.errorf(syntax.CodeType, x.Span, "'%s' needs a number or a timespan, this is a %s", x.Op, v.Type())
		return &failed{}
	}
	if x.Op == "+" {
		return v
	}
	if c, ok := v.(*Const); ok {
		switch n := c.Value.(type) {
		case int64:
			return &Const{Value: -n, T: c.T}
		case float64:
			return &Const{Value: -n, T: c.T}
		}
	}
	return call("neg", v.Type(), v)
}

// numeric converts a dynamic to a real, as arithmetic and order comparisons on it do.
func numeric(x Expr) Expr {
	if x.Type() == schema.Dynamic {
		return call("toreal", schema.Real, x)
	}
	return x
}

var stringOperators = map[string]bool{
	"=~": true, "!~": true, "has": true, "!has": true, "has_cs": true, "!has_cs": true, "contains": true, "!contains": true,
	"contains_cs": true, "!contains_cs": true, "startswith": true, "!startswith": true, "startswith_cs": true,
	"!startswith_cs": true, "endswith": true, "!endswith": true, "endswith_cs": true, "!endswith_cs": true, "matches regex": true,
}

func (b *binder) binary(sc *scope, x *syntax.Binary) Expr {
	if x.Op == "and" || x.Op == "or" {
		l, r := b.condition(sc, x.L), b.condition(sc, x.R)
		if isFailed(l, r) {
			return &failed{}
		}
		return call(x.Op, schema.Bool, l, r)
	}
	l, r := b.expr(sc, x.L), b.expr(sc, x.R)
	if isFailed(l, r) {
		return &failed{}
	}
	switch op := x.Op; {
	case stringOperators[op]:
		return b.stringOperator(x, l, r)
	case op == "<>":
		return b.equality(x.OpSpan, "!=", l, r)
	case op == "==" || op == "!=":
		return b.equality(x.OpSpan, op, l, r)
	case op == "<" || op == "<=" || op == ">" || op == ">=":
		return b.order(x.OpSpan, op, l, r)
	case strings.Contains("+-*/%", op):
		return b.arithmetic(x, l, r)
	}
	b.unsupported(x.OpSpan, "the operator '%s'", x.Op)
	return &failed{}
}

func isText(t schema.Type) bool {
	return t == schema.String || t == schema.Dynamic || t == schema.GUID
}

func (b *binder) stringOperator(x *syntax.Binary, l, r Expr) Expr {
	for i, v := range []Expr{l, r} {
		if !isText(v.Type()) {
			at := []syntax.Expr{x.L, x.R}[i].At()
			b.errorf(syntax.CodeType, at, "'%s' compares strings, this is a %s: use tostring(...)", x.Op, v.Type())
			return &failed{}
		}
	}
	if x.Op == "matches regex" && !b.regex(x.R.At(), r) {
		return &failed{}
	}
	return call(x.Op, schema.Bool, l, r)
}

// regex checks a regular expression here, since a database would fail the whole query on a wrong one. RE2 is the dialect
// of KQL, of DuckDB and of Go.
func (b *binder) regex(at syntax.Span, x Expr) bool {
	c, ok := x.(*Const)
	s, isString := valueOf(c, ok).(string)
	if !ok || !isString {
		b.errorf(syntax.CodeType, at, "a constant regular expression is expected here")
		return false
	}
	if _, err := regexp.Compile(s); err != nil {
		b.errorf(syntax.CodeType, at, "the regular expression is wrong: %s", err)
		return false
	}
	return true
}

// mismatch reports operands that an operator cannot take together.
func (b *binder) mismatch(at syntax.Span, op string, l, r Expr) Expr {
	b.errorf(syntax.CodeType, at, "'%s' cannot be applied to a %s and a %s", op, l.Type(), r.Type())
	return &failed{}
}

// equality binds == and !=. A string and a number are compared as text, since ResultType is a string and people write
// ResultType == 0. A dynamic takes the type of the other side.
func (b *binder) equality(at syntax.Span, op string, l, r Expr) Expr {
	lt, rt := l.Type(), r.Type()
	switch {
	case lt == rt, isNumber(lt) && isNumber(rt), isText(lt) && isText(rt):
	case isText(lt) && lt != schema.Dynamic && (isNumber(rt) || rt == schema.Bool):
		r = asText(r)
	case isText(rt) && rt != schema.Dynamic && (isNumber(lt) || lt == schema.Bool):
		l = asText(l)
	case lt == schema.Dynamic:
		l = convert(l, rt)
	case rt == schema.Dynamic:
		r = convert(r, lt)
	default:
		return b.mismatch(at, op, l, r)
	}
	return call(op, schema.Bool, l, r)
}

// asText writes a constant number as text in the compiler, so that the column stays bare.
func asText(x Expr) Expr {
	if c, ok := x.(*Const); ok {
		if n, ok := c.Value.(int64); ok {
			return &Const{Value: itoa64(n), T: schema.String}
		}
	}
	return call("tostring", schema.String, x)
}

var conversions = map[schema.Type]string{
	schema.String: "tostring", schema.GUID: "toguid", schema.Long: "toreal", schema.Int: "toreal", schema.Real: "toreal",
	schema.Bool: "tobool", schema.DateTime: "todatetime", schema.TimeSpan: "totimespan", schema.Dynamic: "json_of",
}

var conversionTypes = map[string]schema.Type{
	"tostring": schema.String, "toguid": schema.GUID, "toreal": schema.Real, "tobool": schema.Bool,
	"todatetime": schema.DateTime, "totimespan": schema.TimeSpan, "json_of": schema.Dynamic,
}

func convert(x Expr, t schema.Type) Expr {
	if x.Type() == t {
		return x
	}
	fn := conversions[t]
	return call(fn, conversionTypes[fn], x)
}

// order binds < and its kin.
func (b *binder) order(at syntax.Span, op string, l, r Expr) Expr {
	lt, rt := l.Type(), r.Type()
	switch {
	case lt == schema.Dynamic && rt != schema.Dynamic && rt != schema.String:
		l = convert(l, rt)
	case rt == schema.Dynamic && lt != schema.Dynamic && lt != schema.String:
		r = convert(r, lt)
	case lt == schema.Dynamic || rt == schema.Dynamic || lt == schema.Bool:
		return b.mismatch(at, op, l, r)
	case lt != rt && !(isNumber(lt) && isNumber(rt)):
		return b.mismatch(at, op, l, r)
	}
	return call(op, schema.Bool, l, r)
}

// arithmetic binds + - * / %, on numbers and where it makes sense on times.
func (b *binder) arithmetic(x *syntax.Binary, l, r Expr) Expr {
	op := x.Op
	if isText(r.Type()) != isText(l.Type()) || l.Type() == schema.Dynamic && r.Type() == schema.Dynamic {
		l, r = numeric(l), numeric(r)
	}
	lt, rt := l.Type(), r.Type()
	fits := func(a, b schema.Type) bool { return lt == a && rt == b }
	var t schema.Type
	switch {
	case isNumber(lt) && isNumber(rt):
		t = widest(lt, rt)
	case op == "-" && fits(schema.DateTime, schema.DateTime):
		return call("datetime_sub", schema.TimeSpan, l, r)
	case (op == "+" || op == "-") && fits(schema.DateTime, schema.TimeSpan):
		return call("datetime_shift"+op, schema.DateTime, l, r)
	case op == "+" && fits(schema.TimeSpan, schema.DateTime):
		return call("datetime_shift+", schema.DateTime, r, l)
	case (op == "+" || op == "-" || op == "%") && fits(schema.TimeSpan, schema.TimeSpan):
		t = schema.TimeSpan
	case op == "/" && fits(schema.TimeSpan, schema.TimeSpan):
		return call("/", schema.Real, call("as_real", schema.Real, l), call("as_real", schema.Real, r))
	case (op == "*" || op == "/") && lt == schema.TimeSpan && isNumber(rt), op == "*" && isNumber(lt) && rt == schema.TimeSpan:
		return call("span"+op, schema.TimeSpan, call("as_real", schema.Real, l), call("as_real", schema.Real, r))
	default:
		return b.mismatch(x.OpSpan, op, l, r)
	}
	return fold(call(op, t, l, r))
}

// fold computes sums and products of constants, so that `7 * 1d` may stand where a constant must.
func fold(c *Call) Expr {
	l, okL := c.Args[0].(*Const)
	r, okR := c.Args[1].(*Const)
	if !okL || !okR || c.T == schema.Real {
		return c
	}
	a, okA := l.Value.(int64)
	z, okZ := r.Value.(int64)
	const small = 1 << 30 // no overflow below
	if !okA || !okZ || a > small || a < -small || z > small || z < -small {
		return c
	}
	switch c.Fn {
	case "+":
		return &Const{Value: a + z, T: c.T}
	case "-":
		return &Const{Value: a - z, T: c.T}
	case "*":
		return &Const{Value: a * z, T: c.T}
	}
	return c
}

func (b *binder) between(sc *scope, x *syntax.Between) Expr {
	v, lo, hi := b.expr(sc, x.X), b.expr(sc, x.Lo), b.expr(sc, x.Hi)
	if isFailed(v, lo, hi) {
		return &failed{}
	}
	if v.Type() == schema.String {
		b.errorf(syntax.CodeType, x.X.At(), "between does not take strings")
		return &failed{}
	}
	if lo.Type() == schema.DateTime && hi.Type() == schema.TimeSpan { // start .. 7d is start .. start+7d
		hi = call("datetime_shift+", schema.DateTime, lo, hi)
	}
	at := x.Span
	l, h := b.order(at, ">=", v, lo), b.order(at, "<=", v, hi)
	if isFailed(l, h) {
		return &failed{}
	}
	both := call("and", schema.Bool, l, h)
	if x.Not {
		return call("not", schema.Bool, both)
	}
	return both
}
